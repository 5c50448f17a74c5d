"""A scripted shopper: what one person does in the store, and what TikTok is therefore to hear.

Played by `script`; acts through a `browser`, and lets `page_scripts` tell what the scripts of each page would tell.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct, field

from gateway.demo.browser import Browser, Cookie
from gateway.demo.catalogue import CURRENCY, to_amount
from gateway.demo.page_scripts import PageScripts
from gateway.demo.site import DOMAIN
from gateway.demo.verdict import Expected
from gateway.shopify.storefront import to_checkout_id

PAGE_VIEW = "Pageview"
GATEWAY_COOKIES = ("_tgv", "_tgc", "ttclid")

_STEPS = ("checkout_contact_info_submitted", "checkout_address_info_submitted", "payment_info_submitted")
"""What Shopify tells its pixels while a checkout's form is sent."""

Say = Callable[[str, str], None]


class Shopper(Struct):
    """A person, their browser with its scripts, and the events they have caused so far."""

    browser: Browser
    scripts: PageScripts
    say: Say
    pause: Callable[[], Awaitable[None]]
    click_id: str = field(default_factory=lambda: f"E.C.P.{secrets.token_urlsafe(40)}")
    email: str | None = None
    consents: bool = False
    expected: list[Expected] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.browser.persona.name

    async def click_ad(self, handle: str) -> None:
        """They have landed on a product from an ad, through the gateway."""
        await self._do(f"clicks an ad for /products/{handle}")
        await self.browser.go(f"{self.scripts.site.gateway_url}/go?to=/products/{handle}&ttclid={self.click_id}")

    async def consent(self) -> None:
        """The banner is answered with yes: the Pixel starts, if there is one, and the page tells what it held back."""
        await self._do("says yes to the consent banner")
        self.consents = True
        if self.browser.persona.pixel == "fired":
            value = secrets.token_hex(13) + "1"
            self.browser.cookies["_ttp"] = Cookie(value, DOMAIN, is_host_only=False)
        await self._look()

    async def refuse(self) -> None:
        """The banner is answered with no. The snippet falls silent; a page that sends all the same is not heard."""
        await self._do("says no to the consent banner; a faulty page reports all the same")
        events = [self.scripts.make_event(name, properties) for name, properties, _ in self.browser.page.calls]
        await self.scripts.tell(*events, marketing=False)

    async def visit(self, path: str) -> None:
        """They look at another page of the store."""
        await self._do(f"looks at {path}")
        await self.browser.go(self.scripts.site.store_url + path)
        await self._look()

    async def add_to_cart(self) -> None:
        """The product of this page is in the cart."""
        await self._do("adds it to the cart")
        item = await self.browser.call("/cart/add.js", {"id": self._variant_id(), "quantity": 1})
        if self.consents:
            await self._tell(("AddToCart", to_added(item), {}))

    async def check_out(self) -> None:
        """The checkout is open for the cart; its page told of it under an id that gives way to the checkout's."""
        await self._do("goes from the cart to the checkout: the page tells it, and so does the checkout")
        await self.browser.go(self.scripts.site.store_url + "/cart")
        await self._look()
        if self.consents:
            await self.scripts.tell_start()
        await self.browser.submit("/cart")
        await self._enter_checkout()

    async def buy_now(self) -> None:
        """The checkout is open for the product of this page, past the cart and what the gateway left there."""
        await self._do("presses Buy it now, so there is no cart")
        await self.browser.submit("/buy-now", {"id": str(self._variant_id())})
        await self._enter_checkout()

    async def pay(self, email: str) -> None:
        """The order is placed; from the form on it is known who buys."""
        await self._do("types an email address and pays")
        self.email = email
        checkout = self.browser.page.data["checkout-data"]
        for step in _STEPS:
            await self._tell_step(step, checkout)
        fields = {"email": email, "first_name": self.name, "last_name": "Example", "country_code": "DE"}
        thanks = await self.browser.submit(self.browser.page.url, fields)
        completed = thanks.events["checkout_completed"]["checkout"]
        await self._tell_step("checkout_completed", completed)
        self._expect("Purchase", f"purchase_{completed['order']['id']}")

    @property
    def marks(self) -> list[str]:
        """The texts by which this person could be recognised."""
        known = [self.click_id, self.browser.persona.ip]
        return [*known, self.email, to_digest(self.email)] if self.email else known

    @property
    def traces(self) -> list[str]:
        """The gateway's cookies that this browser was given."""
        return [name for name in GATEWAY_COOKIES if name in self.browser.cookies]

    def _variant_id(self) -> int:
        """The variant that this product page shows."""
        return int(self.browser.page.data["tg-config"]["product"]["selected"]["id"])

    async def _do(self, what: str) -> None:
        await self.pause()
        self.say(self.name, what)

    async def _look(self) -> None:
        """What the scripts of a theme's page tell: its view and its theme's calls in one beacon, and who this is."""
        if not self.consents:
            return
        await self._tell((PAGE_VIEW, {}, {}), *self.browser.page.calls)
        await self.scripts.write_cart()
        await self.scripts.link_client()

    async def _enter_checkout(self) -> None:
        """Shopify tells of it in any case: the pixel at once, and the webhook a little later."""
        checkout = self.browser.page.events["checkout_started"]["checkout"]
        await self._tell_step("checkout_started", checkout)
        self._expect("InitiateCheckout", to_checkout_id(checkout["token"], "InitiateCheckout"))

    async def _tell_step(self, name: str, checkout: dict[str, Any]) -> None:
        """The custom pixel, where it runs, has told of a step; only it knows of the payment form."""
        if not (self.consents and self.scripts.is_sandboxed):
            return
        event_id = await self.scripts.tell_checkout(name, checkout, self.email)
        if name == "payment_info_submitted" and event_id:
            self._expect("AddPaymentInfo", event_id)

    async def _tell(self, *calls: tuple[str, dict[str, Any], dict[str, str]]) -> None:
        """A beacon with these events has been answered, and they are expected at TikTok's."""
        events = [self.scripts.make_event(name, said, options.get("event_id")) for name, said, options in calls]
        for event in filter(is_for_server, events):
            self._expect(event["event"], event["event_id"])
        await self.scripts.tell(*events)

    def _expect(self, event: str, event_id: str) -> None:
        """TikTok is to accept this once, with all that is known by now; of who refuses it is to hear nothing."""
        if self.consents:
            self.expected.append(Expected(self.name, event, event_id, self._keys()))

    def _keys(self) -> dict[str, str]:
        """What TikTok must be able to match by."""
        persona = self.browser.persona
        keys = {"ttclid": self.click_id, "ip": persona.ip, "user_agent": persona.user_agent}
        if "_ttp" in self.browser.cookies:
            keys["ttp"] = self.browser.cookies["_ttp"].value
        if self.email:
            keys["email"] = to_digest(self.email)
        return keys


def is_for_server(event: dict[str, Any]) -> bool:
    """Whether the gateway is to send this event: a page view of the Pixel's has no id and would count twice."""
    return not (event["event"] == PAGE_VIEW and event["pixel"] == "fired")


def to_digest(email: str) -> str:
    """The email as TikTok knows it; the cast writes theirs in lower case."""
    return hashlib.sha256(email.encode()).hexdigest()


def to_added(item: dict[str, Any]) -> dict[str, Any]:
    """One piece just added, as the theme tells it to the Pixel."""
    price = to_amount(item["price"])
    content = {"content_id": str(item["variant_id"]), "content_name": item["product_title"], "brand": item["vendor"]}
    content |= {"content_category": item["product_type"], "price": price, "quantity": 1}
    return {"content_type": "product", "contents": [content], "currency": CURRENCY, "value": price}

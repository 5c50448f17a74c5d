"""A scripted shopper: what one person does in the store, and what TikTok is therefore to hear.

Played by `script`; acts through a `browser` as the theme, the snippet and TikTok's Pixel would in a real one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct, field

from gateway.demo.browser import Browser, Cookie
from gateway.demo.catalogue import CURRENCY, to_amount
from gateway.demo.site import DOMAIN
from gateway.demo.verdict import Expected

PAGE_VIEW = "Pageview"
GATEWAY_COOKIES = ("_tgv", "_tgc", "ttclid")

Say = Callable[[str, str], None]


class Shopper(Struct):
    """A person, their browser, and the events they have caused so far."""

    browser: Browser
    say: Say
    pause: Callable[[], Awaitable[None]]
    click_id: str = field(default_factory=lambda: f"E.C.P.{secrets.token_urlsafe(40)}")
    email: str = ""
    expected: list[Expected] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.browser.persona.name

    async def click_ad(self, handle: str) -> None:
        """They have landed on a product from an ad, through the gateway."""
        await self._do(f"clicks an ad for /products/{handle}")
        await self.browser.go(f"{self.browser.site.gateway_url}/go?to=/products/{handle}&ttclid={self.click_id}")

    async def consent(self) -> None:
        """The banner is answered with yes: the Pixel starts, if there is one, and the page tells what it held back."""
        await self._do("says yes to the consent banner")
        if self.browser.persona.pixel == "fired":
            value = secrets.token_hex(13) + "1"
            self.browser.cookies["_ttp"] = Cookie(value, DOMAIN, is_host_only=False)
        await self._tell_page()

    async def refuse(self) -> None:
        """The banner is answered with no. The snippet falls silent; a page that sends all the same is not heard."""
        await self._do("says no to the consent banner; a faulty page reports all the same")
        events = [self.browser.make_event(name, properties) for name, properties, _ in self.browser.page.calls]
        await self.browser.beacon(*events, marketing=False)

    async def visit(self, path: str) -> None:
        """They look at another page of the store."""
        await self._do(f"looks at {path}")
        await self.browser.go(self.browser.site.store_url + path)
        await self._tell_page()

    async def add_to_cart(self) -> None:
        """The product of this page is in the cart."""
        await self._do("adds it to the cart")
        [(_, properties, _)] = self.browser.page.calls
        item = await self.browser.call(
            "/cart/add.js", {"id": int(properties["contents"][0]["content_id"]), "quantity": 1}
        )
        await self._tell(("AddToCart", to_added(item), {}))

    async def check_out(self) -> None:
        """The checkout is open."""
        await self._do("goes to the checkout")
        await self.browser.go(self.browser.site.store_url + "/cart")
        await self._tell_page()
        await self.browser.submit("/cart")
        await self._tell_page()

    async def buy(self, email: str) -> None:
        """The order is placed; from the form on it is known who buys."""
        await self._do("types an email address and pays")
        self.email = email
        self.browser.user = {"email": email}
        await self.browser.beacon()
        self.browser.user = None
        await self.browser.submit(
            self.browser.page.url, {"email": email, "first_name": self.name, "country_code": "DE"}
        )
        await self._tell_page()

    @property
    def traces(self) -> list[str]:
        """The gateway's cookies that this browser was given."""
        return [name for name in GATEWAY_COOKIES if name in self.browser.cookies]

    async def _do(self, what: str) -> None:
        await self.pause()
        self.say(self.name, what)

    async def _tell_page(self) -> None:
        """The page's own view and its theme's calls, which the snippet sends in one beacon."""
        await self._tell((PAGE_VIEW, {}, {}), *self.browser.page.calls)

    async def _tell(self, *calls: tuple[str, dict[str, Any], dict[str, str]]) -> None:
        """A beacon with these events has been answered, and they are expected at TikTok's."""
        events = [self.browser.make_event(name, said, options.get("event_id")) for name, said, options in calls]
        self.expected += [
            Expected(self.name, event["event"], event["event_id"], self._keys())
            for event in events
            if is_for_server(event)
        ]
        await self.browser.beacon(*events)

    def _keys(self) -> dict[str, str]:
        """What TikTok must be able to match by."""
        persona = self.browser.persona
        keys = {"ttclid": self.click_id, "ip": persona.ip, "user_agent": persona.user_agent}
        if "_ttp" in self.browser.cookies:
            keys["ttp"] = self.browser.cookies["_ttp"].value
        if self.email:
            keys["email"] = hashlib.sha256(self.email.encode()).hexdigest()
        return keys


def is_for_server(event: dict[str, Any]) -> bool:
    """Whether the gateway is to send this event: a page view of the Pixel's has no id and would count twice."""
    return not (event["event"] == PAGE_VIEW and event["pixel"] == "fired")


def to_added(item: dict[str, Any]) -> dict[str, Any]:
    """One piece just added, as the theme tells it to the Pixel."""
    price = to_amount(item["price"])
    content = {"content_id": str(item["variant_id"]), "content_name": item["product_title"], "brand": item["vendor"]}
    content |= {"content_category": item["product_type"], "price": price, "quantity": 1}
    return {"content_type": "product", "contents": [content], "currency": CURRENCY, "value": price}

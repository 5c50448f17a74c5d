"""What the gateway's scripts say on a page, said without a browser: the snippet, its add-on, and the custom pixel.

Driven by `shopper`. Bodies and ids are those of static/snippet.js, static/shopify.js and templates/custom_pixel.js.j2,
so that a machine without a browser shows the same way (contract 4.1).
"""

from __future__ import annotations

import html
import json
import re
import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from msgspec import Struct, field
from uuid_utils import uuid7

from gateway.demo.browser import Browser
from gateway.demo.catalogue import CURRENCY, to_amount
from gateway.demo.site import COLLECT_PATH, Site
from gateway.shopify.storefront import EVENT_NAMES, to_checkout_id, to_numeric_id, to_purchase_id

_COLLECT = re.compile(r'"collect":"([^"]+)"')
_TEXT = {"content-type": "text/plain;charset=UTF-8"}


class PageScripts(Struct):
    """The scripts of one browser, and what they remember from page to page."""

    browser: Browser
    site: Site
    first: str = field(default_factory=lambda: str(uuid7()))
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    cart_token: str | None = None
    is_written: bool = False
    is_linked: bool = False

    # The snippet, on the theme's pages

    async def tell(self, *events: dict[str, Any], marketing: bool = True) -> httpx.Response:
        """The gateway's answer to a beacon. The snippet comes from where the page's tag says, and knows where to."""
        page = self.browser.page
        said = {
            "v": 1,
            "sent_at": now_ms(),
            "page": {"url": page.url, "referrer": page.referrer},
            "consent": dict.fromkeys(("marketing", "analytics", "sale_of_data"), marketing) | {"source": "banner"},
            "ids": self.find_ids(),
            "events": list(events),
        }
        headers = {**_TEXT, "origin": self.site.store_url}
        return await self.browser.request("POST", await self._find_endpoint(), headers, content=json.dumps(said))

    def make_event(self, name: str, properties: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
        """One event, with an id of its own unless the page gave one."""
        at = {"event_id": event_id or str(uuid7()), "at": now_ms()}
        return {"pixel": self.browser.persona.pixel, "event": name, **at, "properties": properties}

    def find_ids(self) -> dict[str, str]:
        """What is in the address and the readable cookies; before the first answer, an id of the snippet's own."""
        cookies, page = self.browser.cookies, self.browser.page
        names = {"companion": "_tgc", "ttclid": "ttclid", "ttp": "_ttp"}
        ids = {name: cookies[cookie].value for name, cookie in names.items() if cookie in cookies}
        for url in (page.referrer, page.url):
            ids |= {name: value for name, value in parse_qsl(urlsplit(url).query) if name == "ttclid"}
        if "companion" not in ids:
            ids["first"] = self.first
        if self.cart_token:
            ids["cart"] = self.cart_token
        return ids

    async def _find_endpoint(self) -> str:
        """Raises: httpx.HTTPStatusError when the page's snippet is not served."""
        url = html.unescape(self.browser.page.script_url or "")
        answer = await self.browser.request("GET", url)
        answer.raise_for_status()
        (path,) = _COLLECT.findall(answer.text)
        return urljoin(url, str(path))

    # The add-on, on the theme's pages

    async def write_cart(self) -> None:
        """The companion is in the cart, once, and so will be in the order; later beacons name the cart."""
        companion = self.browser.cookies.get("_tgc")
        if companion and not self.is_written:
            cart = await self.browser.call("/cart/update.js", {"attributes": {"__tg": companion.value}})
            self.cart_token = cart["token"].partition("?")[0]
            self.is_written = True

    async def tell_start(self) -> None:
        """The page has told that its cart goes to the checkout, as it ends; a Pixel that works is not told of it."""
        event = self.make_event("InitiateCheckout", to_cart_properties(self.browser.page.data["tg-config"]["lines"]))
        if event["pixel"] == "fired":
            del event["pixel"]
        await self.tell(event)

    # The custom pixel, on every page, in its sandbox

    @property
    def is_sandboxed(self) -> bool:
        """Whether the custom pixel runs: with an ad blocker its frame never loads."""
        return self.browser.persona.pixel != "blocked"

    async def link_client(self) -> None:
        """The gateway knows Shopify's id of this browser, once there is a visitor to know it of."""
        if self.is_sandboxed and not self.is_linked and "_tgc" in self.browser.cookies:
            self.is_linked = True
            await self._tell_pixel(self.browser.page.url, {})

    async def tell_checkout(self, name: str, checkout: dict[str, Any], email: str | None = None) -> str | None:
        """The custom pixel has told of a step of the checkout; the event id that it gave it, if it is an event."""
        step = EVENT_NAMES.get(name)
        customer = (checkout["order"]["customer"] or {}).get("id")
        said: dict[str, Any] = {"user": {"email": email or checkout["email"], "external_id": customer}}
        event_id = to_event_id(step, checkout) if step else None
        if step and event_id:
            event = {"event": step, "event_id": event_id, "at": now_ms(), "properties": to_properties(checkout, step)}
            said["events"] = [event]
        page_url = self.browser.page.url.replace(f"/{checkout['token']}", "")
        await self._tell_pixel(page_url, said, checkout=checkout["token"], customer=customer)
        return event_id

    async def _tell_pixel(self, page_url: str, said: dict[str, Any], **ids: str | None) -> None:
        """A beacon from the sandbox: no cookies, an origin of null, every id in the body."""
        known = {name: value for name, value in self.find_ids().items() if name != "first"}
        beacon = {
            "v": 1,
            "sent_at": now_ms(),
            "page": {"url": page_url},
            "consent": {"marketing": True},
            "ids": {**known, "client": self.client_id, **{name: value for name, value in ids.items() if value}},
            **said,
        }
        url = f"{self.site.gateway_url}{COLLECT_PATH}/px"
        headers = {**_TEXT, "origin": "null"}
        await self.browser.request("POST", url, headers, with_cookies=False, content=json.dumps(beacon))


def to_event_id(step: str, checkout: dict[str, Any]) -> str:
    """The id that the webhook's event has too (contract 4.4)."""
    if step == "Purchase":
        return to_purchase_id(to_numeric_id(checkout["order"]["id"]) or "")
    return to_checkout_id(checkout["token"], step)


def to_properties(checkout: dict[str, Any], step: str) -> dict[str, Any]:
    """The checkout in TikTok's words."""
    contents = [
        {
            "content_id": line["variant"]["id"],
            "content_name": line["title"],
            "content_category": line["variant"]["product"]["type"],
            "brand": line["variant"]["product"]["vendor"],
            "price": line["variant"]["price"]["amount"],
            "quantity": line["quantity"],
        }
        for line in checkout["lineItems"]
    ]
    properties = {
        "contents": contents,
        "content_ids": [content["content_id"] for content in contents],
        "content_type": "product",
        "value": checkout["totalPrice"]["amount"],
        "currency": CURRENCY,
    }
    return properties | ({"order_id": checkout["order"]["id"]} if step == "Purchase" else {})


def to_cart_properties(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The cart in TikTok's words, as the theme tag knows it."""
    contents = [
        {
            "content_id": line["variant_id"],
            "content_name": line["title"],
            "content_category": line["product_type"],
            "brand": line["vendor"],
            "price": to_amount(line["price"]),
            "quantity": line["quantity"],
        }
        for line in lines
    ]
    return {
        "contents": contents,
        "content_ids": [content["content_id"] for content in contents],
        "content_type": "product",
        "value": to_amount(sum(line["price"] * line["quantity"] for line in lines)),
        "currency": CURRENCY,
    }


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000

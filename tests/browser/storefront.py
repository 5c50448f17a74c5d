"""A Shopify storefront for browsers on loopback: `Shop`, plus what Shopify itself brings.

Pages carry the theme tag as `install` shows it, rendered by Liquid; `window.Shopify` with the Customer Privacy API; the
Ajax cart; and a checkout with the sandboxed frame in which Shopify runs custom pixels. Facts: Shopify spec 2 to 5.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

from gateway.errors import Malformed
from gateway.intake.beacon import MAX_BYTES, parse_beacon
from gateway.ops.install import render_custom_pixel, render_theme_tag
from gateway.settings import StoreSettings
from gateway.web.addon import AddonEndpoint, find_addon_path
from gateway.web.answers import Answer, Headers, Receive, Scope, Send, send_answer, to_json
from gateway.web.hits import read_body, to_header_map
from tests.browser.liquid import render_liquid
from tests.browser.shop import COMPANION, Beacon, Shop, make_settings, serve
from tests.browser.shopify_scripts import BRIDGE, SANDBOX, SHOPIFY

CART = "hWN3NvqPtE14ixpbtuXffV7h"
CHECKOUT = "e9afbbf20aea73e47f32bb4e90432653"
CLIENT = "e5ad9160-fc5a-4185-b9d2-af8a6a86cf94"
CHALLENGE = Answer(429, [(b"content-type", b"text/html")], b"<!doctype html><title>Just a moment...</title>")

TEE = {
    "id": 42,
    "title": "Tee </script><b>",
    "vendor": "Acme",
    "type": "Shirts",
    "selected_or_first_available_variant": {"id": 44, "sku": "TEE-S", "price": 1999},
    "variants": [{"id": 44, "sku": "TEE-S", "price": 1999}, {"id": 45, "sku": "TEE-L", "price": 2499}],
}
"""A product as Liquid has it: prices in hundredths."""

LINE = {
    "variant_id": 77,
    "product_id": 70,
    "sku": "CAP",
    "price": 1500,
    "quantity": 5,
    "title": "Cap - Red",
    "product_title": "Cap",
    "vendor": "Acme",
    "product_type": "Hats",
}
"""A line as the Ajax cart answers an addition: `quantity` is what the cart holds now."""


@dataclass
class Storefront(Shop):
    """The storefront. Tests set what it answers, and see what it was asked.

    `choice` is the visitor's ("yes", "no", "" for none yet), `sale` whether their data may be sold; `privacy` says
    whether Shopify's API "loads", "fails" or is "missing". `cart_mood`, when set, answers every request to the cart.
    """

    choice: str = "yes"
    sale: bool = True
    privacy: str = "loads"
    cart_mood: Answer | None = None
    cart_writes: list[dict[str, Any]] = field(default_factory=list)
    pixel_beacons: list[Beacon] = field(default_factory=list)
    pixel_answer: dict[str, Any] = field(default_factory=lambda: {"visitor": COMPANION, "ttclid": None})
    pixel_moods: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        if path := find_addon_path(self.settings):
            self.scripts[path] = AddonEndpoint(self.settings)

    # Pages

    def theme(self, path: str, page_type: str = "index", *, head: str = "", body: str = "", **liquid: Any) -> str:
        """The URL of a page of the theme; `liquid` are its global objects, `head` stands before the theme tag."""
        values: dict[str, Any] = {
            "request": {"page_type": page_type},
            "cart": {"currency": {"iso_code": "EUR"}, "token": None, "item_count": 0},
            **liquid,
        }
        tag = render_liquid(self._on_loopback(render_theme_tag(self.settings)), **values)
        return self.put(path, head="{shopify}" + head + tag, body=body)

    def checkout(self, path: str = f"/checkouts/cn/{CHECKOUT}/en-us", **init: Any) -> str:
        """The URL of a page of the checkout, whose sandbox runs the custom pixel; `init` adds to what that is given."""
        given = {"data": {"customer": None, "cart": None}, **init}
        pixel = self._on_loopback(render_custom_pixel(self.settings))
        sandbox = SANDBOX.replace("{init}", json.dumps(given)).replace("{pixel}", pixel)
        self.pages["/wpm/sandbox"] = sandbox
        return self.put(path, head="", body=BRIDGE.replace("{client}", CLIENT))

    def _on_loopback(self, text: str) -> str:
        """The pasted text with the gateway's address here: no TLS, and a port."""
        return text.replace("https://t.shop.localhost", f"http://t.shop.localhost:{self.port}")

    def _page(self, scope: Scope) -> Answer:
        """Shopify's own scripts and the consent of the moment are filled in when a page is asked for."""
        answer = super()._page(scope)
        privacy = {"marketing": self.choice, "sale": self.sale, "how": self.privacy}
        filled = answer.body.decode().replace("{shopify}", SHOPIFY).replace("{privacy}", json.dumps(privacy))
        return answer._replace(body=filled.encode())

    # The server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = to_header_map(scope)
        path = scope["path"]
        if headers[b"host"].startswith(b"www.") and "/cart/" in path:
            await send_answer(send, self._cart(path, await read_body(receive, headers, MAX_BYTES)))
        elif path == self.settings.collect_path + "/px":
            await send_answer(send, await self._take_pixel(headers, await read_body(receive, headers, MAX_BYTES)))
        else:
            await super().__call__(scope, receive, send)

    def _cart(self, path: str, body: bytes) -> Answer:
        if path.endswith("/update.js"):
            self.cart_writes.append(json.loads(body))
        if self.cart_mood:
            return self.cart_mood
        if path.endswith("/update.js"):
            return to_json(200, {"token": f"{CART}?key=secret", "items": []})
        if path.endswith("/add"):
            return Answer(303, [(b"location", b"/cart")])
        return to_json(200, LINE)

    async def _take_pixel(self, headers: dict[bytes, bytes], body: bytes) -> Answer:
        cors: Headers = [(b"access-control-allow-origin", b"*")]
        if self.pixel_moods:
            return Answer(self.pixel_moods.pop(0), cors)
        told = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
        try:
            parse_beacon(body)
        except Malformed as error:
            self.refused.append(str(error))
        async with self._changed:
            self.pixel_beacons.append(Beacon(json.loads(body), told))
            self._changed.notify_all()
        return to_json(200, self.pixel_answer, cors)

    # What arrived

    @property
    def pixel_events(self) -> list[dict[str, Any]]:
        """Every event the custom pixel has sent."""
        return [event for beacon in self.pixel_beacons for event in beacon.body.get("events", [])]

    def told(self, name: str) -> list[dict[str, Any]]:
        """The events of this name, each id once: what a page's end cut off is sent again under the same id."""
        return list({event["event_id"]: event for event in self.named(name)}.values())

    def events_on(self, path: str) -> list[dict[str, Any]]:
        """The events that happened on this page."""
        return [event for event in self.events if event["page"]["url"] == self.url(path)]

    @property
    def requests(self) -> int:
        """How many requests the gateway has had that say something, and Shopify's cart because of us."""
        return len(self.beacons) + len(self.pixel_beacons) + len(self.cart_writes)


async def publish(page: Page, name: str, data: dict[str, Any]) -> None:
    """Shopify has told its pixels of this event."""
    await page.wait_for_function("window.sandboxIsReady")
    await page.evaluate("([name, data]) => publish(name, data)", [name, data])


@contextlib.asynccontextmanager
async def open_storefront(**choices: Any) -> AsyncIterator[Storefront]:
    """A storefront that serves while the block runs. `choices` are settings of its store, those of Shopify included."""
    shopify = {"shop": "acme.myshopify.com", "webhook_secrets": ["unused"], **choices.pop("shopify", {})}
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        settings = make_settings(port) | {"consent": "shopify", "shopify": shopify} | choices
        shop = Storefront(port, StoreSettings.model_validate(settings))
        async with serve(shop, sock):
            yield shop

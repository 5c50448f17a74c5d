"""The shop at www.acme.test as Shopify serves it, and TikTok's own host beside it: what a visitor's browser talks to.

Theme pages have the theme tag as `install` shows it, TikTok's base code, and the frame in which Shopify runs the custom
pixel; checkout pages have the frame alone. Shopify's part is written after its documentation (spec 2 to 5).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.ops.install import render_custom_pixel, render_theme_tag
from gateway.settings import StoreSettings
from gateway.web.answers import Answer, Receive, Scope, Send, send_answer, to_json
from gateway.web.hits import read_body, to_header_map
from tests.browser.liquid import render_liquid
from tests.browser.shopify_scripts import BRIDGE, SANDBOX, SHOPIFY
from tests.browser.tiktok_pixel import BASE_CODE, REPLACING

WWW, TIKTOK = "www.acme.test", "analytics.tiktok.com"
ORIGIN = f"https://{WWW}"
PRODUCT = f"{ORIGIN}/products/tee"
CHECK_OUT = '<form action="/cart" method="post"><button name="checkout">Check out</button></form>'

SANDBOX_PATH = "/wpm@4c1f9a2b/custom/web-pixel-76939549@7/sandbox/modern"

_CONSENT = {"marketing": "yes", "sale": True, "how": "loads"}

_VARIANT = {"id": 44, "sku": "TEE-S", "price": 1999}
_TEE = {
    "id": 42,
    "title": "Tee",
    "vendor": "Acme",
    "type": "Shirts",
    "selected_or_first_available_variant": _VARIANT,
    "variants": [_VARIANT],
}


@dataclass
class Cart:
    """A cart and its checkout on Shopify's side, where no browser's rules reach them."""

    token: str = field(default_factory=lambda: f"hWN{secrets.token_hex(10)}")
    checkout: str = field(default_factory=lambda: secrets.token_hex(16))
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def thanks_url(self) -> str:
        """The page after the payment."""
        return f"{ORIGIN}/checkouts/cn/{self.checkout}/thank-you"


class Shop:
    """Serves one visitor at a time. `asked` holds the host and path of every request.

    What leads back to a visitor is each one's own: their click, their `client` (Shopify's id of a browser), their cart.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._changed = asyncio.Condition()
        self.reset()

    def reset(self) -> None:
        """The next visitor comes."""
        self.asked: list[str] = []
        self.click = f"E.C.P.{secrets.token_urlsafe(48)}"
        self.client = str(uuid.uuid4())
        self.cart = Cart()

    async def until(self, condition: Callable[[], object], timeout_s: float) -> None:
        """The condition, looked at after each request, is true. Raises: AssertionError, telling what was asked for."""
        try:
            async with self._changed, asyncio.timeout(timeout_s):
                await self._changed.wait_for(lambda: bool(condition()))
        except TimeoutError:
            raise AssertionError(f"waited {timeout_s} s in vain; asked for: {self.asked}") from None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = to_header_map(scope)
        host, path = headers[b"host"].decode(), scope["path"]
        async with self._changed:
            self.asked.append(host + path)
            body = await read_body(receive, headers, 65_536)
            answer = _to_script(REPLACING) if host == TIKTOK else self._answer(path, body)
            self._changed.notify_all()
        await send_answer(send, answer)

    def _answer(self, path: str, body: bytes) -> Answer:
        if path == "/cart/update.js":
            self.cart.attributes |= json.loads(body)["attributes"]
            return to_json(200, {"token": f"{self.cart.token}?key=secret", "items": []})
        if path == "/cart" and body == b"checkout=":
            return Answer(303, [(b"location", f"/checkouts/cn/{self.cart.checkout}".encode())])
        if path.startswith(SANDBOX_PATH):
            init = json.dumps({"data": {"customer": None, "cart": None}, "customerPrivacy": {"marketingAllowed": True}})
            return _to_page(SANDBOX.replace("{init}", init).replace("{pixel}", render_custom_pixel(self._settings)))
        frame = BRIDGE.replace("/wpm/sandbox", SANDBOX_PATH + path).replace("{client}", self.client)
        return _to_page(frame if path.startswith("/checkouts/") else self._render_theme(path) + frame)

    def _render_theme(self, path: str) -> str:
        """What Liquid makes of the theme tag on this page, below what the theme had before."""
        is_product = path.startswith("/products/")
        values: dict[str, Any] = {
            "request": {"page_type": "product" if is_product else "index"},
            "cart": {"currency": {"iso_code": "EUR"}, "token": self.cart.token, "item_count": 0},
            **({"product": _TEE} if is_product else {}),
        }
        shopify = SHOPIFY.replace("{privacy}", json.dumps(_CONSENT))
        form = CHECK_OUT if path == "/cart" else ""
        return shopify + BASE_CODE + render_liquid(render_theme_tag(self._settings), **values) + form


def _to_page(html: str) -> Answer:
    page = f"<!doctype html><title>Shop</title>{html}".encode()
    return Answer(200, [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")], page)


def _to_script(source: str) -> Answer:
    return Answer(200, [(b"content-type", b"text/javascript")], source.encode())

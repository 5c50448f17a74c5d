"""The Cart API of the demo store: what a theme's scripts and forms ask for, answered as Shopify answers.

Routed by `storefront`; changes the carts of `cart`.
Source: Shopify, "Cart API reference" (Shopify spec 2.1, read 2026-09).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.demo.cart import Cart, CartFault, Carts, to_item, to_json

COOKIE = "cart"
_MAX_AGE_S = 14 * 86_400
_FORM_KEY = re.compile(r"(\w+)\[([^\]]+)\]")

Said = Mapping[str, Any]


class CartApi:
    """Answers /cart.js and the paths below /cart/."""

    def __init__(self, carts: Carts) -> None:
        self._carts = carts

    async def show(self, request: Request) -> Response:
        """The cart as it is. Reading makes none: a browser without a cart gets another token each time."""
        return JSONResponse(to_json(self.find(request) or Cart()))

    async def add(self, request: Request) -> Response:
        """One item, or a list of `items`, is in the cart; the answer is what was added."""
        return await self._change(request, add_items)

    async def update(self, request: Request) -> Response:
        """Attributes, note and quantities are as said; what was not said stays."""
        return await self._change(request, update_cart)

    async def change(self, request: Request) -> Response:
        """One line has the quantity said."""
        return await self._change(request, change_line)

    async def clear(self, request: Request) -> Response:
        """The cart has no lines. Its attributes stay."""
        return await self._change(request, clear_lines)

    def find(self, request: Request) -> Cart | None:
        """The cart of this browser, if it has one."""
        return self._carts.find(request.cookies.get(COOKIE))

    async def _change(self, request: Request, work: Callable[[Cart, Said], Any]) -> Response:
        said = await read_said(request)
        cart = self.find(request) or Cart()
        try:
            told = work(cart, said)
        except (CartFault, ValueError, TypeError) as fault:
            reason = str(fault) if isinstance(fault, CartFault) else "Required parameter missing or invalid"
            return JSONResponse({"status": 422, "message": "Cart Error", "description": reason}, 422)
        self._carts.keep(cart)
        is_script = request.url.path.endswith(".js")
        response = JSONResponse(told) if is_script else RedirectResponse("/cart", status_code=303)
        response.set_cookie(COOKIE, quote(cart.full_token), max_age=_MAX_AGE_S, samesite="lax")
        return response


def add_items(cart: Cart, said: Said) -> Any:
    """What /cart/add tells: the line that one item is in, or all lines that a list of items is in."""
    items = said.get("items")
    added = [_add_item(cart, item) for item in (items if isinstance(items, list) else [said])]
    return {"items": added} if isinstance(items, list) else added[0]


def _add_item(cart: Cart, item: Said) -> dict[str, Any]:
    return to_item(cart.add(int(item.get("id", "")), int(item.get("quantity") or 1), _part(item)))


def _part(item: Said) -> Said:
    properties = item.get("properties")
    return properties if isinstance(properties, dict) else {}


def update_cart(cart: Cart, said: Said) -> Any:
    """What /cart/update tells: the cart. Attributes merge; `updates` are quantities by variant, or line by line."""
    if isinstance(attributes := said.get("attributes"), dict):
        cart.merge_attributes(attributes)
    if "note" in said:
        cart.note = str(said["note"] or "")
    updates = said.get("updates") or {}
    if isinstance(updates, list):
        updates = {line.variant.id: quantity for line, quantity in zip(list(cart.lines), updates, strict=False)}
    for variant_id, quantity in updates.items():
        cart.change(int(variant_id), int(quantity))
    return to_json(cart)


def change_line(cart: Cart, said: Said) -> Any:
    """What /cart/change tells: the cart. A line is named by `id`, or by its position from 1 on as `line`."""
    if "line" in said:
        position = int(said["line"]) - 1
        if not 0 <= position < len(cart.lines):
            raise CartFault("no valid line")
        variant_id = cart.lines[position].variant.id
    else:
        variant_id = int(str(said.get("id", "")).partition(":")[0])
    cart.change(variant_id, int(said.get("quantity", 1)))
    return to_json(cart)


def clear_lines(cart: Cart, _said: Said) -> Any:
    """What /cart/clear tells: the cart."""
    cart.lines.clear()
    return to_json(cart)


async def read_said(request: Request) -> Said:
    """The parameters of a request: JSON, or a form whose `attributes[gift]` becomes {"attributes": {"gift": …}}."""
    body, kind = await request.body(), request.headers.get("content-type", "")
    if "json" in kind:
        try:
            said = json.loads(body)
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}
    tree: dict[str, Any] = {}
    for key, value in parse_form(body, kind):
        if found := _FORM_KEY.fullmatch(key):
            tree.setdefault(found[1], {})[found[2]] = value
        else:
            tree[key] = value
    return tree


def parse_form(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """The fields of a form, as a page's form or a script's FormData sends them."""
    if not content_type.startswith("multipart/"):
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode("latin-1") + body, policy=HTTP)
    parts = [(part.get_param("name", header="content-disposition"), part) for part in message.iter_parts()]
    return [(str(name), _to_text(part.get_payload(decode=True))) for name, part in parts if name]


def _to_text(payload: object) -> str:
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""

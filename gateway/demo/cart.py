"""A cart as Shopify keeps it: tokens with a key, lines told apart by their properties, attributes that merge.

Changed by `cart_api` for the theme's scripts and forms, copied by `checkout`.
Source: Shopify, "Cart API reference", and the changelog on cart tokens (Shopify spec 2.1 and 2.2, read 2026-09).
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from gateway.demo import catalogue
from gateway.demo.catalogue import Product, Variant

_LETTERS = string.ascii_letters + string.digits


class CartFault(Exception):
    """What was asked of the cart cannot be done; Shopify answers it with 422 and this sentence."""


@dataclass
class Line:
    """Some pieces of one variant. Lines of one variant with different properties stay apart."""

    product: Product
    variant: Variant
    quantity: int
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def total_cents(self) -> int:
        """What the line costs."""
        return self.variant.price_cents * self.quantity


@dataclass
class Cart:
    """A cart. Webhooks carry the bare `token`; the browser's has `?key=` behind it, which proves whose it is."""

    token: str = field(default_factory=lambda: "hWN" + _draw(21))
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    lines: list[Line] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def full_token(self) -> str:
        """The token with its key, as the cookie and cart.js have it."""
        return f"{self.token}?key={self.key}"

    @property
    def total_cents(self) -> int:
        """What all lines cost together."""
        return sum(line.total_cents for line in self.lines)

    @property
    def count(self) -> int:
        """How many pieces are in it."""
        return sum(line.quantity for line in self.lines)

    def add(self, variant_id: int, quantity: int = 1, properties: Mapping[str, Any] | None = None) -> Line:
        """So many more pieces are in the cart. Raises: CartFault for a variant that is not sold here."""
        found = catalogue.find_variant(variant_id)
        if found is None or quantity < 1:
            raise CartFault("Cannot find variant" if found is None else "Quantity must be 1 or more")
        said = {name: str(value) for name, value in (properties or {}).items()}
        for line in self.lines:
            if line.variant.id == variant_id and line.properties == said:
                line.quantity += quantity
                return line
        self.lines.insert(0, Line(*found, quantity, said))
        return self.lines[0]

    def change(self, variant_id: int, quantity: int) -> None:
        """The first line of this variant has exactly so many pieces; with none it is gone."""
        for line in self.lines:
            if line.variant.id == variant_id:
                line.quantity = quantity
                break
        else:
            self.add(variant_id, quantity)
        self.lines = [line for line in self.lines if line.quantity > 0]

    def merge_attributes(self, said: Mapping[str, Any]) -> None:
        """These attributes are set beside the others; an empty text takes one away."""
        for name, value in said.items():
            self.attributes[name] = "" if value is None else str(value)
            if not self.attributes[name]:
                del self.attributes[name]


class Carts:
    """Every open cart. A browser without one is shown a throw-away token until it first changes something."""

    def __init__(self) -> None:
        self._carts: dict[str, Cart] = {}

    def find(self, cookie: str | None) -> Cart | None:
        """The cart whose token and key this cookie holds."""
        token, _, query = unquote(cookie or "").partition("?")
        cart = self._carts.get(token)
        return cart if cart and query == f"key={cart.key}" else None

    def keep(self, cart: Cart) -> None:
        """From now on the cart is found."""
        self._carts[cart.token] = cart

    def drop(self, cart: Cart) -> None:
        """The cart was bought: its browser starts with a new one."""
        self._carts.pop(cart.token, None)


def to_json(cart: Cart) -> dict[str, Any]:
    """What /cart.js tells. Attributes that begin with two underscores are private: only the order has them."""
    return {
        "token": cart.full_token,
        "note": cart.note,
        "attributes": {name: value for name, value in cart.attributes.items() if not name.startswith("__")},
        "original_total_price": cart.total_cents,
        "total_price": cart.total_cents,
        "total_discount": 0,
        "total_weight": 0.0,
        "item_count": cart.count,
        "items": [to_item(line) for line in cart.lines],
        "requires_shipping": bool(cart.lines),
        "currency": catalogue.CURRENCY,
        "items_subtotal_price": cart.total_cents,
        "cart_level_discount_applications": [],
    }


def to_item(line: Line) -> dict[str, Any]:
    """One line as the Cart API tells it."""
    product, variant = line.product, line.variant
    return {
        "id": variant.id,
        "variant_id": variant.id,
        "product_id": product.id,
        "title": f"{product.title} - {variant.title}",
        "product_title": product.title,
        "variant_title": variant.title,
        "product_type": product.kind,
        "vendor": catalogue.VENDOR,
        "sku": variant.sku,
        "handle": product.handle,
        "url": f"/products/{product.handle}?variant={variant.id}",
        "image": product.picture,
        "quantity": line.quantity,
        "properties": line.properties,
        "price": variant.price_cents,
        "line_price": line.total_cents,
        "final_price": variant.price_cents,
        "final_line_price": line.total_cents,
        "discounts": [],
        "gift_card": False,
        "requires_shipping": True,
    }


def _draw(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))

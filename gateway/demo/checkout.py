"""From cart to order: a checkout copies the cart when it opens, and becomes an order when it is paid.

Used by `storefront`; what an order looks like to Shopify's webhooks is another module's work.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from msgspec import Struct

from gateway.demo.cart import Cart, Line
from gateway.demo.catalogue import to_properties

_FIRST_NUMBER = 1001


class Buyer(Struct, frozen=True):
    """Who buys, as the checkout's form says."""

    email: str = ""
    phone: str = ""
    first_name: str = ""
    last_name: str = ""
    address1: str = ""
    zip: str = ""
    city: str = ""
    country_code: str = ""


@dataclass
class Checkout:
    """A checkout. What is written to the cart once it is open never reaches it, nor the order."""

    lines: tuple[Line, ...]
    attributes: dict[str, str]
    cart_token: str | None
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    order: Order | None = None

    @property
    def total_cents(self) -> int:
        """What is to be paid; shipping is free here."""
        return sum(line.total_cents for line in self.lines)

    @property
    def properties(self) -> dict[str, Any]:
        """The checkout as a theme tells it to TikTok's Pixel."""
        return to_properties([line.content for line in self.lines], self.total_cents)


@dataclass(frozen=True)
class Order:
    """A paid order. `id` is Shopify's numeric id, `number` what the buyer is told; times are aware UTC."""

    id: int
    number: int
    checkout: Checkout
    buyer: Buyer
    placed_at: datetime

    @property
    def event_id(self) -> str:
        """The id of its Purchase, in the browser and on the server alike."""
        return f"purchase_{self.id}"


class Desk:
    """Every open checkout, and the orders they became."""

    def __init__(self) -> None:
        self._checkouts: dict[str, Checkout] = {}
        self._numbers = count(_FIRST_NUMBER)

    def open(self, lines: Sequence[Line], cart: Cart | None = None) -> Checkout:
        """A new checkout for these lines, with a copy of what the cart says now."""
        copies = tuple(replace(line, properties=dict(line.properties)) for line in lines)
        checkout = Checkout(copies, dict(cart.attributes) if cart else {}, cart.token if cart else None)
        self._checkouts[checkout.token] = checkout
        return checkout

    def find(self, token: str) -> Checkout | None:
        """The checkout at /checkouts/cn/{token}."""
        return self._checkouts.get(token)

    def complete(self, checkout: Checkout, buyer: Buyer) -> Order:
        """The checkout's order; a button pressed twice buys once."""
        if checkout.order is None:
            number = next(self._numbers)
            id_ = 6_100_000_000_000 + secrets.randbelow(10**9) * 1000 + number % 1000
            checkout.order = Order(id_, number, checkout, buyer, datetime.now(UTC))
        return checkout.order

"""From cart to order: a checkout copies the cart when it opens, and becomes an order when it is paid.

Used by `storefront`. `orders` says how Shopify's webhooks tell of them, `standard_events` how its pixels do.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count

from msgspec import Struct

from gateway.demo.cart import Cart, Line

_FIRST_NUMBER = 1001


class Visit(Struct, frozen=True):
    """How a browser came: the path and query of its first page, and the page before it. Shopify keeps both."""

    landing_site: str = "/"
    referring_site: str = ""


class Client(Struct, frozen=True):
    """The browser that checks out, as the store's server sees it."""

    ip: str = ""
    user_agent: str = ""
    accept_language: str = ""


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


class Customer(Struct, frozen=True):
    """A buyer whom the store knows by email; without an email a new one each time."""

    id: int
    created_at: datetime


@dataclass
class Checkout:
    """A checkout. What is written to the cart once it is open never reaches it, nor the order.

    Buy it now has no cart: no cart token, no attributes.
    """

    lines: tuple[Line, ...]
    attributes: dict[str, str]
    cart_token: str | None
    visit: Visit = field(default_factory=Visit)
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    opened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    order: Order | None = None

    @property
    def total_cents(self) -> int:
        """What is to be paid; shipping is free here."""
        return sum(line.total_cents for line in self.lines)


@dataclass
class Order:
    """A paid order. `id` is Shopify's numeric id, `number` what the buyer is told; times are aware UTC.

    `is_seen`: the thank-you page has been shown once, and Shopify's pixels have heard of the order.
    """

    id: int
    number: int
    checkout: Checkout
    buyer: Buyer
    customer: Customer
    client: Client
    is_first: bool
    placed_at: datetime
    is_seen: bool = False

    @property
    def event_id(self) -> str:
        """The id of its Purchase, in the browser and on the server alike."""
        return f"purchase_{self.id}"


class Desk:
    """Every open checkout, the orders they became, and who placed them."""

    def __init__(self) -> None:
        self._checkouts: dict[str, Checkout] = {}
        self._customers: dict[str, Customer] = {}
        self._numbers = count(_FIRST_NUMBER)

    def open(self, lines: Sequence[Line], cart: Cart | None, visit: Visit) -> Checkout:
        """A new checkout for these lines, with a copy of what the cart says now."""
        copies = tuple(replace(line, properties=dict(line.properties)) for line in lines)
        checkout = Checkout(copies, dict(cart.attributes) if cart else {}, cart.token if cart else None, visit)
        self._checkouts[checkout.token] = checkout
        return checkout

    def find(self, token: str) -> Checkout | None:
        """The checkout at /checkouts/cn/{token}."""
        return self._checkouts.get(token)

    def complete(self, checkout: Checkout, buyer: Buyer, client: Client) -> Order:
        """The checkout's order. Raises: ValueError when it has one already; a button pressed twice buys once."""
        if checkout.order:
            raise ValueError("this checkout is paid")
        number, now = next(self._numbers), datetime.now(UTC)
        is_first = buyer.email.lower() not in self._customers
        customer = self._customers.setdefault(buyer.email.lower(), Customer(_draw_id(8, number), now))
        id_ = _draw_id(6, number)
        checkout.order = Order(id_, number, checkout, buyer, customer, client, is_first, now)
        return checkout.order


def _draw_id(first_digit: int, number: int) -> int:
    """An id as long as Shopify's, ending like the order's number."""
    return first_digit * 10**12 + secrets.randbelow(10**8) * 10_000 + number % 10_000

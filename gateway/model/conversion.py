"""A Conversion: an event that Shopify told, whose it may be, or why none is sent.

Made by `gateway.shopify`, taken by `gateway.intake.orders`.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from gateway.model.event import Event, User


class Reason(StrEnum):
    """Why something Shopify told is deliberately not sent."""

    SAMPLE = "sample"  # the order of the admin's "Send test", which nobody ever placed
    TEST_ORDER = "test_order"  # paid through a gateway in test mode
    ORDER_SOURCE = "order_source"  # point of sale, draft, renewal, another channel: not in `sources`
    CANCELLED = "cancelled"  # cancelled before it was told
    NOT_THE_TRIGGER = "not_the_trigger"  # another topic than the one that means a purchase, or a registration
    UNPAID = "unpaid"  # told as paid, and is not
    ZERO_VALUE = "zero_value"  # an exchange, a gift, a replacement
    NO_ACCOUNT = "no_account"  # a customer without an account: a guest's order or a newsletter made the record
    NO_PIXEL = "no_pixel"  # no configured pixel takes this event
    NO_CONSENT = "no_consent"  # its visitor is not known, or did not allow it
    ERASED = "erased"  # its person was erased


class BuyerIds(Struct, frozen=True):
    """The ways back to the visitor, the most certain first (contract 4.6).

    Shape: `companion` is as signed by the gateway, unverified; `email` and `phone` are SHA-256 hex; the rest is plain.
    """

    companion: str | None = None
    cart_token: str | None = None
    checkout_token: str | None = None
    customer_id: str | None = None
    email: str | None = None
    phone: str | None = None


class NotSent(Struct, frozen=True):
    """Nothing is sent, and why; whose it was still links what is known of them."""

    reason: Reason
    ids: BuyerIds = BuyerIds()


class Conversion(Struct, frozen=True):
    """An event that Shopify told, and whose it may be.

    `fallback` holds match keys for where the visitor has none: what a beacon saw is better than what Shopify kept, so
    they are filled in last. The click id of the landing, if there was one, is in the query of `event.page.url`, and it
    too is a fallback: the visitor's own may be newer.
    """

    event: Event
    ids: BuyerIds
    fallback: User = User()


class OrderFacts(Struct, frozen=True):
    """An order as its account keeps it: no personal data. Units: `value` in `currency`, `placed_ms` in Unix time."""

    id: str
    name: str | None
    placed_ms: int
    value: Decimal | None = None
    currency: str | None = None


class ReversalKind(StrEnum):
    """What happened to the order."""

    REFUND = "refund"
    CANCELLATION = "cancellation"


class Reversal(Struct, frozen=True):
    """One refund or cancellation. Units: `amount` in `currency`, both None when unknown."""

    kind: ReversalKind
    order_id: str
    amount: Decimal | None
    currency: str | None
    occurred_ms: int

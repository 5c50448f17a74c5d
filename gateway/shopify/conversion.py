"""A Conversion, or why none is sent: what `orders`, `checkouts` and `customers` make of Shopify's resources."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from gateway.model.event import Event, User
from gateway.shopify.buyer import OrderIdentity


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


class NotSent(Struct, frozen=True):
    """Nothing is sent, and why."""

    reason: Reason


class Conversion(Struct, frozen=True):
    """An event that Shopify told, and whose it may be.

    `fallback` holds match keys for where the visitor has none: what a beacon saw is better than what Shopify kept, so
    they are filled in last. The click id of the landing, if there was one, is in the query of `event.page.url`, and it
    too is a fallback: the visitor's own may be newer.
    """

    event: Event
    identity: OrderIdentity
    fallback: User = User()

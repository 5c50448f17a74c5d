"""What the storefront's names and ids become, so that browser, webhook and Admin API speak of one event in one way.

Used by the custom pixel's template, by the conversions of this package, and by whoever looks an order up by its id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from gateway.model.names import PAGE_VIEW

EVENT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "page_viewed": PAGE_VIEW,
        "product_viewed": "ViewContent",
        "search_submitted": "Search",
        "product_added_to_cart": "AddToCart",
        "checkout_started": "InitiateCheckout",
        "payment_info_submitted": "AddPaymentInfo",
        "checkout_completed": "Purchase",
    }
)
"""Shopify's standard events by TikTok's names. Source: @shopify/web-pixels-extension 2.18.0 (spec 3.2)."""

IDENTITY_EVENTS = (
    "checkout_contact_info_submitted",
    "checkout_address_info_submitted",
    "checkout_shipping_info_submitted",
)
"""Standard events that TikTok has no name for, but that tell who is checking out."""

_LAST_NUMBER = re.compile(r"(?:^|/)([0-9]+)$")


def to_numeric_id(said: str | int | None) -> str | None:
    """The number an id ends in: `gid://shopify/Order/42?key=x`, `"42"` and `42` are all the order 42."""
    bare = str(said).partition("?")[0] if said is not None else ""
    found = _LAST_NUMBER.search(bare)
    return found[1] if found else None


def to_purchase_id(order_id: int | str) -> str:
    """The event id of an order's Purchase, for ever the same. Source: contract 4.4."""
    return f"purchase_{order_id}"


def to_checkout_id(checkout_token: str, event: str) -> str:
    """The event id of a step of a checkout. Source: contract 4.4."""
    return f"checkout_{checkout_token}_{event}"


def to_customer_id(customer_id: int | str, event: str) -> str:
    """The event id of something a customer does once."""
    return f"customer_{customer_id}_{event}"

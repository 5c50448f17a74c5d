"""What a webhook's body is, whatever its headers say. Called by `gateway.web` once the signature has been found good.

The topic header is not signed, so a captured body can come back under another topic: the shape of the body decides what
it is, and the topic only what is done with it (spec 1.1).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gateway.errors import Malformed
from gateway.shopify.resources import (
    Cart,
    Checkout,
    Customer,
    CustomerDataRequest,
    CustomerRedact,
    Order,
    Refund,
    Resource,
    Shop,
    ShopRedact,
)

_SHAPES: tuple[tuple[frozenset[str], type[Resource]], ...] = (
    (frozenset({"line_items", "order_number"}), Order),
    (frozenset({"refund_line_items", "order_id"}), Refund),
    (frozenset({"line_items", "token", "cart_token"}), Checkout),
    (frozenset({"line_items", "token"}), Cart),
    (frozenset({"shop_domain", "orders_to_redact"}), CustomerRedact),
    (frozenset({"shop_domain", "orders_requested"}), CustomerDataRequest),
    (frozenset({"shop_domain", "shop_id"}), ShopRedact),
    (frozenset({"myshopify_domain"}), Shop),
    (frozenset({"id", "email", "first_name", "last_name"}), Customer),
)
"""The keys that tell a resource. The first shape that fits is taken, so what has more keys stands before its kin."""

_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decoders = {kind: msgspec.json.Decoder(kind) for _, kind in _SHAPES}

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the decoder raises for what is not JSON, not UTF-8, or nested without end."""


class Webhook(Struct, frozen=True):
    """A delivery. `topic` is what its header says, such as `orders/paid`: a claim, in lower case, perhaps empty."""

    topic: str
    resource: Resource


def parse_webhook(topic_header: str | None, body: bytes) -> Webhook:
    """The resource in this body, and the topic it came under.

    Raises: Malformed, in one sentence that quotes nothing of the body.
    """
    kind = _find_kind(body)
    try:
        resource = _decoders[kind].decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(f"the {kind.__name__} cannot be read: {error}") from None
    except _UNREADABLE:
        raise Malformed("the body is not JSON") from None
    return Webhook((topic_header or "").strip().lower(), resource)


def _find_kind(body: bytes) -> type[Resource]:
    try:
        keys = _keys.decode(body).keys()
    except _UNREADABLE:
        raise Malformed("the body is not a JSON object") from None
    for shape, kind in _SHAPES:
        if shape <= keys:
            return kind
    raise Malformed("the body is no order, refund, checkout, cart, customer, shop or privacy request of Shopify")

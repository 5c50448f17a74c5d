"""A checkout somebody opened becomes an InitiateCheckout: the copy for when the custom pixel did not run.

Called by `gateway.web` with a checkout webhook. Creation and every update tell the same event with the same id, which
the pixel's event has too, so that one of them counts.
"""

from __future__ import annotations

from gateway.model.conversion import Conversion, NotSent, Reason
from gateway.model.event import Event, Source
from gateway.settings import ShopifySettings
from gateway.shopify.buyer import read_identity, read_user
from gateway.shopify.contents import find_checkout_worth, to_properties
from gateway.shopify.page import to_page
from gateway.shopify.resources import Checkout, to_ms
from gateway.shopify.storefront import to_checkout_id


def to_initiate_checkout(
    checkout: Checkout, shop: ShopifySettings, origin: str, received_ms: int
) -> Conversion | NotSent:
    """The checkout's InitiateCheckout, at the time the checkout was opened."""
    user = read_user(checkout)
    ids = read_identity(checkout, checkout.token, user)
    if checkout.source_name not in shop.sources:
        return NotSent(Reason.ORDER_SOURCE, ids)
    event = Event(
        event="InitiateCheckout",
        event_id=to_checkout_id(checkout.token, "InitiateCheckout"),
        occurred_ms=min(to_ms(checkout.created_at) or received_ms, received_ms),
        received_ms=received_ms,
        source=Source.WEBHOOK,
        page=to_page(checkout.landing_site, checkout.referring_site, origin),
        user=user,
        properties=to_properties(checkout, find_checkout_worth(checkout), shop.content_id),
    )
    return Conversion(event, ids)

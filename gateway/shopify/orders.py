"""An order becomes a Purchase, or a reason why not.

Called by `gateway.web` with an order webhook, and by `gateway.ops` with an order the Admin API gave; hands on a
Conversion, whose visitor the caller finds. Pure: the same order gives the same event, whichever way it came.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import structs

from gateway.model.conversion import Conversion, NotSent, OrderFacts, Reason
from gateway.model.event import Event, Source, User
from gateway.model.normalise import to_public_ip
from gateway.settings import ShopifySettings
from gateway.shopify.buyer import read_identity, read_user
from gateway.shopify.contents import find_order_worth, to_properties
from gateway.shopify.page import to_page
from gateway.shopify.resources import ClientDetails, Customer, Money, Order, to_ms
from gateway.shopify.storefront import to_purchase_id

SAMPLE_ORDER_ID = 820982911946154508
"""The id of the order that the admin's "Send test" tells. Source: captured payloads (spec 1.4)."""

_UNPAID = frozenset({"pending", "authorized", "partially_paid", "expired", "voided"})
_DRAFT = "shopify_draft_order"
_NEW_CUSTOMER_AGE = timedelta(hours=1)


def to_purchase(
    order: Order, topic: str | None, shop: ShopifySettings, origin: str, received_ms: int
) -> Conversion | NotSent:
    """The order's Purchase, of which there is one for ever: its event id is made of the order's.

    `topic` is the webhook's, None when the order was looked up. `origin` is the store's first, without a slash.
    """
    worth = find_order_worth(order)
    user = read_user(order)
    ids = read_identity(order, order.checkout_token, user)
    if reason := find_reason(order, topic, shop, worth):
        return NotSent(reason, ids)
    event = Event(
        event="Purchase",
        event_id=to_purchase_id(order.id),
        occurred_ms=min(to_ms(order.processed_at or order.created_at) or received_ms, received_ms),
        received_ms=received_ms,
        source=Source.RECONCILE if topic is None else Source.WEBHOOK,
        page=to_page(order.landing_site, order.referring_site, origin),
        user=user,
        properties=structs.replace(
            to_properties(order, worth, shop.content_id),
            order_id=str(order.id),
            customer_type=_find_customer_type(order),
        ),
    )
    return Conversion(event, ids, _read_fallback(order))


def to_facts(order: Order, received_ms: int) -> OrderFacts:
    """The order as its account keeps it."""
    worth = find_order_worth(order) or Money()
    return OrderFacts(
        id=str(order.id),
        name=order.name,
        placed_ms=to_ms(order.processed_at or order.created_at) or received_ms,
        value=worth.amount,
        currency=worth.currency_code,
    )


def find_reason(order: Order, topic: str | None, shop: ShopifySettings, worth: Money | None) -> Reason | None:
    """Why this order is no purchase to be told, or None when it is one.

    The topic is only a claim, so an order told as paid must say so itself as well. An update is another chance: it may
    bring the consent or the attributes that were missing, and an order that was told before is told once all the same.
    """
    if order.id == SAMPLE_ORDER_ID:
        return Reason.SAMPLE
    if order.test:
        return Reason.TEST_ORDER
    if order.source_name not in shop.sources:
        return Reason.ORDER_SOURCE
    if order.cancelled_at:
        return Reason.CANCELLED
    if topic is not None and topic not in (shop.purchase_trigger, "orders/updated"):
        return Reason.NOT_THE_TRIGGER
    if shop.purchase_trigger == "orders/paid" and order.financial_status in _UNPAID:
        return Reason.UNPAID
    if worth and worth.amount is not None and worth.amount <= 0:
        return Reason.ZERO_VALUE
    return None


def _find_customer_type(order: Order) -> str | None:
    """`new` or `returning` where it is certain.

    Webhooks no longer count a customer's orders. But whose record is as young as the order has not bought before; an
    older record may have come from a newsletter, so it says nothing.
    """
    customer = order.customer or Customer()
    if customer.orders_count is not None:
        return "returning" if customer.orders_count > 1 else "new"
    if customer.created_at and order.created_at and order.created_at - customer.created_at < _NEW_CUSTOMER_AGE:
        return "new"
    return None


def _read_fallback(order: Order) -> User:
    """The browser that Shopify saw at the checkout; of a draft order it is the merchant's, so it says nothing."""
    if order.source_name == _DRAFT:
        return User()
    client = order.client_details or ClientDetails()
    ip = to_public_ip(order.browser_ip or client.browser_ip)
    return User(ip=ip, user_agent=client.user_agent or None)

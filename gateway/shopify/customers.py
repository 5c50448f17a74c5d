"""A customer who opened an account becomes a CompleteRegistration. Called by `gateway.web` with a customer webhook."""

from __future__ import annotations

from gateway.model.conversion import BuyerIds, Conversion, NotSent, Reason
from gateway.model.event import Event, Source
from gateway.shopify.buyer import read_customer
from gateway.shopify.page import to_page
from gateway.shopify.resources import Customer, to_ms
from gateway.shopify.storefront import to_customer_id


def to_registration(customer: Customer, topic: str, origin: str, received_ms: int) -> Conversion | NotSent:
    """The customer's CompleteRegistration, of which there is one for ever.

    Every guest's first order and every newsletter makes a customer record too; only one with an account has registered.
    """
    if topic != "customers/create":
        return NotSent(Reason.NOT_THE_TRIGGER)
    if customer.state != "enabled" or customer.id is None:
        return NotSent(Reason.NO_ACCOUNT)
    user = read_customer(customer)
    event = Event(
        event="CompleteRegistration",
        event_id=to_customer_id(customer.id, "CompleteRegistration"),
        occurred_ms=min(to_ms(customer.created_at) or received_ms, received_ms),
        received_ms=received_ms,
        source=Source.WEBHOOK,
        page=to_page(None, None, origin),
        user=user,
    )
    email, phone = next(iter(user.email), None), next(iter(user.phone), None)
    return Conversion(event, BuyerIds(customer_id=str(customer.id), email=email, phone=phone))

"""Whom a privacy request is about, in the words in which the store keeps people. Called by `gateway.web`.

Source: Shopify, "Privacy law compliance" (spec 1.3): answered at once, acted on within 30 days.
"""

from __future__ import annotations

from gateway.model.normalise import hash_email, hash_phone
from gateway.model.person import Person
from gateway.shopify.resources import Customer, CustomerDataRequest, CustomerRedact


def to_person(request: CustomerRedact | CustomerDataRequest) -> Person:
    """Who is to be erased, or wants to know. A phone number without its country is nobody's and left out."""
    customer = request.customer or Customer()
    orders = request.orders_to_redact if isinstance(request, CustomerRedact) else request.orders_requested
    return Person(
        customer_id=None if customer.id is None else str(customer.id),
        email=hash_email(customer.email),
        phone=hash_phone(customer.phone, None),
        order_ids=tuple(str(order_id) for order_id in orders or ()),
    )

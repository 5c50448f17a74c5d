"""A checkout as Shopify's pixels are told of it (Shopify spec 3.2), as much of it as we read and more."""

from __future__ import annotations

from typing import Any

from tests.browser.storefront import CHECKOUT

ADDRESS = {
    "firstName": "Ada",
    "lastName": "Example",
    "address1": "12 Sample Street",
    "city": "Springfield",
    "countryCode": "US",
    "zip": "12345",
    "phone": "(555) 555-0199",
}


def money(amount: float, currency: str = "USD") -> dict[str, Any]:
    """Money as the pixel has it."""
    return {"amount": amount, "currencyCode": currency}


def make_line(quantity: int = 3, **variant: Any) -> dict[str, Any]:
    """One line of a checkout."""
    product = {"id": "6994888523858", "title": "Ornament", "type": "Decor", "vendor": "Acme"}
    sold = {
        "id": "40537120407634",
        "sku": "HSC1",
        "title": "Large",
        "price": money(15.95),
        "product": product,
        **variant,
    }
    return {"id": "1", "title": "Ornament", "quantity": quantity, "finalLinePrice": money(28.71), "variant": sold}


def make_checkout(**changes: Any) -> dict[str, Any]:
    """The data of an event of the checkout, not yet completed."""
    checkout = {
        "token": CHECKOUT,
        "order": {"id": None, "customer": {"id": None, "isFirstOrder": None}},
        "email": "Ada@Example.com",
        "phone": None,
        "currencyCode": "USD",
        "totalPrice": money(38.36),
        "subtotalPrice": money(28.71),
        "lineItems": [make_line()],
        "shippingAddress": ADDRESS,
        "billingAddress": ADDRESS,
        "attributes": [],
        **changes,
    }
    return {"checkout": checkout}


def make_order(order_id: str = "6589808345170", **changes: Any) -> dict[str, Any]:
    """The data of checkout_completed."""
    order = {"id": order_id, "customer": {"id": "8832137625682", "isFirstOrder": True}}
    return make_checkout(order=order, phone="+15555550123", **changes)

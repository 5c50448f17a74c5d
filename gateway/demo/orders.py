"""Orders and checkouts as Shopify's webhooks tell them: much of what it sends, in its shapes.

Called by `webhooks`. Money is a decimal string, ids are numbers, an address is written as the buyer typed it.
Source: captured payloads of API version 2026-04 (Shopify spec 1.4).
"""

from __future__ import annotations

from typing import Any

from gateway.demo.cart import Line
from gateway.demo.catalogue import CURRENCY, VENDOR
from gateway.demo.checkout import Buyer, Checkout, Order

_ONLINE_STORE = 580111
"""The app id that online store checkouts carry."""


def to_order_json(order: Order) -> dict[str, Any]:
    """The order, paid."""
    placed_at = order.placed_at.isoformat(timespec="seconds")
    return {
        **_to_basket(order.checkout),
        "id": order.id,
        "admin_graphql_api_id": f"gid://shopify/Order/{order.id}",
        "app_id": _ONLINE_STORE,
        "browser_ip": order.client.ip,
        "cancelled_at": None,
        "checkout_token": order.checkout.token,
        "client_details": {
            "accept_language": order.client.accept_language or None,
            "browser_height": None,
            "browser_ip": order.client.ip,
            "browser_width": None,
            "session_hash": None,
            "user_agent": order.client.user_agent,
        },
        "contact_email": order.buyer.email or None,
        "confirmed": True,
        "created_at": placed_at,
        "financial_status": "paid",
        "fulfillment_status": None,
        "name": f"#{order.number}",
        "number": order.number - 1000,
        "order_number": order.number,
        "payment_gateway_names": ["bogus"],
        "processed_at": placed_at,
        "test": False,
        "token": f"{order.id:032x}",
        "total_price_set": to_money_set(order.checkout.total_cents),
        "updated_at": placed_at,
        **_to_buyer(order),
    }


def to_checkout_json(checkout: Checkout) -> dict[str, Any]:
    """The checkout when it has just been opened: nobody knows yet who is buying."""
    return {
        **_to_basket(checkout),
        "token": checkout.token,
        "created_at": checkout.opened_at.isoformat(timespec="seconds"),
        "updated_at": checkout.opened_at.isoformat(timespec="seconds"),
        "completed_at": None,
        "abandoned_checkout_url": None,
        "email": None,
        "phone": None,
        "customer": None,
    }


def to_money_set(cents: int) -> dict[str, Any]:
    """One amount twice; this store sells in its own currency alone."""
    money = {"amount": to_money(cents), "currency_code": CURRENCY}
    return {"shop_money": money, "presentment_money": money}


def to_money(cents: int) -> str:
    """1850 cents are "18.50"."""
    return f"{cents // 100}.{cents % 100:02}"


def _to_basket(checkout: Checkout) -> dict[str, Any]:
    """What an order and its checkout have in common."""
    return {
        "cart_token": checkout.cart_token,
        "currency": CURRENCY,
        "presentment_currency": CURRENCY,
        "customer_locale": "en",
        "landing_site": checkout.visit.landing_site,
        "referring_site": checkout.visit.referring_site,
        "note": None,
        "note_attributes": [{"name": name, "value": value} for name, value in checkout.attributes.items()],
        "line_items": [_to_line(line) for line in checkout.lines],
        "source_name": "web",
        "subtotal_price": to_money(checkout.total_cents),
        "total_discounts": "0.00",
        "total_line_items_price": to_money(checkout.total_cents),
        "total_price": to_money(checkout.total_cents),
        "total_tax": "0.00",
        "taxes_included": True,
    }


def _to_line(line: Line) -> dict[str, Any]:
    return {
        "id": line.variant.id + 1_000_000_000_000,
        "product_id": line.product.id,
        "variant_id": line.variant.id,
        "sku": line.variant.sku,
        "title": line.product.title,
        "variant_title": line.variant.title,
        "name": f"{line.product.title} - {line.variant.title}",
        "vendor": VENDOR,
        "quantity": line.quantity,
        "current_quantity": line.quantity,
        "price": to_money(line.variant.price_cents),
        "price_set": to_money_set(line.variant.price_cents),
        "gift_card": False,
        "properties": [{"name": name, "value": value} for name, value in line.properties.items()],
        "discount_allocations": [],
    }


def _to_buyer(order: Order) -> dict[str, Any]:
    buyer = order.buyer
    address = _to_address(buyer)
    return {
        "email": buyer.email,
        "phone": None,
        "billing_address": address,
        "shipping_address": address,
        "customer": {
            "id": order.customer.id,
            "email": buyer.email or None,
            "phone": None,
            "first_name": buyer.first_name,
            "last_name": buyer.last_name,
            "state": "disabled",
            "verified_email": True,
            "created_at": order.customer.created_at.isoformat(timespec="seconds"),
            "default_address": address,
        },
    }


def _to_address(buyer: Buyer) -> dict[str, Any]:
    return {
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "address1": buyer.address1,
        "phone": buyer.phone or None,
        "city": buyer.city,
        "zip": buyer.zip,
        "province": None,
        "province_code": None,
        "country_code": buyer.country_code or None,
    }

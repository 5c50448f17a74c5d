"""Webhook bodies as Shopify sends them, with people who do not exist."""

from __future__ import annotations

import json
from typing import Any

from gateway.settings import ShopifySettings

ORIGIN = "https://www.acme.com"
NOW_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z

Json = dict[str, Any]


def shop(**changes: Any) -> ShopifySettings:
    given = {"shop": "acme.myshopify.com", "webhook_secrets": ["a-webhook-secret"], "client_id": "", **changes}
    return ShopifySettings(**given)


def encode(payload: Json) -> bytes:
    return json.dumps(payload).encode()


def money_set(shop_amount: str, seen_amount: str, shop_currency: str = "USD", seen_currency: str = "EUR") -> Json:
    return {
        "shop_money": {"amount": shop_amount, "currency_code": shop_currency},
        "presentment_money": {"amount": seen_amount, "currency_code": seen_currency},
    }


def address(**changes: Any) -> Json:
    return {
        "first_name": "Zoë",
        "last_name": "O'Neil",
        "address1": "1 Sample Street",
        "phone": None,
        "city": "San José",
        "zip": "95112-1234",
        "province": "California",
        "country": "United States",
        "country_code": "US",
        "province_code": "CA",
        "latitude": 37.3,
        **changes,
    }


def customer(**changes: Any) -> Json:
    return {
        "id": 8832137625682,
        "created_at": "2026-03-01T06:11:09-07:00",
        "first_name": "Zoë",
        "last_name": "O'Neil",
        "state": "disabled",
        "verified_email": True,
        "email": "ZOE@example.com",
        "phone": None,
        "default_address": address(id=1, phone="(408) 555-0123"),
        **changes,
    }


def line(**changes: Any) -> Json:
    return {
        "id": 15907571105874,
        "product_id": 6994888523858,
        "variant_id": 40537120407634,
        "sku": "TEE-L",
        "title": "Tee",
        "variant_title": "Large",
        "name": "Tee - Large",
        "vendor": "Acme",
        "quantity": 2,
        "current_quantity": 2,
        "price": "15.95",
        "price_set": money_set("15.95", "15.95", seen_currency="USD"),
        "gift_card": False,
        "properties": [{"name": "_bundle", "value": "b-1"}],
        **changes,
    }


def web_order(**changes: Any) -> Json:
    """A paid order of the online store, in the shape of API version 2026-04."""
    return {
        "id": 6589808345170,
        "admin_graphql_api_id": "gid://shopify/Order/6589808345170",
        "app_id": 580111,
        "browser_ip": "2001:db8:85a3::8a2e:370:7334",
        "cancelled_at": None,
        "cart_token": "hWN3NvqPtE14ixpbtuXffV7h",
        "checkout_token": "e9afbbf20aea73e47f32bb4e90432653",
        "client_details": {
            "accept_language": "en-US",
            "browser_height": None,
            "browser_ip": "2001:db8:85a3::8a2e:370:7334",
            "session_hash": None,
            "user_agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Safari/604.1",
        },
        "contact_email": "zoe@example.com",
        "created_at": "2026-09-21T07:10:02-07:00",
        "currency": "USD",
        "customer_locale": "en-US",
        "email": "zoe@example.com",
        "financial_status": "paid",
        "landing_site": "/products/tee?utm_source=tiktok&ttclid=E.C.P.abc%2Bdef",
        "name": "#1001",
        "note_attributes": [
            {"name": "gift", "value": "yes"},
            {"name": "__tg", "value": "c.0190aa.sig"},
        ],
        "order_number": 1001,
        "order_status_url": "https://www.acme.com/280/orders/1f6d/authenticate?key=s3cret",
        "phone": "+14085550199",
        "presentment_currency": "USD",
        "processed_at": "2026-09-21T07:10:00-07:00",
        "referring_site": "https://www.tiktok.com/",
        "source_name": "web",
        "test": False,
        "token": "1f6ddff5a5dbcd54a8984e1b37eb463a",
        "total_price": "38.36",
        "total_price_set": money_set("38.36", "38.36", seen_currency="USD"),
        "updated_at": "2026-09-21T07:10:05-07:00",
        "billing_address": address(),
        "shipping_address": address(
            first_name="Max", last_name="Friend", city="Austin", zip="73301", province_code="TX"
        ),
        "customer": customer(),
        "line_items": [line()],
        "refunds": [],
        **changes,
    }


def checkout(**changes: Any) -> Json:
    """A checkout in which the buyer has given an email."""
    return {
        "token": "da4a9d115469c72cf166bfbe6c5313d1",
        "cart_token": "hWN3NvqPtE14ixpbtuXffV7h?key=4d2c",
        "email": "zoe@example.com",
        "phone": None,
        "created_at": "2026-09-21T14:00:00+00:00",
        "updated_at": "2026-09-21T10:01:00-04:00",
        "landing_site": "/?ttclid=E.C.P.checkout",
        "note_attributes": [{"name": "__tg", "value": "c.0190aa.sig"}],
        "referring_site": "",
        "shipping_address": [],
        "currency": "EUR",
        "presentment_currency": "EUR",
        "customer_locale": "de-DE",
        "line_items": [
            {
                "key": "45902754185506",
                "product_id": 8448447512866,
                "variant_id": 45902754185506,
                "sku": "BOWL-1",
                "title": "Bowl",
                "vendor": "Acme",
                "quantity": 1,
                "price": "23.99",
                "properties": None,
            }
        ],
        "abandoned_checkout_url": "https://www.acme.com/803/checkouts/ac/Z2/recover?key=x",
        "source_name": "web",
        "total_price": "25.91",
        **changes,
    }


def refund(**changes: Any) -> Json:
    return {
        "id": 890088186047892319,
        "order_id": 6589808345170,
        "created_at": "2026-09-21T11:00:00-04:00",
        "processed_at": "2026-09-21T11:00:00-04:00",
        "refund_line_items": [{"id": 1, "quantity": 1, "subtotal": 15.95}],
        "transactions": [
            {
                "id": 2,
                "order_id": 6589808345170,
                "amount": "15.95",
                "kind": "refund",
                "status": "success",
                "currency": "USD",
            }
        ],
        **changes,
    }

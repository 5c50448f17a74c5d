"""An order in a webhook's shape, as GraphQL would tell it. Used by `gateway.demo.fake_admin.server`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]


def find_updated(order: Json) -> datetime:
    """When the order last changed, which is what orders are searched and sorted by."""
    return datetime.fromisoformat(order.get("updated_at") or order.get("processed_at") or order["created_at"])


def build_node(order: Json) -> dict[str, Any]:
    """The order as the Admin API's version 2026-10 has it, with every field this fake knows."""
    return {
        **_build_refs("Order", order["id"]),
        "name": order.get("name"),
        "test": bool(order.get("test")),
        "sourceName": order.get("source_name"),
        "displayFinancialStatus": (order.get("financial_status") or "").upper() or None,
        "createdAt": order.get("created_at"),
        "processedAt": order.get("processed_at"),
        "updatedAt": find_updated(order).isoformat(),
        "cancelledAt": order.get("cancelled_at"),
        "email": order.get("email"),
        "phone": order.get("phone"),
        "customerLocale": order.get("customer_locale"),
        "clientIp": order.get("browser_ip"),
        "cartToken": order.get("cart_token"),
        "checkoutToken": order.get("checkout_token"),
        "customAttributes": [_build_attribute(one) for one in order.get("note_attributes") or ()],
        "customer": _build_customer(order.get("customer")),
        "customerJourneySummary": _build_journey(order),
        "billingAddress": _build_address(order.get("billing_address")),
        "shippingAddress": _build_address(order.get("shipping_address")),
        "totalPriceSet": _build_set(order.get("total_price_set"), order.get("total_price"), order.get("currency")),
        "lineItems": {"nodes": [_build_line(line, order.get("currency")) for line in order.get("line_items") or ()]},
    }


def _build_refs(kind: str, id_: int) -> dict[str, Any]:
    return {"id": f"gid://shopify/{kind}/{id_}", "legacyResourceId": str(id_)}


def _build_attribute(attribute: Json) -> dict[str, Any]:
    return {"key": attribute["name"], "value": attribute["value"]}


def _build_customer(customer: Json | None) -> dict[str, Any] | None:
    if not customer:
        return None
    return {**_build_refs("Customer", customer["id"]), "createdAt": customer.get("created_at")}


def _build_journey(order: Json) -> dict[str, Any]:
    """The last visit. Whether the customer is new, a webhook does not tell, so it stays open here too."""
    visit = {"landingPage": order.get("landing_site"), "referrerUrl": order.get("referring_site")}
    index = (order.get("customer") or {}).get("orders_count")
    return {"customerOrderIndex": index, "lastVisit": visit, "firstVisit": visit}


def _build_address(address: Json | None) -> dict[str, Any] | None:
    if not address:
        return None
    names = {
        "firstName": "first_name", "lastName": "last_name", "phone": "phone", "city": "city", "zip": "zip",
        "province": "province", "provinceCode": "province_code", "countryCodeV2": "country_code",
    }  # fmt: skip
    return {name: address.get(theirs) for name, theirs in names.items()}


def _build_set(money_set: Json | None, amount: str | None, currency: str | None) -> dict[str, Any]:
    """Both moneys; where the webhook has no set, the buyer saw the shop's."""
    shop = {"amount": amount, "currency_code": currency}
    told = money_set or {}
    return {
        "shopMoney": _build_money(told.get("shop_money") or shop),
        "presentmentMoney": _build_money(told.get("presentment_money") or told.get("shop_money") or shop),
    }


def _build_money(money: Json) -> dict[str, Any]:
    return {"amount": money.get("amount"), "currencyCode": money.get("currency_code")}


def _build_line(line: Json, currency: str | None) -> dict[str, Any]:
    product_id, variant_id = line.get("product_id"), line.get("variant_id")
    return {
        "quantity": line.get("quantity"),
        "sku": line.get("sku"),
        "title": line.get("title"),
        "vendor": line.get("vendor"),
        "product": _build_refs("Product", product_id) if product_id else None,
        "variant": _build_refs("ProductVariant", variant_id) if variant_id else None,
        "originalUnitPriceSet": _build_set(line.get("price_set"), line.get("price"), currency),
    }

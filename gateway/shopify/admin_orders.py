"""The question for a shop's orders, and how each answer becomes the Order a webhook would have told.

Used by `gateway.shopify.admin_api`. The query asks for every field under the webhook's name for it, so that the answer
is an Order but for what GraphQL nests. The browser's user agent is not to be had this way, nor are the customer's own
email and phone, which an order repeats.

Source: GraphQL Admin API 2026-10, `orders` (spec 7, read 2026-09); `cartToken` and `checkoutToken` exist from 2026-07.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import Struct, structs

from gateway.shopify.resources import Customer, LineItem, Order, Resource

_ADDRESS = """{
        first_name: firstName  last_name: lastName  phone  city  zip
        province  province_code: provinceCode  country_code: countryCodeV2
      }"""
_MONEY_SET = """{
        shop_money: shopMoney { amount  currency_code: currencyCode }
        presentment_money: presentmentMoney { amount  currency_code: currencyCode }
      }"""

ORDERS_QUERY = f"""
query Orders($first: Int!, $after: String, $query: String!) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    page_info: pageInfo {{ has_next: hasNextPage  end: endCursor }}
    nodes {{
      id: legacyResourceId  name  test  email  phone
      source_name: sourceName  financial_status: displayFinancialStatus
      created_at: createdAt  processed_at: processedAt  cancelled_at: cancelledAt
      cart_token: cartToken  checkout_token: checkoutToken
      customer_locale: customerLocale  browser_ip: clientIp
      note_attributes: customAttributes {{ name: key  value }}
      customer {{ id: legacyResourceId  created_at: createdAt }}
      billing_address: billingAddress {_ADDRESS}
      shipping_address: shippingAddress {_ADDRESS}
      total_price_set: totalPriceSet {_MONEY_SET}
      journey: customerJourneySummary {{
        order_index: customerOrderIndex
        visit: lastVisit {{ landing_page: landingPage  referrer: referrerUrl }}
      }}
      lines: lineItems(first: 50) {{
        nodes {{
          quantity  sku  title  vendor
          product {{ id: legacyResourceId }}
          variant {{ id: legacyResourceId }}
          price_set: originalUnitPriceSet {_MONEY_SET}
        }}
      }}
    }}
  }}
}}
"""
"""Of an order with more than 50 different products the first 50 are told; its total is that of all."""


class _Reference(Resource, frozen=True):
    id: int


class _Line(LineItem, frozen=True):
    product: _Reference | None = None
    variant: _Reference | None = None


class _Lines(Resource, frozen=True):
    nodes: tuple[_Line, ...] = ()


class _Visit(Resource, frozen=True):
    landing_page: str | None = None
    referrer: str | None = None


class _Journey(Resource, frozen=True):
    order_index: int | None = None
    visit: _Visit | None = None


class _Node(Order, frozen=True, kw_only=True):
    lines: _Lines = _Lines()
    journey: _Journey | None = None


class _PageInfo(Struct, frozen=True):
    has_next: bool
    end: str | None = None


class _Orders(Struct, frozen=True):
    page_info: _PageInfo
    nodes: tuple[_Node, ...]


class _Data(Struct, frozen=True):
    orders: _Orders


class OrdersPage(Struct, frozen=True):
    """A page of orders, and the cursor of the next one, None on the last."""

    orders: tuple[Order, ...]
    next_cursor: str | None


_decoder = msgspec.json.Decoder(_Data, strict=False)  # ids come as text, being too long for JSON's numbers


def build_search(since: datetime) -> str:
    """The search for all orders changed since then (aware), finished and cancelled ones too."""
    return f"updated_at:>='{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}' AND status:any"


def parse_orders(data: bytes) -> OrdersPage:
    """The page in the `data` of an answer. Raises: msgspec.DecodeError."""
    found = _decoder.decode(data).orders
    info = found.page_info
    return OrdersPage(tuple(_to_order(node) for node in found.nodes), info.end if info.has_next else None)


def _to_order(node: _Node) -> Order:
    """The order with GraphQL's nests emptied into the webhook's places."""
    journey = node.journey or _Journey()
    visit = journey.visit or _Visit()
    told = {name: getattr(node, name) for name in Order.__struct_fields__}
    return Order(**told | {
        "financial_status": node.financial_status.lower() if node.financial_status else None,
        "customer": _with_count(node.customer, journey.order_index),
        "line_items": tuple(_to_line(line) for line in node.lines.nodes),
        "landing_site": visit.landing_page,
        "referring_site": visit.referrer,
    })  # fmt: skip


def _to_line(line: _Line) -> LineItem:
    told = {name: getattr(line, name) for name in LineItem.__struct_fields__}
    product_id = line.product.id if line.product else None
    variant_id = line.variant.id if line.variant else None
    return LineItem(**told | {"product_id": product_id, "variant_id": variant_id})


def _with_count(customer: Customer | None, order_index: int | None) -> Customer | None:
    """The customer, this order being the one with this number, counted from 1."""
    return structs.replace(customer, orders_count=order_index) if customer else None

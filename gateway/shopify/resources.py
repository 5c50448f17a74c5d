"""Shopify's resources, reduced to what is used here, in the shape of webhook bodies.

Decoded by `gateway.shopify.webhook`, made from GraphQL by `gateway.shopify.admin_orders`. Unknown keys are ignored, and
whatever Shopify may leave out or set to null may be absent. Ids are integers and exceed what a float can hold. Raw
personal data lives in these structs and in no other, so none of them shows its values.

Source: captured payloads of API versions 2023 to 2026-04 (spec 1.4).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct

Moment = Annotated[datetime, Meta(tz=True)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Resource(Struct, frozen=True):
    """Base of all: its repr tells the type and nothing else."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Money(Resource, frozen=True):
    """An amount and its currency."""

    amount: Decimal | None = None
    currency_code: str | None = None


class MoneySet(Resource, frozen=True):
    """One amount twice: in the shop's currency, and in the one the buyer saw."""

    shop_money: Money | None = None
    presentment_money: Money | None = None


class Address(Resource, frozen=True):
    """A postal address. `phone` is written as the buyer typed it."""

    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    city: str | None = None
    zip: str | None = None
    province: str | None = None
    province_code: str | None = None
    country_code: str | None = None


class Attribute(Resource, frozen=True):
    """A cart attribute, as an order keeps it. `value` is text, or whatever a script wrote."""

    name: str | None = None
    value: Any = None


class Customer(Resource, frozen=True):
    """A customer. `state` is `enabled` with an account; `orders_count` is told by old API versions only."""

    id: int | None = None
    email: str | None = None
    phone: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    state: str | None = None
    created_at: Moment | None = None
    orders_count: int | None = None
    default_address: Address | None = None


class LineItem(Resource, frozen=True):
    """One line of a cart or an order. Units: `price` of one piece before discounts, in the shop's currency.

    A custom item or a tip has no ids; a deleted product may have lost them.
    """

    product_id: int | None = None
    variant_id: int | None = None
    sku: str | None = None
    title: str | None = None
    vendor: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    price_set: MoneySet | None = None


class ClientDetails(Resource, frozen=True):
    """The browser that checked out."""

    browser_ip: str | None = None
    user_agent: str | None = None


class Basket(Resource, frozen=True):
    """What an order and a checkout have in common. An address that is not known yet may be an empty list."""

    email: str | None = None
    phone: str | None = None
    customer: Customer | None = None
    shipping_address: Address | list[Any] | None = None
    billing_address: Address | list[Any] | None = None
    customer_locale: str | None = None
    cart_token: str | None = None
    note_attributes: tuple[Attribute, ...] | None = None
    line_items: tuple[LineItem, ...] | None = None
    landing_site: str | None = None
    referring_site: str | None = None
    source_name: str | None = None
    currency: str | None = None
    presentment_currency: str | None = None
    total_price: Decimal | None = None
    created_at: Moment | None = None


class Order(Basket, frozen=True, kw_only=True):
    """An order. `total_price` is the original total with tax and shipping, in the shop's currency."""

    id: int
    name: str | None = None
    contact_email: str | None = None
    checkout_token: str | None = None
    total_price_set: MoneySet | None = None
    financial_status: str | None = None
    processed_at: Moment | None = None
    cancelled_at: Moment | None = None
    test: bool | None = None
    browser_ip: str | None = None
    client_details: ClientDetails | None = None


class Checkout(Basket, frozen=True, kw_only=True):
    """A checkout that somebody has opened. Its `id` left the API in 2026-04: the token names it."""

    token: str


class Transaction(Resource, frozen=True):
    """Money that moved. Units: `amount` in `currency`."""

    kind: str | None = None
    status: str | None = None
    amount: Decimal | None = None
    currency: str | None = None


class Refund(Resource, frozen=True):
    """A refund, whole or in part."""

    order_id: int
    transactions: tuple[Transaction, ...] | None = None
    processed_at: Moment | None = None
    created_at: Moment | None = None


class Cart(Resource, frozen=True):
    """A cart. Nothing comes of it: what it knows, its checkout knows better."""

    token: str


class Shop(Resource, frozen=True):
    """The shop itself, as `app/uninstalled` tells it."""

    myshopify_domain: str | None = None


class CustomerRedact(Resource, frozen=True):
    """A person's data is to be erased. Source: Shopify, "Privacy law compliance" (spec 1.3)."""

    shop_domain: str
    customer: Customer | None = None
    orders_to_redact: tuple[int, ...] | None = None


class CustomerDataRequest(Resource, frozen=True):
    """A person wants to know what is kept of them."""

    shop_domain: str
    customer: Customer | None = None
    orders_requested: tuple[int, ...] | None = None


class ShopRedact(Resource, frozen=True):
    """Everything of this shop is to be erased, two days after it removed the app."""

    shop_domain: str


def to_ms(moment: datetime | None) -> int | None:
    """Unix milliseconds of an aware time."""
    return None if moment is None else (moment - _EPOCH) // timedelta(milliseconds=1)

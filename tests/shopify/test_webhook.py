"""What a body is, is told by its shape; the topic is a claim."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Malformed
from gateway.shopify.resources import (
    Cart,
    Checkout,
    Customer,
    CustomerDataRequest,
    CustomerRedact,
    Order,
    Refund,
    Resource,
    Shop,
    ShopRedact,
)
from gateway.shopify.webhook import parse_webhook
from tests.shopify.payloads import checkout, customer, encode, refund, web_order

PRIVACY = {"shop_id": 954889, "shop_domain": "acme.myshopify.com"}
PERSON = {"id": 191167, "email": "zoe@example.com", "phone": "555-625-1199"}
CART = {"id": "hWN3", "token": "hWN3", "line_items": [], "note": None, "updated_at": None, "created_at": None}
SHOP = {
    "id": 1,
    "name": "Acme",
    "email": "owner@example.com",
    "domain": "www.acme.com",
    "myshopify_domain": "acme.myshopify.com",
}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (web_order(), Order),
        (web_order(customer=None, cart_token=None, checkout_token=None), Order),
        (refund(), Refund),
        (checkout(), Checkout),
        (checkout(id=37112239489315), Checkout),
        (CART, Cart),
        (customer(), Customer),
        (PRIVACY | {"customer": PERSON, "orders_to_redact": [299938]}, CustomerRedact),
        (PRIVACY | {"customer": PERSON, "orders_requested": [], "data_request": {"id": 9}}, CustomerDataRequest),
        (PRIVACY, ShopRedact),
        (SHOP, Shop),
    ],
)
def test_shape_decides_what_a_body_is(body: dict[str, Any], kind: type[Resource]) -> None:
    assert type(parse_webhook("orders/paid", encode(body)).resource) is kind


def test_topic_is_kept_in_lower_case() -> None:
    assert parse_webhook(" Orders/Paid ", encode(web_order())).topic == "orders/paid"
    assert parse_webhook(None, encode(web_order())).topic == ""


def test_large_ids_keep_every_digit() -> None:
    order = parse_webhook("orders/paid", encode(web_order(id=820982911946154508))).resource
    assert isinstance(order, Order)
    assert order.id == 820982911946154508


def test_all_that_may_be_null_may_be_null() -> None:
    body = dict.fromkeys(web_order()) | {"id": 1}
    assert parse_webhook("orders/paid", encode(body)).resource == Order(id=1)


def test_all_that_may_be_missing_may_be_missing() -> None:
    order = parse_webhook("orders/paid", b'{"id": 1, "order_number": 2, "line_items": []}').resource
    assert order == Order(id=1, line_items=())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"<html>", b'{"a": tru}', b"\x00"])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="the body is not a JSON object"):
        parse_webhook("orders/paid", body)


@pytest.mark.parametrize(
    "rest",
    [
        b'"email": "\xff"}',
        b'"email": "\\ud800"}',
        b'"note_attributes": [{"value": ' + b"[" * 100_000,
        b'"x": ' + b"[" * 100_000,
    ],
)
def test_order_that_cannot_be_decoded_is_malformed(rest: bytes) -> None:
    with pytest.raises(Malformed, match="the body is not"):
        parse_webhook("orders/paid", b'{"id": 1, "order_number": 2, "line_items": [], ' + rest)


@pytest.mark.parametrize("body", [b"{}", b'{"id": 1}', b'{"orders": []}', b'{"specversion": "1.0", "data": {}}'])
def test_unknown_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="is no order, refund"):
        parse_webhook("orders/paid", body)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": "6589808345170"}, r"\$\.id"),
        ({"id": 6.5}, r"\$\.id"),
        ({"created_at": "yesterday"}, r"\$\.created_at"),
        ({"created_at": "2026-09-21T07:10:02"}, r"\$\.created_at"),
        ({"line_items": {}}, r"\$\.line_items"),
        ({"total_price": "a lot"}, r"\$\.total_price"),
    ],
)
def test_wrong_type_is_malformed_and_names_the_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed, match=f"the Order cannot be read: .*{field}"):
        parse_webhook("orders/paid", encode(web_order(**changes)))


def test_no_personal_data_is_shown() -> None:
    parsed = repr(parse_webhook("orders/paid", encode(web_order())))
    with pytest.raises(Malformed) as failed:
        parse_webhook("orders/paid", encode(web_order(customer="zoe@example.com")))
    for text in (parsed, str(failed.value)):
        assert "zoe" not in text.lower()
        assert "O'Neil" not in text

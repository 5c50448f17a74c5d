"""A privacy request names a person in the words of the store."""

from __future__ import annotations

import hashlib
from typing import Any

from gateway.shopify.compliance import Person, to_person
from gateway.shopify.resources import CustomerDataRequest, CustomerRedact, ShopRedact
from gateway.shopify.webhook import parse_webhook
from tests.shopify.payloads import encode

SHOP = {"shop_id": 954889, "shop_domain": "acme.myshopify.com"}


def person(**body: Any) -> Person:
    parsed = parse_webhook("customers/redact", encode(SHOP | body)).resource
    assert isinstance(parsed, CustomerRedact | CustomerDataRequest)
    return to_person(parsed)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_person_to_be_erased_is_known_by_id_digests_and_orders() -> None:
    whom = {"id": 191167, "email": "Zoe@Example.com", "phone": "+1 408 555 0199"}
    assert person(customer=whom, orders_to_redact=[299938, 280263]) == Person(
        customer_id="191167",
        email=sha("zoe@example.com"),
        phone=sha("+14085550199"),
        order_ids=("299938", "280263"),
    )


def test_person_who_asks_is_known_the_same_way() -> None:
    found = person(customer={"id": 191167}, orders_requested=[299938], data_request={"id": 9999})
    assert found == Person(customer_id="191167", order_ids=("299938",))


def test_phone_without_its_country_is_left_out() -> None:
    assert person(customer={"id": 1, "phone": "555-625-1199"}, orders_to_redact=[]).phone is None


def test_request_without_a_customer_names_its_orders() -> None:
    assert person(customer=None, orders_to_redact=[7]) == Person(order_ids=("7",))
    assert person(orders_to_redact=None) == Person()


def test_shop_to_be_erased_is_named_by_its_domain() -> None:
    assert parse_webhook("shop/redact", encode(SHOP)).resource == ShopRedact("acme.myshopify.com")

"""One event has one name and one id, wherever it comes from."""

from __future__ import annotations

import pytest

from gateway.model.names import PAGE_VIEW, STANDARD_EVENTS
from gateway.shopify.storefront import (
    EVENT_NAMES,
    IDENTITY_EVENTS,
    to_checkout_id,
    to_customer_id,
    to_numeric_id,
    to_purchase_id,
)


@pytest.mark.parametrize(
    ("said", "digits"),
    [
        ("gid://shopify/Order/820982911946154508", "820982911946154508"),
        ("gid://shopify/BuyerIds/42", "42"),
        ("gid://shopify/Cart/hWN3?key=77", None),
        ("gid://shopify/ProductVariant/42?key=77", "42"),
        ("6589808345170", "6589808345170"),
        (6589808345170, "6589808345170"),
        ("#1001", None),
        ("gid://shopify/Order/", None),
        ("", None),
        ("٤٢", None),
        (None, None),
    ],
)
def test_trailing_digits_are_the_id(said: str | int | None, digits: str | None) -> None:
    assert to_numeric_id(said) == digits


def test_every_name_is_one_that_tiktok_knows() -> None:
    assert set(EVENT_NAMES.values()) <= STANDARD_EVENTS | {PAGE_VIEW}


def test_events_that_only_identify_have_no_name() -> None:
    assert not set(IDENTITY_EVENTS) & set(EVENT_NAMES)


def test_event_ids_are_those_of_the_contract() -> None:
    assert to_purchase_id(6589808345170) == "purchase_6589808345170"
    assert to_checkout_id("da4a", "AddPaymentInfo") == "checkout_da4a_AddPaymentInfo"
    assert to_customer_id(42, "CompleteRegistration") == "customer_42_CompleteRegistration"

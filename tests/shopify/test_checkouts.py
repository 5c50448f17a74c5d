"""A checkout is told once, as the pixel would have told it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.model.conversion import Conversion, NotSent, Reason
from gateway.model.event import Source, User
from gateway.shopify.buyer import BuyerIds
from gateway.shopify.checkouts import to_initiate_checkout
from gateway.shopify.resources import Checkout
from gateway.shopify.webhook import parse_webhook
from tests.shopify.payloads import NOW_MS, ORIGIN, address, checkout, encode, shop


def parse(**changes: Any) -> Checkout:
    parsed = parse_webhook("checkouts/create", encode(checkout(**changes))).resource
    assert isinstance(parsed, Checkout)
    return parsed


def initiate(**changes: Any) -> Conversion:
    made = to_initiate_checkout(parse(**changes), shop(), ORIGIN, NOW_MS)
    assert isinstance(made, Conversion)
    return made


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_checkout_becomes_the_pixels_event() -> None:
    event = initiate().event
    assert event.event == "InitiateCheckout"
    assert event.event_id == "checkout_da4a9d115469c72cf166bfbe6c5313d1_InitiateCheckout"
    assert event.source is Source.WEBHOOK
    assert event.occurred_ms == int(datetime.fromisoformat("2026-09-21T14:00:00+00:00").timestamp() * 1000)
    assert event.page.url == f"{ORIGIN}/?ttclid=E.C.P.checkout"
    assert event.page.referrer is None


def test_checkout_tells_its_products_and_worth() -> None:
    told = initiate().event.properties
    assert (told.value, told.currency, told.num_items) == (Decimal("25.91"), "EUR", 1)
    assert (told.content_ids, told.contents[0].price) == (("45902754185506",), Decimal("23.99"))
    assert told.order_id is None


def test_amounts_of_an_unclear_currency_are_left_out() -> None:
    told = initiate(currency="USD", presentment_currency="EUR").event.properties
    assert told.value is told.currency is told.contents[0].price is None
    assert told.content_ids == ("45902754185506",)


def test_identity_has_bare_tokens_and_the_companion() -> None:
    expected = BuyerIds(
        companion="c.0190aa.sig",
        cart_token="hWN3NvqPtE14ixpbtuXffV7h",
        checkout_token="da4a9d115469c72cf166bfbe6c5313d1",
        email=sha("zoe@example.com"),
    )
    assert initiate().ids == expected
    not_sent = to_initiate_checkout(parse(source_name="pos"), shop(), ORIGIN, NOW_MS)
    assert isinstance(not_sent, NotSent)
    assert not_sent.ids == expected


def test_phone_is_read_with_the_shipping_country() -> None:
    made = initiate(email=None, phone="07504 123456", shipping_address=address(country_code="GB"))
    assert made.ids.phone == sha("+447504123456")


def test_empty_checkout_is_told_with_what_it_has() -> None:
    made = initiate(email=None, customer_locale=None, line_items=[], total_price=None, landing_site=None)
    assert made.event.user == User()
    assert made.event.page.url == f"{ORIGIN}/"


@pytest.mark.parametrize("source", ["pos", "shopify_draft_order", None])
def test_checkout_of_another_source_is_not_sent(source: str | None) -> None:
    made = to_initiate_checkout(parse(source_name=source), shop(), ORIGIN, NOW_MS)
    assert isinstance(made, NotSent)
    assert made.reason is Reason.ORDER_SOURCE

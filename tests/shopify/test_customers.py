"""Who opened an account has registered; whom an order or a newsletter wrote down has not."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import pytest

from gateway.model.conversion import Conversion, NotSent, Reason
from gateway.model.event import Source
from gateway.shopify.buyer import BuyerIds
from gateway.shopify.customers import to_registration
from gateway.shopify.resources import Customer
from gateway.shopify.webhook import parse_webhook
from tests.shopify.payloads import NOW_MS, ORIGIN, customer, encode


def register(topic: str = "customers/create", **changes: Any) -> Conversion | NotSent:
    parsed = parse_webhook(topic, encode(customer(**changes))).resource
    assert isinstance(parsed, Customer)
    return to_registration(parsed, topic, ORIGIN, NOW_MS)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_new_account_is_a_registration() -> None:
    made = register(state="enabled")
    assert isinstance(made, Conversion)
    event = made.event
    assert (event.event, event.event_id) == ("CompleteRegistration", "customer_8832137625682_CompleteRegistration")
    assert event.source is Source.WEBHOOK
    assert event.occurred_ms == int(datetime.fromisoformat("2026-03-01T06:11:09-07:00").timestamp() * 1000)
    assert event.page.url == f"{ORIGIN}/"
    assert event.user.external_id == (sha("8832137625682"),)
    assert made.ids == BuyerIds(customer_id="8832137625682", email=sha("zoe@example.com"), phone=sha("+14085550123"))


@pytest.mark.parametrize("state", ["disabled", "invited", "declined", None])
def test_record_without_an_account_is_not_sent(state: str | None) -> None:
    assert register(state=state) == NotSent(Reason.NO_ACCOUNT)


@pytest.mark.parametrize("topic", ["customers/update", "customers/enable", ""])
def test_other_topics_are_not_sent(topic: str) -> None:
    assert register(topic, state="enabled") == NotSent(Reason.NOT_THE_TRIGGER)


def test_account_with_an_email_alone_is_told() -> None:
    made = register(state="enabled", default_address=None, first_name=None, last_name=None, created_at=None)
    assert isinstance(made, Conversion)
    assert made.event.user.email == (sha("zoe@example.com"),)
    assert made.event.user.first_name is None
    assert made.event.occurred_ms == NOW_MS

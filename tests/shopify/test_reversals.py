"""What went back is known in one currency, or not at all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.shopify.resources import Order, Refund
from gateway.shopify.reversals import Reversal, ReversalKind, to_cancellation, to_refund
from gateway.shopify.webhook import parse_webhook
from tests.shopify.payloads import NOW_MS, encode, money_set, refund, web_order


def parse_refund(**changes: Any) -> Refund:
    parsed = parse_webhook("refunds/create", encode(refund(**changes))).resource
    assert isinstance(parsed, Refund)
    return parsed


def parse_order(**changes: Any) -> Order:
    parsed = parse_webhook("orders/cancelled", encode(web_order(**changes))).resource
    assert isinstance(parsed, Order)
    return parsed


def paid(amount: str, currency: str = "USD", **changes: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "kind": "refund", "status": "success", **changes}


def test_refund_adds_up_what_was_paid_back() -> None:
    back = [paid("15.95"), paid("4.05"), paid("99.00", kind="void"), paid("99.00", status="pending")]
    assert to_refund(parse_refund(transactions=back), NOW_MS) == Reversal(
        kind=ReversalKind.REFUND,
        order_id="6589808345170",
        amount=Decimal("20.00"),
        currency="USD",
        occurred_ms=int(datetime.fromisoformat("2026-09-21T15:00:00+00:00").timestamp() * 1000),
    )


@pytest.mark.parametrize("back", [None, [], [paid("1.00", status="failure")], [paid("1.00"), paid("1.00", "EUR")]])
def test_refund_of_unknown_amount_has_none(back: Any) -> None:
    found = to_refund(parse_refund(transactions=back), NOW_MS)
    assert (found.amount, found.currency) == (None, None)


def test_refund_without_a_time_happened_when_it_came() -> None:
    assert to_refund(parse_refund(processed_at=None, created_at=None), NOW_MS).occurred_ms == NOW_MS


def test_cancellation_takes_back_the_whole_order() -> None:
    cancelled = parse_order(
        cancelled_at="2026-09-21T15:00:00Z", total_price="41.00", total_price_set=money_set("41.00", "38.50")
    )
    assert to_cancellation(cancelled) == Reversal(
        kind=ReversalKind.CANCELLATION,
        order_id="6589808345170",
        amount=Decimal("38.50"),
        currency="EUR",
        occurred_ms=int(datetime.fromisoformat("2026-09-21T15:00:00+00:00").timestamp() * 1000),
    )


def test_cancellation_of_unknown_worth_has_no_amount() -> None:
    found = to_cancellation(parse_order(cancelled_at="2026-09-21T15:00:00Z", total_price=None, total_price_set=None))
    assert found
    assert (found.amount, found.currency) == (None, None)


def test_order_that_stands_is_no_cancellation_whatever_the_topic() -> None:
    assert to_cancellation(parse_order()) is None

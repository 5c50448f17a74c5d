"""The account of orders: every order once, with why it was not told; every webhook and every reversal once."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.model.conversion import OrderFacts, Reason, Reversal, ReversalKind
from gateway.model.event import Source
from gateway.store import Store
from gateway.store.receipt import AnchorKind, OrderNote, WebhookNote
from gateway.store.tables import events, orders, reversals, visitors, webhooks
from tests.store.conftest import Record
from tests.store.samples import NOW_MS, STORE, anchor, at_commit, make_event, make_receipt, make_sighting, read_rows

FACTS = OrderFacts("7", "#1001", NOW_MS - 60_000, Decimal("38.36"), "EUR")
CART = (anchor(AnchorKind.CART),)


def make_purchase(**said: Any):
    return make_event(**{"event": "Purchase", "event_id": "purchase_7", **said})


def make_order(reason: Reason | None = None, **said: Any):
    """What Shopify tells of an order: its Purchase, unless there is a reason against it."""
    told = [] if reason else [make_purchase(source=Source.WEBHOOK)]
    return make_receipt(
        *told, **{"order": OrderNote(FACTS, reason), "is_browserless": True, "may_create": False, **said}
    )


async def read_order(store: Store) -> dict[str, Any]:
    [row] = await read_rows(store, orders)
    return row


# Orders


async def test_an_order_is_kept_with_its_worth_and_its_buyer(store: Store):
    known = await store.record(make_receipt(anchors=CART))
    await store.record(make_order(anchors=CART))
    assert await read_order(store) == {
        "store_id": STORE,
        "id": "7",
        "name": "#1001",
        "visitor_id": known.visitor.id,
        "placed_ms": NOW_MS - 60_000,
        "heard_ms": NOW_MS,
        "value": "38.36",
        "currency": "EUR",
        "reason": None,
        "fate": None,
    }


@pytest.mark.parametrize("reason", Reason)
async def test_the_account_says_why_an_order_was_not_told(store: Store, reason: Reason):
    await store.record(make_order(reason))
    assert (await read_order(store))["reason"] == reason


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ([Reason.NOT_THE_TRIGGER, None], None),
        ([None, Reason.NOT_THE_TRIGGER], None),
        ([None, Reason.CANCELLED], None),
        ([Reason.UNPAID, Reason.CANCELLED], Reason.CANCELLED),
        ([Reason.NOT_THE_TRIGGER, Reason.UNPAID], Reason.UNPAID),
        ([Reason.ZERO_VALUE, Reason.NOT_THE_TRIGGER], Reason.ZERO_VALUE),
    ],
    ids=[
        "told later",
        "another topic later",
        "cancelled when told",
        "never told",
        "a better reason",
        "no reason at all",
    ],
)
async def test_of_several_words_on_an_order_the_telling_one_stands(store: Store, record: Record, said, stands):
    await store.record(make_receipt(anchors=CART))
    await record(*(make_order(reason, anchors=CART) for reason in said))
    assert (await read_order(store))["reason"] == stands


async def test_an_order_of_a_visitor_who_is_not_known_had_no_consent(store: Store):
    recorded = await store.record(make_order())
    assert recorded.visitor is None
    assert ((await read_order(store))["reason"], (await read_order(store))["visitor_id"]) == (Reason.NO_CONSENT, None)


async def test_consent_found_later_tells_the_order(store: Store, record: Record):
    await record(make_order(anchors=CART), make_receipt(anchors=CART), make_order(anchors=CART))
    assert (await read_order(store))["reason"] is None
    assert len(await read_rows(store, events)) == 1


async def test_a_browsers_purchase_puts_its_order_in_the_account(store: Store):
    browser = await store.record(make_receipt(make_purchase(occurred_ms=NOW_MS - 5)))
    row = await read_order(store)
    assert (row["id"], row["visitor_id"], row["placed_ms"], row["reason"]) == (
        "7",
        browser.visitor.id,
        NOW_MS - 5,
        None,
    )
    assert (row["name"], row["value"], row["currency"]) == (None, None, None)


@pytest.mark.parametrize("browser_first", [True, False])
async def test_an_order_that_only_its_browser_told_was_told(store: Store, record: Record, browser_first: bool):
    """Shopify's word found no consent; whichever came first, a Purchase was queued."""
    words = [make_receipt(make_purchase()), make_order(known_id="of nobody", order=OrderNote(FACTS, Reason.NO_CONSENT))]
    await record(*(words if browser_first else reversed(words)))
    row = await read_order(store)
    assert (row["reason"], row["name"], row["value"], row["placed_ms"]) == (None, "#1001", "38.36", NOW_MS - 60_000)
    assert row["visitor_id"] is not None


@pytest.mark.parametrize(
    "event",
    [{"event": "ViewContent"}, {"event_id": "purchase_"}, {"event_id": "purchase_7x"}, {"event_id": "xpurchase_7"}],
    ids=lambda said: next(iter(said.values())),
)
async def test_only_a_purchase_with_an_orders_id_is_an_order(store: Store, event: dict[str, str]):
    assert (await store.record(make_receipt(make_purchase(**event)))).queued == 1
    assert await read_rows(store, orders) == []


# Webhooks


async def test_a_webhook_heard_before_changes_nothing(store: Store, record: Record):
    note = WebhookNote("w-1", "orders/paid")
    first, second = await record(
        make_order(webhook=note, may_create=True),
        make_order(
            Reason.CANCELLED,
            webhook=note,
            sighting=make_sighting(NOW_MS + 5),
            reversal=Reversal(ReversalKind.CANCELLATION, "7", None, None, NOW_MS),
        ),
    )
    assert (first.is_ignored, second.is_ignored) == (False, True)
    assert (await read_order(store))["heard_ms"] == NOW_MS
    assert await read_rows(store, reversals) == []
    assert await read_rows(store, webhooks) == [
        {"store_id": STORE, "id": "w-1", "topic": "orders/paid", "received_ms": NOW_MS}
    ]


async def test_the_same_webhook_id_in_two_stores_is_two_webhooks(store: Store, record: Record):
    note = WebhookNote("w-1", "orders/paid")
    one, two = await record(make_order(webhook=note), make_order(webhook=note, store_id="other-shop"))
    assert (one.is_ignored, two.is_ignored) == (False, False)


async def test_a_webhook_that_could_not_be_stored_is_taken_when_it_comes_again(store: Store):
    receipt = make_order(webhook=WebhookNote("w-1", "orders/paid"), may_create=True)

    def fail() -> None:
        raise StoreUnavailable("the disk is full")

    with at_commit(fail), pytest.raises(StoreUnavailable):
        await store.record(receipt)
    assert await read_rows(store, visitors) == await read_rows(store, webhooks) == []
    recorded = await store.record(receipt)
    assert (recorded.is_ignored, recorded.queued) == (False, 1)


# Reversals


def make_refund(occurred_ms: int = NOW_MS, amount: str | None = "5.00"):
    told = Reversal(ReversalKind.REFUND, "7", Decimal(amount) if amount else None, amount and "EUR", occurred_ms)
    return make_receipt(is_browserless=True, may_create=False, reversal=told)


async def test_each_refund_is_in_the_account_once(store: Store, record: Record):
    await record(make_refund(), make_refund(), make_refund(NOW_MS + 1, None))
    rows = await read_rows(store, reversals)
    assert [(row["order_id"], row["kind"], row["amount"], row["currency"]) for row in rows] == [
        ("7", "refund", "5.00", "EUR"),
        ("7", "refund", None, None),
    ]


async def test_a_cancellation_stands_beside_the_refund_of_the_same_instant(store: Store, record: Record):
    cancelled = Reversal(ReversalKind.CANCELLATION, "7", Decimal("38.36"), "EUR", NOW_MS)
    await record(make_refund(), make_order(Reason.CANCELLED, reversal=cancelled))
    assert [row["kind"] for row in await read_rows(store, reversals)] == ["cancellation", "refund"]
    assert (await read_order(store))["reason"] == Reason.CANCELLED

"""An event is stored once a pixel; its twins fill it in while it waits, and are only counted when it has left."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import structs

from gateway.model.event import Content, PixelState, Properties, Source, User
from gateway.model.outcome import Fate
from gateway.store import Store
from gateway.store.receipt import Queued
from gateway.store.tables import events, outbox
from tests.store.conftest import Record
from tests.store.samples import (
    HOUR_MS,
    LANE,
    NOW_MS,
    PIXEL,
    STORE,
    make_event,
    make_receipt,
    open_claim,
    read_event,
    read_rows,
    settled,
)

WEEK_MS = 168 * HOUR_MS


def make_purchase(**said):
    return make_event(event="Purchase", event_id="purchase_1", **said)


async def claim_one(store: Store, now_ms: int = NOW_MS):
    (claimed,) = await store.claim(LANE, "lease", now_ms, 10)
    return claimed


async def test_all_that_an_event_says_comes_back_when_it_is_claimed(store: Store):
    event = make_event(
        user=User(email=("e1", "e2"), external_id=("x1",), ip="203.0.113.9", user_agent="Browser/1", city="berlin"),
        properties=Properties(
            contents=(Content("44", "Tee", price=Decimal("19.90"), quantity=Decimal(2)),),
            value=Decimal("39.80"),
            currency="EUR",
        ),
        pixel=PixelState.BLOCKED,
        limited_data_use=True,
    )
    await store.record(make_receipt(Queued(PIXEL, event, NOW_MS + 5)))
    claimed = await claim_one(store)
    assert open_claim(claimed) == event
    assert (claimed.expires_ms, claimed.attempts, claimed.maybe_sent_ms, claimed.is_withdrawn) == (
        NOW_MS + 5, 0, None, False,
    )  # fmt: skip


async def test_the_address_is_kept_apart_from_the_event(store: Store):
    await store.record(make_receipt(make_event(user=User(ip="203.0.113.9"))))
    (row,) = await read_rows(store, events)
    assert row["ip"] == "203.0.113.9"
    assert "203.0.113.9" not in row["body"]


async def test_an_event_comes_once_a_pixel(store: Store, record: Record):
    event = make_event()
    one, two = await record(
        make_receipt(Queued("C0ONE", event, NOW_MS), Queued("C0TWO", event, NOW_MS)),
        make_receipt(Queued("C0ONE", event, NOW_MS), Queued("C0TWO", event, NOW_MS)),
    )
    assert (one.queued, one.duplicates, two.queued, two.duplicates) == (2, 0, 0, 2)
    assert [row["pixel_code"] for row in await read_rows(store, events)] == ["C0ONE", "C0TWO"]
    assert [row["duplicates"] for row in await read_rows(store, events)] == [1, 1]


async def test_the_same_id_under_another_name_is_another_event(store: Store, record: Record):
    one, two = await record(
        make_receipt(make_event(event="ViewContent", event_id="1")),
        make_receipt(make_event(event="AddToCart", event_id="1")),
    )
    assert (one.queued, two.queued) == (1, 1)
    assert len(await read_rows(store, outbox)) == 2


async def test_the_same_event_twice_in_one_receipt_is_stored_once(store: Store, record: Record):
    event = make_event()
    (recorded,) = await record(make_receipt(event, event))
    assert (recorded.queued, recorded.duplicates) == (1, 1)
    assert len(await read_rows(store, outbox)) == 1


async def test_a_twin_fills_in_what_a_waiting_event_lacks(store: Store, record: Record):
    browser = make_purchase(user=User(email=("typed",), ip="203.0.113.9", external_id=("x",)), properties=Properties())
    webhook = make_purchase(
        source=Source.WEBHOOK,
        occurred_ms=NOW_MS - 1000,
        user=User(email=("ordered",), phone=("p1",), ip="198.51.100.7", external_id=("x",)),
        properties=Properties(value=Decimal(20), order_id="1"),
    )
    await record(make_receipt(browser), make_receipt(webhook))
    event = await read_event(store, events)
    (row,) = await read_rows(store, events)
    assert (event.user.email, event.user.phone) == (("typed", "ordered"), ("p1",))
    assert (event.properties.value, event.properties.order_id) == (Decimal(20), "1")
    assert (event.source, row["ip"], row["occurred_ms"], event.occurred_ms) == (
        Source.BEACON, "203.0.113.9", NOW_MS - 1000, NOW_MS - 1000,
    )  # fmt: skip
    assert row["duplicates"] == 1


async def test_every_one_of_several_twins_leaves_its_mark(store: Store, record: Record):
    await record(
        make_receipt(make_purchase()),
        make_receipt(make_purchase(user=User(email=("e1",)))),
        make_receipt(make_purchase(user=User(phone=("p1",)))),
        make_receipt(make_purchase(user=User(email=("e2",)))),
    )
    user = (await read_event(store, events)).user
    assert (user.email, user.phone) == (("e1", "e2"), ("p1",))
    assert (await read_rows(store, events))[0]["duplicates"] == 3


async def test_a_twin_ends_the_hold(store: Store, record: Record):
    await record(make_receipt(make_purchase(hold_until_ms=NOW_MS + 45_000)), make_receipt(make_purchase()))
    assert open_claim(await claim_one(store)).hold_until_ms == 0


async def test_a_held_event_waits(store: Store):
    await store.record(make_receipt(make_purchase(hold_until_ms=NOW_MS + 45_000)))
    assert await store.claim(LANE, "lease", NOW_MS + 44_999, 10) == []
    assert open_claim(await claim_one(store, NOW_MS + 45_000)).event == "Purchase"


async def test_a_twin_with_a_hold_of_its_own_prolongs_nothing(store: Store, record: Record):
    await record(
        make_receipt(make_purchase(hold_until_ms=NOW_MS + 45_000)),
        make_receipt(make_purchase(received_ms=NOW_MS + 9000, hold_until_ms=NOW_MS + 54_000)),
    )
    assert await store.claim(LANE, "lease", NOW_MS + 44_999, 10) == []
    assert await store.claim(LANE, "lease", NOW_MS + 45_000, 10) != []


async def test_a_twin_does_not_hasten_a_retry(store: Store):
    await store.record(make_receipt(make_purchase()))
    claimed = await claim_one(store)
    await store.settle(STORE, "lease", [settled(claimed, due_ms=NOW_MS + 60_000, verdict="retry", attempts=1)])
    await store.record(make_receipt(make_purchase(user=User(phone=("p1",)))))
    assert await store.claim(LANE, "lease", NOW_MS + 59_999, 10) == []
    again = await claim_one(store, NOW_MS + 60_000)
    assert (again.attempts, open_claim(again).user.phone) == (1, ("p1",))


async def test_the_earlier_end_of_two_twins_stands(store: Store, record: Record):
    blocked, fired = make_purchase(), make_purchase(pixel=PixelState.FIRED)
    await record(
        make_receipt(Queued(PIXEL, blocked, NOW_MS + WEEK_MS)),
        make_receipt(Queued(PIXEL, fired, NOW_MS + 48 * HOUR_MS)),
        make_receipt(Queued(PIXEL, blocked, NOW_MS + WEEK_MS)),
    )
    (row,) = await read_rows(store, events)
    assert (row["expires_ms"], row["pixel"]) == (NOW_MS + 48 * HOUR_MS, "fired")
    assert (await read_event(store, events)).pixel is PixelState.FIRED


@pytest.mark.parametrize("has_left", [False, True], ids=["leased", "gone"])
async def test_a_twin_of_an_event_on_its_way_is_only_counted(store: Store, record: Record, has_left):
    await store.record(make_receipt(make_purchase()))
    claimed = await claim_one(store)
    if has_left:
        await store.settle(STORE, "lease", [settled(claimed, fate=Fate.ACCEPTED, verdict="accepted")])
    (before,) = await read_rows(store, events)
    (recorded,) = await record(make_receipt(make_purchase(user=User(email=("late",)))))
    (after,) = await read_rows(store, events)
    assert (recorded.queued, recorded.duplicates) == (0, 1)
    assert after == before | {"duplicates": 1}
    assert len(await read_rows(store, outbox)) == (0 if has_left else 1)


async def test_an_event_with_a_fate_is_kept_for_the_record_and_never_queued(store: Store, record: Record):
    kept = Queued(PIXEL, make_event(), NOW_MS, Fate.NOT_SENT, "an order of the till")
    (recorded,) = await record(make_receipt(kept))
    (row,) = await read_rows(store, events)
    assert recorded.queued == 0
    assert (row["fate"], row["reason"], row["settled_ms"]) == ("not_sent", "an order of the till", NOW_MS)
    assert await read_rows(store, outbox) == []
    assert not store.queued(LANE).is_set()


async def test_new_and_known_events_of_one_receipt_go_their_own_ways(store: Store, record: Record):
    known, new = make_event(), make_event()
    await store.record(make_receipt(known))
    (recorded,) = await record(make_receipt(known, new))
    assert (recorded.queued, recorded.duplicates) == (1, 1)
    assert len(await read_rows(store, outbox)) == 2


async def test_receipts_of_one_commit_are_told_their_own_numbers(store: Store, record: Record):
    shared = make_event()
    none, one, two = await record(
        make_receipt(), make_receipt(shared, make_event()), make_receipt(make_event(), shared, make_event())
    )
    assert [(r.queued, r.duplicates) for r in (none, one, two)] == [(0, 0), (2, 0), (2, 1)]


async def test_a_twin_keeps_limited_data_use_once_it_was_said(store: Store, record: Record):
    await record(make_receipt(make_purchase(limited_data_use=True)), make_receipt(make_purchase()))
    assert (await read_event(store, events)).limited_data_use


async def test_an_event_keeps_its_time_when_nothing_of_it_is_held(store: Store):
    event = make_event(received_ms=NOW_MS + 7)
    await store.record(make_receipt(event))
    (row,) = await read_rows(store, outbox)
    assert (row["due_ms"], row["attempts"], row["lease"], row["maybe_sent_ms"]) == (NOW_MS + 7, 0, None, None)
    assert structs.replace(event, user=User()) == structs.replace(await read_event(store, events), user=User())

"""The doctor's numbers are those of one store, and of now."""

from __future__ import annotations

from functools import partial

from gateway.model.conversion import OrderFacts, Reason
from gateway.model.event import PixelState, Source
from gateway.model.outcome import Fate
from gateway.store import Settlement, Store
from gateway.store.receipt import OrderNote, WebhookNote
from gateway.store.sql import Cursor
from gateway.store.vitals import WEEK_MS, Vitals, find_vitals
from tests.store.samples import LANE, NOW_MS, STORE, make_event, make_receipt, make_sighting, settled


async def find(store: Store, store_id: str = STORE) -> Vitals:
    return await store.read(lambda connection: find_vitals(connection, store_id, NOW_MS))


async def test_a_new_store_has_no_numbers(store: Store):
    assert await find(store) == Vitals()


async def test_the_oldest_event_that_waits_is_found_until_it_is_settled(store: Store):
    await store.record(make_receipt(make_event(received_ms=NOW_MS - 9000)))
    await store.record(make_receipt(make_event(received_ms=NOW_MS - 5000)))
    assert (await find(store)).oldest_ms == NOW_MS - 9000
    (first,) = await store.claim(LANE, "lease", NOW_MS, 1)
    await store.settle(STORE, "lease", [Settlement(first.id, NOW_MS, Fate.ACCEPTED)])
    assert (await find(store)).oldest_ms == NOW_MS - 5000


async def test_orders_of_the_week_are_counted_by_why_none_was_queued(store: Store):
    placed = [
        ("1", NOW_MS, None),
        ("2", NOW_MS, None),
        ("3", NOW_MS, Reason.ORDER_SOURCE),
        ("4", NOW_MS - WEEK_MS - 1, Reason.UNPAID),
    ]
    for number, placed_ms, reason in placed:
        note = OrderNote(OrderFacts(number, f"#{number}", placed_ms), reason)
        await store.record(make_receipt(is_browserless=True, order=note))
    assert (await find(store)).orders == {"": 2, "order_source": 1}


async def test_the_newest_webhook_is_dated(store: Store):
    for number, at_ms in enumerate((NOW_MS - 5000, NOW_MS - 7000)):
        note = WebhookNote(str(number), "orders/paid")
        await store.record(make_receipt(is_browserless=True, webhook=note, sighting=make_sighting(at_ms)))
    assert (await find(store)).last_webhook_ms == NOW_MS - 5000


async def test_visitors_with_an_address_are_counted(store: Store):
    await store.record(make_receipt(sighting=make_sighting(ip="203.0.113.7")))
    await store.record(make_receipt())
    found = await find(store)
    assert (found.visitors, found.located) == (2, 1)


async def test_a_weeks_events_are_counted_by_consent_and_by_what_became_of_the_pixels_copy(store: Store):
    states = (PixelState.FIRED, PixelState.FIRED, PixelState.BLOCKED, PixelState.ABSENT)
    old_ms = NOW_MS - WEEK_MS - 3_600_000
    made = [make_event(event_id=f"e-{number}", pixel=state) for number, state in enumerate(states)]
    made.append(make_event(event_id="from the shop", source=Source.WEBHOOK))
    made.append(make_event(event_id="old", pixel=PixelState.FIRED, received_ms=old_ms))
    for event in made:
        await store.record(make_receipt(event))
    waiting = await store.claim(LANE, "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(one, fate=Fate.ACCEPTED, verdict="accepted") for one in waiting])
    rows = [
        (STORE, NOW_MS, "beacon", "consent", 3),
        (STORE, old_ms, "beacon", "consent", 5),
        (STORE, NOW_MS, "beacon", "bot", 7),
    ]
    for row in rows:
        await store.run(partial(drop, row))
    found = await find(store)
    assert (found.taken, found.unconsented, found.fired, found.blocked) == (4, 3, 2, 1)


def drop(row: tuple[str, int, str, str, int], cursor: Cursor) -> None:
    cursor.execute(
        "INSERT INTO drop_hours (store_id, hour_ms, source, reason, slot, events) VALUES (?, ?, ?, ?, 0, ?)", row
    )


async def test_another_stores_numbers_are_its_own(store: Store):
    await store.record(make_receipt(make_event(), sighting=make_sighting(ip="203.0.113.7")))
    assert await find(store, "beta") == Vitals()

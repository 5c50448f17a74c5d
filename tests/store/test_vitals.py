"""The doctor's numbers are those of one store, and of now."""

from __future__ import annotations

from gateway.model.conversion import OrderFacts, Reason
from gateway.model.outcome import Fate
from gateway.store import Settlement, Store
from gateway.store.receipt import OrderNote, WebhookNote
from gateway.store.vitals import WEEK_MS, Vitals, find_vitals
from tests.store.samples import LANE, NOW_MS, STORE, make_event, make_receipt, make_sighting


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


async def test_another_stores_numbers_are_its_own(store: Store):
    await store.record(make_receipt(make_event(), sighting=make_sighting(ip="203.0.113.7")))
    assert await find(store, "beta") == Vitals()

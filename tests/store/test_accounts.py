"""The account of an order tells what became of its Purchase at each pixel, and why there is none."""

from __future__ import annotations

from gateway.model.conversion import OrderFacts, Reason
from gateway.model.outcome import Fate
from gateway.store import Settlement, Store
from gateway.store.accounts import Account, Ending, find_accounts
from gateway.store.receipt import OrderNote, Queued
from tests.store.samples import LANE, NOW_MS, PIXEL, STORE, make_event, make_receipt, open_claim

OTHER = "C0OTHERPIXEL00000000"
IDS = {"1": "purchase_1", "2": "purchase_2", "3": "purchase_3"}


async def find(store: Store, store_id: str = STORE, pixels: tuple[str, ...] = (PIXEL, OTHER)) -> dict[str, Account]:
    return await store.read(lambda connection: find_accounts(connection, store_id, pixels, IDS))


def purchase(number: int, pixel: str = PIXEL) -> Queued:
    return Queued(pixel, make_event(event="Purchase", event_id=f"purchase_{number}"), NOW_MS + 1000)


async def test_an_order_never_heard_of_has_an_empty_account(store: Store):
    assert await find(store) == dict.fromkeys(IDS, Account())


async def test_each_pixel_has_its_own_ending(store: Store):
    await store.record(make_receipt(purchase(1), purchase(1, OTHER), purchase(2)))
    claimed = await store.claim(LANE, "lease", NOW_MS, 10)
    fates = {"purchase_1": (Fate.ACCEPTED, None), "purchase_2": (Fate.REJECTED, "no currency")}
    settled = [Settlement(one.id, NOW_MS, *fates[open_claim(one).event_id]) for one in claimed]
    await store.settle(STORE, "lease", settled)

    found = await find(store)
    assert found["1"].endings == {PIXEL: Ending(Fate.ACCEPTED), OTHER: Ending()}
    assert found["2"].endings == {PIXEL: Ending(Fate.REJECTED, "no currency")}
    assert (await find(store, pixels=(OTHER,)))["1"].endings == {OTHER: Ending()}


async def test_why_nothing_was_queued_is_told(store: Store):
    for number, reason in (("1", Reason.UNPAID), ("2", None)):
        note = OrderNote(OrderFacts(number, f"#{number}", NOW_MS), reason)
        await store.record(make_receipt(is_browserless=True, order=note))
    found = await find(store)
    assert [found[number].reason for number in IDS] == ["unpaid", None, None]


async def test_other_events_and_other_stores_are_none_of_its_business(store: Store):
    view = make_event(event="ViewContent", event_id="purchase_1")
    await store.record(make_receipt(view))
    await store.record(make_receipt(purchase(1), store_id="beta"))
    note = OrderNote(OrderFacts("2", "#2", NOW_MS), Reason.UNPAID)
    await store.record(make_receipt(is_browserless=True, order=note, store_id="beta"))
    assert await find(store) == dict.fromkeys(IDS, Account())
    found = await find(store, "beta")
    assert (found["1"], found["2"]) == (Account(None, {PIXEL: Ending()}), Account("unpaid"))

"""Two stores in one database, and two pixels of one store, know nothing of each other."""

from __future__ import annotations

from gateway.model.outcome import Fate
from gateway.store import Store
from gateway.store.receipt import AnchorKind, Queued
from gateway.store.tables import events, outbox, visitors
from tests.store.conftest import Record
from tests.store.samples import (
    NOW_MS,
    PIXEL,
    STORE,
    anchor,
    click,
    make_event,
    make_receipt,
    make_sighting,
    read_rows,
    settled,
)

OTHER = "other-shop"


async def test_a_signed_id_is_good_for_its_own_store_alone(record: Record):
    (mine,) = await record(make_receipt(sighting=make_sighting(click=click("c1"))))
    (theirs,) = await record(make_receipt(store_id=OTHER, known_id=mine.visitor.id))
    assert theirs.visitor.id != mine.visitor.id
    assert theirs.visitor.click is None


async def test_an_anchor_is_good_for_its_own_store_alone(record: Record):
    everything = tuple(anchor(kind) for kind in AnchorKind)
    mine, theirs = await record(
        make_receipt(anchors=everything), make_receipt(store_id=OTHER, anchors=everything, is_browserless=True)
    )
    assert theirs.visitor.id != mine.visitor.id
    assert theirs.kin is None


async def test_the_same_visitor_id_in_two_stores_is_two_visitors(store: Store, record: Record):
    for ttclid, store_id in (("c1", STORE), ("c2", OTHER)):
        await record(make_receipt(store_id=store_id, new_id="a" * 32, sighting=make_sighting(click=click(ttclid))))
    rows = await read_rows(store, visitors)
    assert [(row["store_id"], row["ttclid"]) for row in rows] == [(STORE, "c1"), (OTHER, "c2")]


async def test_the_same_event_of_two_stores_is_no_duplicate(store: Store, record: Record):
    event = make_event()
    mine, theirs = await record(make_receipt(event), make_receipt(event, store_id=OTHER))
    assert (mine.queued, theirs.queued) == (1, 1)
    assert (mine.duplicates, theirs.duplicates) == (0, 0)


async def test_a_claim_takes_its_own_store_and_pixel_alone(store: Store, record: Record):
    event = make_event()
    await record(
        make_receipt(Queued(PIXEL, event, NOW_MS), Queued("C0OTHER", event, NOW_MS)),
        make_receipt(event, store_id=OTHER),
    )
    assert len(await store.claim((STORE, PIXEL), "lease", NOW_MS, 10)) == 1
    assert len(await store.claim((STORE, PIXEL), "lease", NOW_MS, 10)) == 0
    assert len(await store.claim((STORE, "C0OTHER"), "lease", NOW_MS, 10)) == 1
    assert len(await store.claim((OTHER, PIXEL), "lease", NOW_MS, 10)) == 1


async def test_a_store_cannot_settle_or_renew_what_is_anothers(store: Store, record: Record):
    await record(make_receipt(make_event()))
    (claimed,) = await store.claim((STORE, PIXEL), "lease", NOW_MS, 10)
    before = await read_rows(store, outbox)
    await store.settle(OTHER, "lease", [settled(claimed, fate=Fate.ACCEPTED)])
    await store.settle(OTHER, "lease", [settled(claimed, due_ms=1)])
    assert await store.renew((OTHER, PIXEL), "lease", [claimed.id], NOW_MS + 9999) == set()
    assert await read_rows(store, outbox) == before
    assert (await read_rows(store, events))[0]["fate"] is None

"""Erasing a person leaves nothing of them, finds them wherever they are, and touches nobody else."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from msgspec import structs

from gateway.model.conversion import OrderFacts
from gateway.model.event import Source, User
from gateway.model.outcome import Fate
from gateway.model.visitor import Identity
from gateway.store import Recorded, Store
from gateway.store.erase import (
    SEARCHED,
    Erased,
    count_searched,
    erase_store,
    erase_visitor,
    find_linked,
    forget_orders,
    search,
)
from gateway.store.receipt import AnchorKind, OrderNote, WebhookNote
from gateway.store.tables import (
    alerts,
    attempts,
    erasures,
    events,
    links,
    metadata,
    orders,
    outbox,
    reversals,
    visitors,
    visits,
    webhooks,
)
from tests.store.samples import (
    HOUR_MS,
    LANE,
    NOW_MS,
    STORE,
    anchor,
    click,
    make_event,
    make_receipt,
    make_sighting,
    read_rows,
    settled,
)

ANN, BOB = "a" * 64, "b" * 64
OTHER_STORE = "other-shop"


def make_purchase(order_id: int = 1, **said: Any):
    return make_event(event="Purchase", event_id=f"purchase_{order_id}", **said)


def make_order(order_id: int = 1, **said: Any):
    """What Shopify tells of an order, its Purchase with it."""
    note = OrderNote(OrderFacts(str(order_id), f"#{order_id}", NOW_MS))
    usual = {"order": note, "is_browserless": True, "may_create": False}
    return make_receipt(make_purchase(order_id, source=Source.WEBHOOK), **usual | said)


async def live(store: Store, email: str, cart: str, **said: Any) -> Recorded:
    """Somebody clicked, browsed, was sent to TikTok, and has bought something that is still waiting."""
    identity = make_sighting(click=click(f"click of {email}"), identity=Identity(email=email), ip="203.0.113.9")
    known = {"anchors": (anchor(AnchorKind.EMAIL, email), anchor(AnchorKind.CART, cart)), "sighting": identity}
    recorded = await store.record(make_receipt(make_event(user=User(email=(email,))), **known | said))
    (sent,) = await store.claim((said.get("store_id", STORE), LANE[1]), "lease", NOW_MS, 10)
    done = settled(sent, fate=Fate.ACCEPTED, verdict="accepted")
    await store.settle(said.get("store_id", STORE), "lease", [done])
    waits = make_purchase(int(cart, 36), hold_until_ms=NOW_MS + 45_000)
    await store.record(make_receipt(waits, known_id=recorded.visitor.id, **said))
    return recorded


async def erase(store: Store, visitor_id: str, store_id: str = STORE) -> Erased:
    return await store.run(lambda cursor: erase_visitor(cursor, store_id, visitor_id))


async def find(store: Store, identity: Identity = Identity(), anchors=(), order_ids=()) -> list[str]:  # noqa: B008 - frozen
    """As `gateway.intake.people` does it, with a row at a time."""
    found = {*await store.read(lambda connection: find_linked(connection, STORE, anchors, order_ids))}
    rows = 0
    for table in SEARCHED:
        after: str | None = ""
        while after is not None:
            look = partial(search, store_id=STORE, identity=identity, table=table, after=after, limit=1)
            searched = await store.read(look)
            found, rows, after = found | searched.found, rows + searched.rows, searched.after
    assert rows == await store.read(lambda connection: count_searched(connection, STORE))
    return sorted(found)


async def read_all(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Everything that is stored, by table."""
    return {name: await read_rows(store, table) for name, table in metadata.tables.items()}


async def test_nothing_of_an_erased_visitor_is_left_and_all_of_the_others(store: Store):
    await live(store, BOB, "bob")
    before = await read_all(store)
    ann = await live(store, ANN, "ann")
    erased = await erase(store, ann.visitor.id)
    after = await read_all(store)
    [order] = [row for row in after.pop("orders") if row["reason"]]
    assert (order["id"], order["visitor_id"], order["reason"]) == (str(int("ann", 36)), None, "erased")
    assert all(after[name] == rows for name, rows in before.items() if name != "orders" and "hours" not in name)
    assert erased == Erased(visitors=1, links=2, events=2, attempts=1, orders=1)
    assert ANN not in str(after) + str(order)
    assert ann.visitor.id not in str(after) + str(order)


async def test_a_visitor_of_another_store_is_not_erased(store: Store):
    ann = await live(store, ANN, "ann", store_id=OTHER_STORE)
    before = await read_all(store)
    assert await erase(store, ann.visitor.id) == Erased()
    assert await read_all(store) == before


async def test_who_is_erased_while_on_the_way_to_tiktok_stays_erased(store: Store):
    recorded = await store.record(make_receipt(make_event()))
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    await erase(store, recorded.visitor.id)
    await store.settle(STORE, "lease", [settled(claimed, due_ms=NOW_MS + 1000, attempts=1, verdict="retry")])
    await store.settle(STORE, "lease", [settled(claimed, fate=Fate.ACCEPTED, verdict="accepted")])
    for table in (events, outbox, visitors, attempts):
        assert await read_rows(store, table) == []
    assert await store.claim(LANE, "lease", NOW_MS + HOUR_MS, 10) == []


async def test_a_signed_id_of_somebody_erased_is_a_new_visitors(store: Store):
    ann = await live(store, ANN, "ann")
    await erase(store, ann.visitor.id)
    back = await store.record(make_receipt(known_id=ann.visitor.id, anchors=(anchor(AnchorKind.CART, "ann"),)))
    assert back.visitor.id != ann.visitor.id
    assert (back.visitor.click, back.visitor.identity) == (None, Identity())


# Finding the person


async def test_an_anchor_leads_to_the_person(store: Store):
    ann = await live(store, ANN, "ann")
    await live(store, BOB, "bob")
    assert await find(store, anchors=[anchor(AnchorKind.EMAIL, ANN)]) == [ann.visitor.id]
    assert await find(store, anchors=[anchor(AnchorKind.PHONE, ANN)]) == []


async def test_both_browsers_of_a_person_are_found_though_the_link_leads_to_one(store: Store):
    mail = (anchor(AnchorKind.EMAIL, ANN),)
    one, two = [
        await store.record(make_receipt(anchors=mail, sighting=make_sighting(identity=Identity(ANN)))) for _ in "12"
    ]
    assert len(await read_rows(store, links)) == 1
    assert await find(store, Identity(ANN), mail) == sorted([one.visitor.id, two.visitor.id])


@pytest.mark.parametrize("name", ["email", "phone", "external_id"])
async def test_any_digest_of_a_visitor_is_the_person(store: Store, name: str):
    seen = make_sighting(identity=Identity(**{name: ANN}))
    ann = await store.record(make_receipt(sighting=seen))
    await store.record(make_receipt(sighting=make_sighting(identity=Identity(**{name: BOB}))))
    assert await find(store, Identity(**{name: ANN})) == [ann.visitor.id]


async def test_what_a_person_did_on_a_device_that_is_somebody_elses_by_now_is_found(store: Store):
    shared = await store.record(make_receipt(make_event(), sighting=make_sighting(identity=Identity(ANN))))
    await store.record(make_receipt(known_id=shared.visitor.id, sighting=make_sighting(identity=Identity(BOB))))
    assert await find(store, Identity(ANN)) == [shared.visitor.id]


async def test_an_order_leads_to_whoever_bought(store: Store):
    cart = (anchor(AnchorKind.CART),)
    ann = await store.record(make_receipt(anchors=cart))
    await store.record(make_order(7, anchors=cart))
    assert await find(store, order_ids=["7"]) == [ann.visitor.id]
    assert await find(store, order_ids=["8"]) == []


async def test_nobody_is_found_where_nobody_is_named(store: Store):
    await live(store, ANN, "ann")
    assert await find(store) == []


async def test_a_person_of_another_store_is_not_found(store: Store):
    await live(store, ANN, "ann", store_id=OTHER_STORE)
    known = [anchor(AnchorKind.EMAIL, ANN), anchor(AnchorKind.CART, "ann")]
    assert await find(store, Identity(ANN), known, [str(int("ann", 36))]) == []


# Orders of the erased


@pytest.mark.parametrize("was_known", [True, False])
async def test_an_order_that_is_forgotten_is_never_told_again(store: Store, was_known: bool):
    cart = (anchor(AnchorKind.CART),)
    ann = await store.record(make_receipt(anchors=cart))
    if was_known:
        await store.record(make_order(7, anchors=cart))
        await erase(store, ann.visitor.id)
    await store.run(lambda cursor: forget_orders(cursor, STORE, ["7"], NOW_MS))
    again = await store.record(make_order(7, anchors=cart, may_create=True))
    assert (again.is_ignored, again.queued, again.visitor) == (True, 0, None)
    assert [event["event"] for event in await read_rows(store, events)] == []
    [order] = await read_rows(store, orders)
    assert (order["id"], order["visitor_id"], order["reason"]) == ("7", None, "erased")


async def test_the_thank_you_page_of_an_erased_order_tells_nothing(store: Store):
    await store.run(lambda cursor: forget_orders(cursor, STORE, ["7"], NOW_MS))
    beside = make_event()
    recorded = await store.record(make_receipt(make_purchase(7), beside))
    assert (recorded.queued, recorded.duplicates, recorded.late) == (1, 1, 1)
    assert [event["event_id"] for event in await read_rows(store, events)] == [beside.event_id]
    [order] = await read_rows(store, orders)
    assert (order["visitor_id"], order["reason"]) == (None, "erased")


async def test_an_order_forgotten_in_one_store_is_told_in_another(store: Store):
    await store.run(lambda cursor: forget_orders(cursor, STORE, ["7"], NOW_MS))
    assert (await store.record(make_order(7, store_id=OTHER_STORE, may_create=True))).queued == 1


# A whole store


@pytest.mark.parametrize("step", [1, 2, 1000])
async def test_a_store_is_erased_in_steps_and_its_neighbour_stays(store: Store, step: int):
    await live(store, BOB, "bob", store_id=OTHER_STORE)
    await store.record(make_order(3, store_id=OTHER_STORE, may_create=True, webhook=WebhookNote("w", "orders/paid")))
    before = await read_all(store)
    for name in ("ann", "amy"):
        await live(store, name * 16, name)
    await store.record(make_order(3, may_create=True, webhook=WebhookNote("w", "orders/paid")))
    total = 0
    while gone := await store.run(lambda cursor: erase_store(cursor, STORE, step)):
        total += gone
    assert await read_all(store) == before
    assert total > 10


def test_every_table_is_thought_of_when_a_store_is_erased():
    """A new table must be in `erase_store`, or here with the reason: erasures are the proof, alerts name nobody."""
    thought_of = {alerts, attempts, erasures, events, links, orders, outbox, reversals, visitors, visits, webhooks}
    hours = {table for name, table in metadata.tables.items() if name.endswith("_hours")}
    assert set(metadata.tables.values()) == thought_of | hours


def test_erasures_add_up():
    one = Erased(visitors=1, links=2, events=3, attempts=4, orders=5)
    assert one.plus(structs.replace(one, events=30)) == Erased(2, 4, 33, 8, 10)

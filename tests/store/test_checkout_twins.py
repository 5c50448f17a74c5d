"""One shopper's start of a checkout, told by the theme under one id and by the checkout under another, is one event."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from gateway.model.event import Content, Event, PixelState, Properties, Source, User
from gateway.model.outcome import Fate
from gateway.shopify.storefront import to_checkout_id
from gateway.store import Recorded, Store, checkout_twins
from gateway.store.checkout_twins import WINDOW_MS
from gateway.store.receipt import AnchorKind, Queued, Receipt
from gateway.store.tables import events, flow_hours, outbox
from tests.postgres import Server
from tests.store.conftest import Record
from tests.store.samples import (
    LANE,
    NOW_MS,
    PIXEL,
    STORE,
    anchor,
    make_event,
    make_receipt,
    open_claim,
    read_rows,
    settled,
)
from tests.store.test_nodes import first_held_before_commit, someone_waits

CHECKOUT = "InitiateCheckout"
NAMED = to_checkout_id("k1", CHECKOUT)
HOLD_MS = 45_000
FIRED = PixelState.FIRED


def make_start(event_id: str, at_ms: int = NOW_MS, **said: Any) -> Event:
    return make_event(event=CHECKOUT, event_id=event_id, occurred_ms=at_ms, received_ms=at_ms, **said)


def by_theme(event_id: str = "theme", at_ms: int = NOW_MS, **said: Any) -> Receipt:
    """What the theme's page tells as it ends; without a Pixel's copy it waits."""
    hold_ms = 0 if said.get("pixel") is FIRED else at_ms + HOLD_MS
    return of_shopper(make_start(event_id, at_ms, hold_until_ms=hold_ms, **said))


def by_pixel(event_id: str = NAMED, at_ms: int = NOW_MS + 4000, **said: Any) -> Receipt:
    """What the custom pixel tells, seconds later."""
    return of_shopper(make_start(event_id, at_ms, source=Source.PIXEL, **said))


def by_webhook(event_id: str = NAMED, at_ms: int = NOW_MS + 2000) -> Receipt:
    return of_shopper(make_start(event_id, at_ms, source=Source.WEBHOOK), is_browserless=True)


def of_shopper(event: Event, cart: str = "cart", **said: Any) -> Receipt:
    return make_receipt(event, anchors=(anchor(AnchorKind.CART, cart),), **said)


async def find_ids(store: Store) -> list[str]:
    """The ids that starts of a checkout are kept under."""
    return sorted(row["event_id"] for row in await read_rows(store, events) if row["event"] == CHECKOUT)


async def send(store: Store, now_ms: int) -> list[str]:
    """TikTok accepts all that is due; the ids that it was sent."""
    claimed = await store.claim(LANE, "lease", now_ms, 10)
    await store.settle(STORE, "lease", [settled(one, at_ms=now_ms, fate=Fate.ACCEPTED) for one in claimed])
    return [open_claim(one).event_id for one in claimed]


@pytest.mark.parametrize("checkout", [by_pixel, by_webhook])
async def test_a_themes_start_that_waits_takes_the_checkouts_id_and_leaves_at_once(
    store: Store, record: Record, checkout: Any
):
    _, later = await record(by_theme(), checkout())
    assert (later.queued, later.duplicates, later.late) == (0, 1, 0)
    assert await find_ids(store) == [NAMED]
    assert (await read_rows(store, events))[0]["duplicates"] == 1
    assert await send(store, NOW_MS + 4000) == [NAMED]


async def test_the_checkout_knows_the_goods_better_and_the_theme_fills_in(store: Store, record: Record):
    of_cart = Properties(contents=(Content("44"),), value=Decimal(20), search_string="tee")
    of_checkout = Properties(contents=(Content("45"),), value=Decimal(18), currency="EUR")
    theme = by_theme(properties=of_cart, user=User(ip="203.0.113.9"), pixel=PixelState.BLOCKED)
    await record(theme, by_pixel(properties=of_checkout, user=User(email=("e1",))))
    [claimed] = await store.claim(LANE, "lease", NOW_MS + 4000, 10)
    properties, user = open_claim(claimed).properties, open_claim(claimed).user
    assert (properties.contents, properties.value, properties.currency, properties.search_string) == (
        (Content("45"),), Decimal(18), "EUR", "tee",
    )  # fmt: skip
    assert (user.ip, user.email, open_claim(claimed).pixel) == ("203.0.113.9", ("e1",), PixelState.BLOCKED)
    assert open_claim(claimed).occurred_ms == NOW_MS


@pytest.mark.parametrize("checkout", [by_pixel, by_webhook])
async def test_what_the_checkout_tells_after_the_themes_has_left_is_its_duplicate(store: Store, checkout: Any):
    await store.record(by_theme())
    assert await send(store, NOW_MS + HOLD_MS) == ["theme"]
    for _ in range(2):
        later = await store.record(checkout(at_ms=NOW_MS + HOLD_MS + 1000))
        assert (later.queued, later.duplicates, later.late) == (0, 1, 1)
    assert await find_ids(store) == ["theme"]
    assert await send(store, NOW_MS + WINDOW_MS) == []


@pytest.mark.parametrize("checkout", [by_pixel, by_webhook])
async def test_the_themes_after_the_checkouts_is_its_duplicate(store: Store, record: Record, checkout: Any):
    """As when the page's last beacon was lost, and comes with the shopper's next page."""
    _, later = await record(checkout(), by_theme())
    assert (later.queued, later.duplicates) == (0, 1)
    assert await send(store, NOW_MS + 4000) == [NAMED]
    assert (await store.record(by_theme())).late == 1
    assert await find_ids(store) == [NAMED]


async def test_the_themes_told_again_after_it_took_the_checkouts_id_is_a_duplicate(store: Store, record: Record):
    told = await record(by_theme(), by_pixel(), by_theme(), by_webhook())
    assert [one.queued for one in told] == [1, 0, 0, 0]
    assert await find_ids(store) == [NAMED]
    assert (await read_rows(store, events))[0]["duplicates"] == 3


async def test_the_id_of_a_pixels_copy_stands(store: Store, record: Record):
    """TikTok has heard of it under that id from the theme's own Pixel, and merges no other with it."""
    _, later, webhook = await record(by_theme(pixel=FIRED), by_pixel(), by_webhook())
    assert (later.duplicates, webhook.duplicates) == (1, 1)
    assert await send(store, NOW_MS + 4000) == ["theme"]


async def test_the_id_of_a_pixels_copy_is_taken_by_a_checkouts_that_waits(store: Store, record: Record):
    await record(by_pixel(), by_theme(pixel=FIRED))
    assert await send(store, NOW_MS + 4000) == ["theme"]


async def test_a_themes_takes_the_id_of_the_copy_that_was_driven_in_the_checkout(store: Store, record: Record):
    await record(by_theme(), by_pixel(pixel=FIRED))
    [row] = await read_rows(store, events)
    assert (row["event_id"], row["pixel"]) == (NAMED, FIRED)


async def test_what_tiktok_may_have_heard_of_keeps_its_id(store: Store):
    """Its answer was lost: under another id it would count again."""
    await store.record(by_theme())
    [claimed] = await store.claim(LANE, "lease", NOW_MS + HOLD_MS, 10)
    back = settled(claimed, due_ms=NOW_MS + HOLD_MS + 2000, maybe_sent_ms=NOW_MS + HOLD_MS)
    await store.settle(STORE, "lease", [back])
    later = await store.record(by_pixel(at_ms=NOW_MS + HOLD_MS + 1000))
    assert (later.duplicates, later.late) == (1, 0)
    assert await send(store, NOW_MS + HOLD_MS + 2000) == ["theme"]


async def test_what_is_being_sent_keeps_its_id(store: Store):
    await store.record(by_theme())
    [claimed] = await store.claim(LANE, "lease", NOW_MS + HOLD_MS, 10)
    assert (await store.record(by_pixel(at_ms=NOW_MS + HOLD_MS + 1))).late == 1
    await store.settle(STORE, "lease", [settled(claimed, fate=Fate.ACCEPTED)])
    assert await find_ids(store) == ["theme"]


@pytest.mark.parametrize("fate", [Fate.REJECTED, Fate.EXPIRED, Fate.WITHDRAWN])
async def test_what_does_not_count_stands_for_nothing(store: Store, fate: Fate):
    await store.record(by_theme())
    [claimed] = await store.claim(LANE, "lease", NOW_MS + HOLD_MS, 10)
    await store.settle(STORE, "lease", [settled(claimed, fate=fate)])
    assert (await store.record(by_pixel())).queued == 1


OTHERS = {
    "of another shopper": of_shopper(make_start(NAMED), cart="another"),
    "half an hour later": by_pixel(at_ms=NOW_MS + WINDOW_MS + 1),
    "of another name": of_shopper(make_event(event="AddPaymentInfo", event_id="checkout_k1_AddPaymentInfo")),
    "by the theme as well": by_theme("another"),
    "at another pixel": make_receipt(
        Queued("C0TWO", make_start(NAMED), NOW_MS + WINDOW_MS), anchors=(anchor(AnchorKind.CART, "cart"),)
    ),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_another_start_is_another_event(store: Store, record: Record, other: Receipt):
    told = await record(by_theme(), other)
    assert [one.queued for one in told] == [1, 1]
    assert "theme" in await find_ids(store)


async def test_of_two_checkouts_each_finds_its_own(store: Store, record: Record):
    """A shopper who bought and goes on shopping: the nearest in time belong together."""
    minutes = 60_000
    await record(
        by_theme("first", pixel=FIRED),
        by_theme("second", NOW_MS + 10 * minutes),
        by_webhook(NAMED, NOW_MS + 3000),
        by_pixel(to_checkout_id("k2", CHECKOUT), NOW_MS + 10 * minutes + 5000),
        by_webhook(NAMED, NOW_MS + 3000),
    )
    assert await find_ids(store) == sorted([to_checkout_id("k2", CHECKOUT), "first"])


async def test_each_pixel_of_the_store_agrees_for_itself(store: Store, record: Record):
    def to_both(receipt: Receipt) -> Receipt:
        [queued] = receipt.events
        both = tuple(Queued(code, queued.event, queued.expires_ms) for code in (PIXEL, "C0TWO"))
        return make_receipt(*both, anchors=receipt.anchors)

    _, later = await record(to_both(by_theme()), to_both(by_pixel()))
    assert (later.queued, later.duplicates) == (0, 2)
    assert await find_ids(store) == [NAMED, NAMED]


async def test_the_hours_count_one_received_and_one_merged(store: Store, record: Record):
    await record(by_theme(), by_pixel())
    hours = {row["source"]: row for row in await read_rows(store, flow_hours)}
    assert (hours["beacon"]["received"], hours["pixel"]["received"], hours["pixel"]["merged"]) == (1, 0, 1)
    assert len(await read_rows(store, outbox)) == 1


async def test_other_events_pay_nothing(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkout_twins, "agree", None)
    assert (await store.record(of_shopper(make_event(event="AddToCart")))).queued == 1


async def test_the_other_is_found_by_its_visitor(sqlite_url: str):
    """However many events a store has."""
    store = Store(sqlite_url)
    await store.start(NOW_MS)
    find = text("EXPLAIN QUERY PLAN " + checkout_twins._FIND_OTHER.replace("?", "1"))
    plan = await store.read(lambda connection: [row.detail for row in connection.execute(find)])
    await store.stop()
    assert any("events_checkout" in step for step in plan), plan


async def test_two_nodes_that_hear_of_it_at_once_make_one_event_of_it(postgres: Server, postgresql_url: str):
    nodes = Store(postgresql_url), Store(postgresql_url)
    for node in nodes:
        await node.start(NOW_MS)
    try:
        told = await record_at_once(nodes, postgresql_url)
        assert sorted((one.queued, one.duplicates) for one in told) == [(0, 1), (1, 0)]
        assert await find_ids(nodes[0]) == [NAMED]
    finally:
        for node in nodes:
            await node.stop()


async def record_at_once(nodes: tuple[Store, Store], url: str) -> list[Recorded]:
    """One node has written the theme's and not committed it when the other takes the checkout's."""
    await nodes[0].record(make_receipt(make_event(), anchors=by_theme().anchors))
    with first_held_before_commit() as (is_done, may_commit):
        theme = asyncio.create_task(nodes[0].record(by_theme()))
        await asyncio.to_thread(is_done.wait, 10)
        pixel = asyncio.create_task(nodes[1].record(by_pixel()))
        await someone_waits(url)
        may_commit.set()
        return [await theme, await pixel]

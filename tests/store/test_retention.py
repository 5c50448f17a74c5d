"""What is old is let go of in small steps, what waits is not, and nobody else loses anything."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from gateway.model.conversion import OrderFacts
from gateway.model.event import Source, User
from gateway.model.outcome import Fate
from gateway.ops import retention
from gateway.ops.retention import Retention
from gateway.settings import Settings
from gateway.store import Store
from gateway.store.receipt import AnchorKind, OrderNote, Queued, WebhookNote
from gateway.store.retention import NO_PIXEL
from gateway.store.tables import attempts, events, links, orders, outbox, visitors, webhooks
from tests.servers import make_tree
from tests.store.samples import (
    HOUR_MS,
    LANE,
    NOW_MS,
    STORE,
    anchor,
    make_event,
    make_receipt,
    make_sighting,
    open_claim,
    read_rows,
    settled,
)

DAY_MS = 24 * HOUR_MS
DAYS = {"visitors_days": 400, "events_days": 90, "ip_days": 30}
IP, AGENT = "203.0.113.7", "Mozilla/5.0 (Windows NT 10.0; rv:133.0) Gecko/20100101 Firefox/133.0"


async def no_sleep(_seconds: float) -> None:
    """Time passes at once."""


class Clock:
    """A time that tests set."""

    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sweeper(store: Store, clock: Clock) -> Retention:
    return Retention(Settings.model_validate(make_tree(retention=DAYS)), store, clock, no_sleep)


async def come(store: Store, days_ago: float, **said: Any) -> str:
    """Somebody looked at something so long ago; their visitor id."""
    at_ms = NOW_MS - int(days_ago * DAY_MS)
    told = make_event(occurred_ms=at_ms, received_ms=at_ms, user=User(ip=IP, user_agent=AGENT))
    seen = make_sighting(at_ms, ip=IP, user_agent=AGENT)
    recorded = await store.record(make_receipt(told, **{"sighting": seen, **said}))
    assert recorded.visitor
    return recorded.visitor.id


async def settle_all(store: Store) -> None:
    """TikTok has accepted everything."""
    while claimed := await store.claim(LANE, "lease", NOW_MS, 100):
        answer = {"fate": Fate.ACCEPTED, "verdict": "accepted", "http_status": 200, "code": 0}
        await store.settle(STORE, "lease", [settled(one, **answer) for one in claimed])


async def count(store: Store, *tables: Any) -> list[int]:
    return [len(await read_rows(store, table)) for table in tables]


async def test_events_go_with_their_attempts_when_their_time_is_over(store: Store, sweeper: Retention):
    await come(store, 91)
    await come(store, 89)
    await settle_all(store)
    assert (await sweeper.sweep())["events"] == 1
    assert await count(store, events, attempts, visitors) == [1, 1, 2]


async def test_an_event_that_waits_is_kept_and_sent(store: Store, sweeper: Retention):
    await come(store, 500)
    await sweeper.sweep()
    assert await count(store, events, outbox, visitors) == [1, 1, 1]
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    assert open_claim(claimed).user.ip == IP


async def test_a_visitor_goes_with_what_leads_back_and_leaves_nobodys_order(store: Store, sweeper: Retention):
    cart = (anchor(AnchorKind.CART),)
    await come(store, 401, anchors=cart)
    facts = OrderFacts("7", "#1001", NOW_MS - 401 * DAY_MS)
    bought = make_event(event="Purchase", event_id="purchase_7", source=Source.WEBHOOK, received_ms=facts.placed_ms)
    told = make_receipt(bought, order=OrderNote(facts), is_browserless=True, anchors=cart)
    await store.record(structs.replace(told, sighting=make_sighting(facts.placed_ms)))
    await settle_all(store)
    swept = await sweeper.sweep()
    assert swept["visitors"] == 1
    assert await count(store, visitors, links) == [0, 0]
    [order] = await read_rows(store, orders)
    assert (order["id"], order["name"], order["visitor_id"]) == ("7", "#1001", None)


async def test_a_visitor_seen_again_stays_with_all_their_links(store: Store, sweeper: Retention):
    visitor_id = await come(store, 500, anchors=(anchor(AnchorKind.CART),))
    await come(store, 1, known_id=visitor_id)
    await settle_all(store)
    await sweeper.sweep()
    assert await count(store, visitors, links) == [1, 1]


async def test_addresses_and_user_agents_go_first(store: Store, sweeper: Retention):
    await come(store, 31)
    await come(store, 29)
    await settle_all(store)
    swept = await sweeper.sweep()
    assert (swept["events' devices"], swept["visitors' devices"]) == (1, 1)
    old, young = await read_rows(store, events)
    assert (old["ip"], young["ip"]) == (None, IP)
    assert (AGENT in old["body"], AGENT in young["body"]) == (False, True)
    assert [row["ip"] for row in await read_rows(store, visitors)] == [None, IP]
    assert [row["user_agent"] for row in await read_rows(store, visitors)] == [None, AGENT]


async def test_an_address_kept_for_its_waiting_event_goes_another_day(
    store: Store, sweeper: Retention, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "PAGE", 1)
    for days_ago in (33, 32, 31):
        await come(store, days_ago)
    first, *_ = await store.claim(LANE, "lease", NOW_MS, 1)
    await store.settle(STORE, "lease", [settled(first, fate=Fate.ACCEPTED)])
    assert (await sweeper.sweep())["events' devices"] == 1
    await settle_all(store)
    assert (await sweeper.sweep())["events' devices"] == 2
    assert (await sweeper.sweep()).total() == 0


async def test_ids_of_webhooks_go_after_eight_days(store: Store, sweeper: Retention):
    for days_ago in (9, 7):
        seen = make_sighting(NOW_MS - days_ago * DAY_MS)
        note = WebhookNote(f"w-{days_ago}", "orders/paid")
        await store.record(make_receipt(webhook=note, sighting=seen, is_browserless=True))
    await sweeper.sweep()
    assert [row["id"] for row in await read_rows(store, webhooks)] == ["w-7"]


async def test_what_waits_for_a_pixel_that_is_gone_expires(store: Store, sweeper: Retention, clock: Clock):
    told = make_event()
    queued = [Queued(code, told, NOW_MS + HOUR_MS) for code in (LANE[1], "C0GONEGONEGONEGONEGO")]
    await store.record(make_receipt(*queued))
    assert (await sweeper.sweep()).total() == 0
    clock.now_ms = NOW_MS + HOUR_MS + 1
    assert await sweeper.sweep() == {"events without a pixel": 1}
    ended = {row["pixel_code"]: (row["fate"], row["reason"]) for row in await read_rows(store, events)}
    assert ended == {"C0GONEGONEGONEGONEGO": (Fate.EXPIRED, NO_PIXEL), LANE[1]: (None, None)}
    assert [row["pixel_code"] for row in await read_rows(store, outbox)] == [LANE[1]]


async def test_the_data_of_a_store_that_is_gone_ages_too(store: Store, sweeper: Retention):
    await come(store, 401, store_id="a-former-store")
    lane = ("a-former-store", LANE[1])
    (claimed,) = await store.claim(lane, "lease", NOW_MS, 1)
    await store.settle(lane[0], "lease", [settled(claimed, fate=Fate.EXPIRED)])
    await sweeper.sweep()
    assert await count(store, visitors, events) == [0, 0]


async def test_many_rows_go_in_small_steps_with_a_pause_after_each(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(retention, "STEP", 2)
    for _ in range(5):
        await come(store, 401)
    await settle_all(store)
    swept = await Retention(Settings.model_validate(make_tree(retention=DAYS)), store, clock, note).sweep()
    assert (swept["events"], swept["visitors"]) == (5, 5)
    assert await count(store, visitors, events) == [0, 0]
    assert len(pauses) >= 6
    assert set(pauses) == {retention.PAUSE_S}


async def test_trouble_is_told_and_tried_again_the_next_day(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
):
    class Enough(Exception):
        pass

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise Enough

    keeper = Retention(Settings.model_validate(make_tree(retention=DAYS)), store, clock, sleep)

    async def fail() -> None:
        raise RuntimeError("as it happens")

    keeper.sweep = fail  # type: ignore[method-assign,assignment]
    with pytest.raises(Enough):
        await keeper.keep()
    assert slept == [retention.FIRST_S, retention.EVERY_S, retention.EVERY_S]
    assert "letting go of what is old failed" in caplog.text

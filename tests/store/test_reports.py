"""The reports say what happened: in their time, in the merchant's days, and without looking at events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, event, func, select

from bench.seed import Shop, seed
from gateway.model.conversion import OrderFacts, Reason
from gateway.model.event import PixelState, Properties, Source, User
from gateway.model.outcome import Fate
from gateway.store import Store, backlog
from gateway.store.database import migrate, open_engine
from gateway.store.receipt import OrderNote
from gateway.store.reports import (
    Scope,
    match_keys,
    recovered,
    report_cookies,
    report_failures,
    report_match_keys,
    report_orders,
    report_overview,
    report_recovered,
)
from gateway.store.tables import events, flow_hours, metadata, orders
from gateway.store.traits import ClickGap, Route
from tests.store.samples import (
    HOUR_MS,
    LANE,
    NOW_MS,
    PIXEL,
    STORE,
    make_event,
    make_receipt,
    make_sighting,
    settled,
)

T = TypeVar("T")
DAY_MS = 24 * HOUR_MS
SCOPE = Scope((STORE,), NOW_MS - DAY_MS, NOW_MS + DAY_MS)
REPORTS = (report_overview, report_recovered, report_match_keys, report_cookies, report_orders, report_failures)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0"


async def ask(store: Store, report: Callable[[Connection, Scope], T], scope: Scope = SCOPE) -> T:
    return await store.read(lambda connection: report(connection, scope))


async def end(store: Store, fate: Fate | None = Fate.ACCEPTED, **said: Any) -> None:
    """Everything due is settled so."""
    claimed = await store.claim(LANE, "lease", NOW_MS + DAY_MS, 100)
    usual = {"verdict": "accepted" if fate is Fate.ACCEPTED else None}
    await store.settle(STORE, "lease", [settled(one, fate=fate, **usual | said) for one in claimed])


def make_purchase(order_id: int, value: str = "38.36", currency: str = "EUR", **said: Any):
    worth = Properties(value=Decimal(value), currency=currency)
    return make_event(event="Purchase", event_id=f"purchase_{order_id}", properties=worth, **said)


def make_order(order_id: int, reason: Reason | None = None, placed_ms: int = NOW_MS):
    note = OrderNote(OrderFacts(str(order_id), f"#{order_id}", placed_ms), reason)
    told = [make_purchase(order_id, source=Source.WEBHOOK)] if reason is None else []
    return make_receipt(*told, order=note, is_browserless=True)


@pytest.mark.parametrize("report", REPORTS)
async def test_of_nothing_every_report_says_nothing(store: Store, report: Callable[[Connection, Scope], Any]):
    said = await ask(store, report)
    for step in getattr(said, "steps", ()):
        assert isinstance(step.begins_at, datetime)


# Overview


async def test_the_overview_tells_what_came_and_how_it_ended(store: Store):
    await store.record(make_receipt(make_event(), make_event(), make_purchase(1)))
    await end(store)
    await store.record(make_receipt(make_event()))
    await end(store, Fate.REJECTED)
    await store.record(make_receipt(make_event(event="Search", source=Source.PIXEL)))
    said = await ask(store, report_overview)
    assert (said.events.received, said.events.accepted, said.events.rejected, said.events.waiting) == (5, 3, 1, 1)
    assert (said.purchases.received, said.purchases.accepted) == (1, 1)
    assert said.events.accepted_share == 0.75
    assert {name: flow.received for name, flow in said.by_event.items()} == {
        "ViewContent": 3,
        "Purchase": 1,
        "Search": 1,
    }
    assert {name: flow.received for name, flow in said.by_source.items()} == {"beacon": 4, "pixel": 1}
    assert said.by_pixel[STORE, PIXEL] == said.events
    assert [delay.accepted for delay in said.delays] == [3, 0, 0, 0, 0, 0, 0, 0, 0]
    assert sum(step.events.received for step in said.steps) == 5
    assert (said.pending.count, said.pending.is_more, said.pending.oldest_ms) == (1, False, NOW_MS)


async def test_another_store_another_pixel_and_another_time_are_left_out(store: Store):
    await store.record(make_receipt(make_event()))
    await store.record(make_receipt(make_event(), store_id="other"))
    await store.record(make_receipt(make_event(received_ms=NOW_MS + 2 * DAY_MS)))
    said = await ask(store, report_overview)
    assert (said.events.received, said.pending.count) == (1, 2)
    elsewhere = await ask(store, report_overview, Scope((STORE,), 0, NOW_MS, ("C1OTHER",)))
    assert (elsewhere.events.received, elsewhere.pending.count, elsewhere.pending.oldest_ms) == (0, 0, None)
    both = await ask(store, report_overview, Scope((STORE, "other"), NOW_MS - DAY_MS, NOW_MS + 3 * DAY_MS))
    assert both.events.received == 3


async def test_a_long_queue_is_not_counted_to_its_end(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backlog, "MOST_COUNTED", 3)
    await store.record(make_receipt(*[make_event() for _ in range(5)]))
    pending = (await ask(store, report_overview)).pending
    assert (pending.count, pending.is_more) == (3, True)


async def test_days_are_the_merchants_own_across_a_change_of_clocks(store: Store):
    """In Berlin the 25th of October 2026 has 25 hours."""
    berlin = ZoneInfo("Europe/Berlin")
    since, until = datetime(2026, 10, 24, tzinfo=berlin), datetime(2026, 10, 27, tzinfo=berlin)
    since_ms, until_ms = (int(at.timestamp() * 1000) for at in (since, until))
    scope = Scope((STORE,), since_ms, until_ms, zone="Europe/Berlin")
    hours = range(since_ms, until_ms, HOUR_MS)
    await store.record(make_receipt(*[make_event(received_ms=hour_ms) for hour_ms in hours]))
    steps = (await ask(store, report_overview, scope)).steps
    assert [(step.begins_at.isoformat(), step.events.received) for step in steps] == [
        ("2026-10-24T00:00:00+02:00", 24),
        ("2026-10-25T00:00:00+02:00", 25),
        ("2026-10-26T00:00:00+01:00", 24),
    ]


async def test_hours_are_told_one_by_one_when_asked_for(store: Store):
    await store.record(make_receipt(make_event()))
    scope = Scope((STORE,), NOW_MS - 2 * HOUR_MS, NOW_MS + 1, by_hour=True)
    steps = (await ask(store, report_overview, scope)).steps
    assert [step.events.received for step in steps] == [0, 0, 1]


# Recovered


async def test_what_the_pixel_could_not_send_is_told_with_its_exact_worth(store: Store):
    firefox = {"user": User(user_agent=FIREFOX)}
    await store.record(
        make_receipt(
            make_purchase(1, "0.10", pixel=PixelState.BLOCKED, **firefox),
            make_purchase(2, "0.20", pixel=PixelState.ABSENT, **firefox),
            make_purchase(3, "5", "JPY", source=Source.WEBHOOK),
            make_purchase(4, "9.99", pixel=PixelState.FIRED),
            make_event(pixel=PixelState.BLOCKED),
            make_event(),
        )
    )
    await end(store)
    said = await ask(store, report_recovered)
    assert (said.total.accepted.events, said.total.recovered.events) == (6, 4)
    assert (said.total.accepted.purchases, said.total.recovered.purchases) == (4, 3)
    assert said.total.recovered.worth == {"EUR": Decimal("0.3"), "JPY": Decimal(5)}
    assert said.by_route[Route.UNKNOWN].events == 1
    assert said.by_browser["firefox"].recovered.purchases == 2
    assert sum(step.part.recovered.events for step in said.steps) == 4


def test_every_route_and_every_gap_has_a_meaning_in_words():
    assert set(recovered.MEANINGS) == set(Route)
    assert set(match_keys.MEANINGS) == set(ClickGap)


# Match keys


async def test_the_coverage_of_match_keys_adds_up(store: Store):
    await store.record(make_receipt(make_event(user=User(ttclid="E.C.P.x")), make_event(), make_purchase(1)))
    store.note_dropped(STORE, "beacon", "consent", NOW_MS, 7)
    await store._drops.flush()
    await end(store)
    said = await ask(store, report_match_keys)
    assert (said.total.accepted, said.total.carried["ttclid"], said.refused) == (3, 1, 7)
    assert sum(said.total.gaps.values()) + said.total.carried["ttclid"] == said.total.accepted
    assert said.total.share("external_id") == 1.0
    assert list(said.by_event) == ["ViewContent", "Purchase"]
    only = await store.read(lambda connection: report_match_keys(connection, SCOPE, "Purchase"))
    assert (only.total.accepted, sum(step.coverage.accepted for step in only.steps)) == (1, 1)


# Cookies


async def test_cookies_are_told_by_age_and_by_loss(store: Store):
    for days, first_ms in ((1, NOW_MS), (9, NOW_MS), (1, 0)):
        known = await store.record(make_receipt())
        at_ms = NOW_MS + days * DAY_MS
        seen = make_sighting(at_ms, user_agent=FIREFOX, cookie_first_ms=first_ms)
        await store.record(make_receipt(sighting=seen, known_id=known.visitor.id))
    said = await ask(store, report_cookies, Scope((STORE,), NOW_MS, NOW_MS + 10 * DAY_MS))
    returns = said.by_browser["firefox"]
    assert {(age.from_days, age.to_days): age.visitors for age in returns.ages if age.visitors} == {
        (1, 1): 1,
        (8, 14): 1,
    }
    assert (returns.with_cookie, returns.lost, returns.oldest_days) == (2, 1, 14)
    assert said.total == returns
    assert sum(step.returns.with_cookie for step in said.steps) == 2


# Orders


async def test_every_order_is_accepted_or_waits_or_has_a_reason(store: Store):
    await store.record(make_order(1))
    await end(store)
    await store.record(make_order(2))
    await end(store, Fate.EXPIRED)
    await store.record(make_order(3))
    await store.record(make_order(4, Reason.ZERO_VALUE))
    await store.record(make_order(5, placed_ms=NOW_MS - 3 * DAY_MS))
    said = await ask(store, report_orders)
    assert (said.total.known, said.total.accepted, said.total.waiting) == (4, 1, 1)
    assert said.total.gaps == {"expired": 1, "zero_value": 1}
    assert sum(step.orders.known for step in said.steps) == 4


# Failures


async def test_failures_are_grouped_by_code_with_the_newest_example(store: Store):
    await store.record(make_receipt(make_event(), make_event()))
    await end(store, None, due_ms=NOW_MS, verdict="retry", code=50002, http_status=200, request_id="old")
    later = {"at_ms": NOW_MS + HOUR_MS, "due_ms": NOW_MS}
    await end(store, None, verdict="retry", code=50002, http_status=200, request_id="new", **later)
    await end(store, None, verdict="retry", http_status=502, due_ms=NOW_MS)
    await end(store, Fate.REJECTED, reason="no currency")
    said = await ask(store, report_failures)
    lines = {(line.code, line.http_status, line.is_tried): (line.events, line.request_id) for line in said.lines}
    assert lines == {(50002, None, True): (4, "new"), (None, 502, True): (2, None), (None, None, False): (2, None)}
    assert said.events == 8
    assert said.lines[0].request_id == "new"


# A seeded shop


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with a month of a small shop."""
    url = f"sqlite:///{tmp_path_factory.mktemp('seeded') / 'gateway.db'}"
    engine = open_engine(url)
    migrate(engine)
    seed(engine, Shop(STORE, PIXEL, NOW_MS), events=3000, orders=300)
    engine.dispose()
    return url


def test_the_figures_of_a_seeded_shop_are_those_of_its_rows(seeded: str):
    scope = Scope((STORE,), NOW_MS - 31 * DAY_MS, NOW_MS + 1)
    engine = open_engine(seeded)
    with engine.connect() as connection:
        said, told = report_overview(connection, scope), report_orders(connection, scope)
        fates = dict(connection.execute(select(events.c.fate, func.count()).group_by(events.c.fate)).all())
        ordered = connection.scalar(select(func.count()).select_from(orders))
    engine.dispose()
    assert said.events.received == sum(fates.values()) == 3000
    assert (said.events.accepted, said.events.rejected) == (fates["accepted"], fates["rejected"])
    assert told.total.known == ordered == 300
    assert told.total.accepted == said.purchases.accepted > 0


@pytest.mark.parametrize("report", REPORTS)
def test_no_report_reads_all_events(seeded: str, report: Callable[[Connection, Scope], Any]):
    """The one event looked at, at most, is the oldest that waits."""
    engine = open_engine(seeded)
    statements: list[tuple[str, Any]] = []
    with engine.connect() as connection:
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
        report(connection, Scope((STORE,), NOW_MS - 31 * DAY_MS, NOW_MS + 1))
        plans = [
            row[3]
            for statement, parameters in tuple(statements)
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    engine.dispose()
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN") and plan.split()[1] in metadata.tables]
    assert not [plan for plan in plans if "attempts" in plan or ("events" in plan and "id=?" not in plan)]


def test_the_hours_of_a_store_are_few(seeded: str):
    engine = open_engine(seeded)
    with engine.connect() as connection:
        rows = connection.scalar(select(func.count()).select_from(flow_hours))
    engine.dispose()
    assert rows < 3000

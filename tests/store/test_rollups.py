"""What is written and settled is counted by the hour, exactly and once, however it came."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from gateway.model.conversion import OrderFacts
from gateway.model.event import Event, Page, PixelState, Properties, Source, User
from gateway.model.outcome import Fate
from gateway.store import Store
from gateway.store.database import migrate, open_engine
from gateway.store.endings import uncount_ends
from gateway.store.erase import erase_visitor
from gateway.store.receipt import AnchorKind, OrderNote, Queued
from gateway.store.tables import (
    cookie_hours,
    drop_hours,
    events,
    failure_hours,
    flow_hours,
    metadata,
    orders,
    recovered_hours,
)
from gateway.store.traits import ClickGap
from tests.store.samples import (
    HOUR_MS,
    LANE,
    NOW_MS,
    PIXEL,
    STORE,
    anchor,
    at_commit,
    click,
    make_event,
    make_receipt,
    make_sighting,
    read_rows,
    settled,
)
from tests.store.test_schema import run_migrations

DAY_MS = 24 * HOUR_MS
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
TIKTOK_APP = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) musical_ly_36.5.0 BytedanceWebview/d8a21c6"


async def read_hours(store: Store, table: Any) -> list[dict[str, Any]]:
    """The rows of an hours table without what was not counted, and without the slot."""
    rows = await read_rows(store, table)
    return [{name: value for name, value in row.items() if value and name != "slot"} for row in rows]


async def read_counts(store: Store, table: Any = flow_hours) -> dict[str, int]:
    """What an hours table comes to, all its rows together."""
    counted = [column.name for column in table.columns if column.server_default is not None]
    rows = await read_rows(store, table)
    return {name: total for name in counted if (total := sum(row[name] for row in rows))}


async def end(store: Store, fate: Fate | None = Fate.ACCEPTED, at_ms: int = NOW_MS, **said: Any) -> None:
    """Everything due is claimed and settled so."""
    claimed = await store.claim(LANE, "lease", at_ms, 100)
    assert claimed
    usual = {"verdict": "accepted" if fate is Fate.ACCEPTED else None}
    done = [settled(one, fate=fate, at_ms=at_ms, **usual | said) for one in claimed]
    await store.settle(STORE, "lease", done)


def make_purchase(order_id: int = 7, value: str | None = "38.36", **said: Any) -> Event:
    worth = Properties(value=Decimal(value), currency="EUR") if value else Properties()
    return make_event(event="Purchase", event_id=f"purchase_{order_id}", **{"properties": worth} | said)


def make_order(order_id: int = 7, **said: Any):
    note = OrderNote(OrderFacts(str(order_id), f"#{order_id}", NOW_MS))
    told = make_purchase(order_id, source=Source.WEBHOOK)
    return make_receipt(told, order=note, is_browserless=True, **said)


# What came


async def test_an_event_is_counted_in_the_hour_it_was_received(store: Store):
    await store.record(make_receipt(make_event(), make_event(received_ms=NOW_MS + HOUR_MS)))
    hour_ms = NOW_MS - NOW_MS % HOUR_MS
    usual = {"store_id": STORE, "pixel_code": PIXEL, "event": "ViewContent", "source": "beacon", "received": 1}
    assert await read_hours(store, flow_hours) == [usual | {"hour_ms": hour_ms}, usual | {"hour_ms": hour_ms + HOUR_MS}]


async def test_events_of_many_receipts_are_counted_alike_together_and_apart(store: Store, record: Callable):
    await record(*[make_receipt(make_event(), make_event(event="AddToCart")) for _ in range(40)])
    assert [(row["event"], row["received"]) for row in await read_hours(store, flow_hours)] == [
        ("AddToCart", 40),
        ("ViewContent", 40),
    ]


async def test_a_name_of_the_stores_own_is_counted_as_other(store: Store):
    await store.record(make_receipt(make_event(event="SizeGuide"), make_event(event="Quiz")))
    assert [(row["event"], row["received"]) for row in await read_hours(store, flow_hours)] == [("other", 2)]


async def test_a_twin_is_merged_while_its_event_waits_and_late_afterwards(store: Store):
    event = make_event()
    for _ in range(2):
        await store.record(make_receipt(event))
    assert await read_counts(store) == {"received": 1, "merged": 1}
    await end(store)
    await store.record(make_receipt(event))
    counts = await read_counts(store)
    assert (counts["received"], counts["merged"], counts["late"]) == (1, 1, 1)


async def test_an_event_that_is_never_to_be_sent_has_ended_at_once(store: Store):
    event = make_event()
    await store.record(make_receipt(Queued(PIXEL, event, NOW_MS + HOUR_MS, Fate.NOT_SENT, "because")))
    assert await read_counts(store) == {"received": 1, "not_sent": 1}


async def test_what_was_not_written_is_not_counted(store: Store):
    def fail() -> None:
        raise ValueError("at the last moment")

    with at_commit(fail), pytest.raises(ValueError, match="last moment"):
        await store.record(make_receipt(make_event()))
    assert await read_counts(store) == {}


# How it ended


@pytest.mark.parametrize("fate", [Fate.REJECTED, Fate.EXPIRED, Fate.WITHDRAWN])
async def test_an_event_that_was_not_accepted_is_counted_by_its_fate_alone(store: Store, fate: Fate):
    await store.record(make_receipt(make_event()))
    await end(store, fate)
    assert await read_counts(store) == {"received": 1, fate.value: 1}
    assert await read_counts(store, recovered_hours) == {}


@pytest.mark.parametrize(
    ("delay_ms", "column"),
    [
        (0, "in_2s"),
        (2000, "in_2s"),
        (2001, "in_5s"),
        (60_000, "in_1m"),
        (48 * HOUR_MS, "in_48h"),
        (DAY_MS * 3, "in_more"),
    ],
)
async def test_an_acceptance_is_counted_by_its_delay(store: Store, delay_ms: int, column: str):
    await store.record(make_receipt(make_event()))
    await end(store, at_ms=NOW_MS + delay_ms)
    delays = {name: count for name, count in (await read_counts(store)).items() if name.startswith("in_")}
    assert delays == {column: 1}


async def test_an_event_settled_twice_is_counted_once(store: Store):
    """As by a node that was slow, and the one that took its work over."""
    await store.record(make_receipt(make_event()))
    (claimed,) = await store.claim(LANE, "slow", NOW_MS, 10)
    for lease in ("quick", "slow"):
        await store.settle(STORE, lease, [settled(claimed, fate=Fate.ACCEPTED, verdict="accepted")])
    assert (await read_counts(store))["accepted"] == 1


async def test_an_event_that_goes_back_to_wait_has_not_ended(store: Store):
    await store.record(make_receipt(make_event()))
    await end(store, None, due_ms=NOW_MS + 1000, verdict="retry")
    assert await read_counts(store) == {"received": 1}


async def test_a_fate_that_is_taken_back_is_counted_no_more(store: Store):
    await store.record(make_receipt(make_purchase(), make_event()))
    before = await read_counts(store)
    await end(store)
    ids = "[" + ", ".join(f'"{row["id"]}"' for row in await read_rows(store, events)) + "]"
    await store.run(lambda cursor: uncount_ends(cursor, STORE, ids))
    assert await read_counts(store) == before
    assert await read_counts(store, recovered_hours) == {}


async def test_what_waits_for_somebody_erased_waits_no_more(store: Store):
    recorded = await store.record(make_receipt(make_event()))
    await store.run(lambda cursor: erase_visitor(cursor, STORE, recorded.visitor.id))
    assert await read_counts(store) == {"received": 1, "withdrawn": 1}


# Match keys and the missing click


async def test_the_match_keys_of_accepted_events_are_counted(store: Store):
    user = User(email=("e" * 64,), phone=("f" * 64,), ttclid="E.C.P.x", ttp="t", ip="203.0.113.9", user_agent=IPHONE)
    await store.record(make_receipt(make_event(user=user), make_event(), sighting=make_sighting(user_agent=IPHONE)))
    await end(store)
    counts = await read_counts(store)
    keys = ("ttclid", "ttp", "email", "phone", "external_id", "ip", "user_agent", "browser")
    assert {name: counts[name] for name in keys} == dict.fromkeys(keys[:4], 1) | {
        "external_id": 2, "ip": 1, "user_agent": 2, "browser": 2,
    }  # fmt: skip
    assert counts["no_click"] == 1


def lands(url: str = "https://www.acme.com/", referrer: str | None = None, agent: str = IPHONE, **said: Any):
    event = make_event(page=Page(url, referrer), user=User(user_agent=agent))
    return make_receipt(event, sighting=make_sighting(user_agent=agent), **said)


@pytest.mark.parametrize(
    ("receipt", "gap"),
    [
        (lands(), ClickGap.NO_CLICK),
        (lands(referrer="https://www.google.com/"), ClickGap.NO_CLICK),
        (lands(referrer="https://www.tiktok.com/"), ClickGap.FROM_TIKTOK),
        (lands(referrer="https://evil.com/tiktok.com"), ClickGap.NO_CLICK),
        (lands("https://www.acme.com/?utm_source=TikTok"), ClickGap.FROM_TIKTOK),
        (lands(agent=TIKTOK_APP), ClickGap.FROM_TIKTOK),
        (lands(referrer="https://acme.com/cart"), ClickGap.LANDING_UNSEEN),
        (make_order(), ClickGap.NO_BROWSER),
    ],
)
async def test_a_missing_click_has_a_reason(store: Store, receipt: Any, gap: ClickGap):
    await store.record(receipt)
    await end(store)
    counts = await read_counts(store)
    assert {name: counts[name] for name in ClickGap if name in counts} == {gap: 1}


async def test_how_a_visitor_landed_is_remembered_on_later_pages(store: Store):
    first = await store.record(lands(referrer="https://www.tiktok.com/"))
    await end(store)
    await store.record(lands("https://www.acme.com/cart", "https://www.acme.com/", known_id=first.visitor.id))
    await end(store)
    assert (await read_counts(store))["from_tiktok"] == 2


async def test_a_click_that_a_twin_brings_leaves_no_gap(store: Store):
    event = make_event()
    await store.record(make_receipt(event))
    await store.record(make_receipt(event, sighting=make_sighting(click=click("E.C.P.x"))))
    await end(store)
    counts = await read_counts(store)
    assert counts["ttclid"] == 1
    assert not set(counts) & set(ClickGap)


# What the Pixel could not send


@pytest.mark.parametrize(
    ("said", "route"),
    [
        ({"pixel": PixelState.FIRED}, "fired"),
        ({"pixel": PixelState.BLOCKED}, "blocked"),
        ({"pixel": PixelState.ABSENT}, "absent"),
        ({"pixel": PixelState.OFF}, "off"),
        ({"source": Source.WEBHOOK}, "no_browser"),
        ({"source": Source.PIXEL}, "unknown"),
    ],
)
async def test_an_accepted_purchase_is_counted_by_what_became_of_the_pixels_copy(store: Store, said: Any, route: str):
    await store.record(make_receipt(make_purchase(user=User(user_agent=IPHONE), **said), make_event(**said)))
    await end(store)
    assert await read_counts(store, recovered_hours) == {
        route: 2,
        f"{route}_purchases": 1,
        f"{route}_e4": 383_600,
    }
    rows = await read_hours(store, recovered_hours)
    assert [(row["browser"], row.get("currency")) for row in rows] == [("safari_ios", "EUR"), ("unknown", None)]


async def test_an_order_told_by_both_shop_and_browser_is_no_shops_order(store: Store):
    await store.record(make_receipt(make_purchase(source=Source.WEBHOOK)))
    await store.record(make_receipt(make_purchase(pixel=PixelState.BLOCKED)))
    await end(store)
    assert await read_counts(store, recovered_hours) == {"blocked": 1, "blocked_purchases": 1, "blocked_e4": 383_600}


async def test_test_events_recover_nothing(store: Store):
    await store.record(make_receipt(make_purchase(source=Source.TEST)))
    await end(store)
    assert await read_counts(store, recovered_hours) == {}
    assert (await read_counts(store))["accepted"] == 1


@pytest.mark.parametrize(("value", "e4"), [("0.1", 1_000), ("0.00005", 0), ("-12.5", -125_000), ("1e30", 2**53)])
async def test_worth_is_exact_and_bounded(store: Store, value: str, e4: int):
    await store.record(make_receipt(make_purchase(value=value)))
    (row,) = await read_rows(store, events)
    assert (row["currency"], row["worth_e4"]) == ("EUR", e4)


# Orders


async def test_an_order_has_the_fate_of_its_purchase(store: Store):
    await store.record(make_order())
    assert (await read_rows(store, orders))[0]["fate"] is None
    await end(store, Fate.REJECTED)
    assert (await read_rows(store, orders))[0]["fate"] == "rejected"


async def test_one_pixels_acceptance_is_enough_for_an_order(store: Store):
    other = Queued("C1OTHER", make_purchase(), NOW_MS + DAY_MS)
    await store.record(make_receipt(make_purchase(), other))
    await end(store)
    (late,) = await store.claim((STORE, "C1OTHER"), "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(late, fate=Fate.EXPIRED)])
    assert (await read_rows(store, orders))[0]["fate"] == "accepted"


# Cookies


async def come_back(store: Store, days: int, first_ms: int | None, **said: Any) -> None:
    """A visitor of day 0 comes back so many days later, with a cookie first issued then."""
    at_ms = NOW_MS + days * DAY_MS
    seen = make_sighting(at_ms, user_agent=IPHONE, cookie_first_ms=first_ms)
    await store.record(make_receipt(make_event(received_ms=at_ms), **{"sighting": seen} | said))


async def test_a_returning_cookie_is_counted_by_its_age_once_a_day(store: Store):
    known = await store.record(make_receipt(anchors=(anchor(AnchorKind.CART),)))
    for days in (0, 0, 1, 1, 10):
        await come_back(store, days, NOW_MS, known_id=known.visitor.id)
    assert await read_counts(store, cookie_hours) == {"d1": 1, "d8_14": 1}
    assert {row["browser"] for row in await read_rows(store, cookie_hours)} == {"safari_ios"}


async def test_a_lost_cookie_is_counted_by_what_led_back(store: Store):
    cart = (anchor(AnchorKind.CART),)
    known = await store.record(make_receipt(anchors=cart))
    await come_back(store, 1, 0, anchors=cart)
    await come_back(store, 2, 0, known_id=known.visitor.id)
    assert await read_counts(store, cookie_hours) == {"by_anchor": 1, "by_companion": 1}


async def test_where_no_cookie_can_come_none_is_missed(store: Store):
    known = await store.record(make_receipt())
    await come_back(store, 1, None, known_id=known.visitor.id)
    assert await read_counts(store, cookie_hours) == {}
    await come_back(store, 1, NOW_MS, known_id=known.visitor.id)
    assert await read_counts(store, cookie_hours) == {"d1": 1}


async def test_a_new_visitor_is_no_return(store: Store):
    await store.record(make_receipt(make_event(), sighting=make_sighting(cookie_first_ms=0)))
    assert await read_counts(store, cookie_hours) == {}


# Drops and failures


async def test_drops_are_written_down_when_the_store_stops(url: str):
    first = Store(url)
    await first.start(NOW_MS)
    first.note_dropped(STORE, "beacon", "bot", NOW_MS, 3)
    first.note_dropped(STORE, "beacon", "bot", NOW_MS)
    await first.stop()
    again = Store(url)
    await again.start(NOW_MS)
    assert [(row["source"], row["reason"], row["events"]) for row in await read_hours(again, drop_hours)] == [
        ("beacon", "bot", 4)
    ]
    await again.stop()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"code": 40002, "http_status": 200}, "40002"),
        ({"http_status": 502}, "http_502"),
        ({"http_status": 0}, "no_answer"),
    ],
)
async def test_a_refusal_is_counted_by_its_code_with_an_example(store: Store, said: Any, code: str):
    await store.record(make_receipt(make_event(), make_event()))
    await end(store, None, verdict="retry", message="why", request_id="r1", **said)
    await end(store, None, at_ms=NOW_MS + 1, verdict="retry", message="why again", request_id="r2", **said)
    (row,) = await read_hours(store, failure_hours)
    assert (row["verdict"], row["code"], row["events"]) == ("retry", code, 4)
    assert (row["last_ms"], row["message"], row["request_id"]) == (NOW_MS + 1, "why again", "r2")


async def test_what_was_kept_back_is_a_failure_that_was_not_tried(store: Store):
    await store.record(make_receipt(make_event()))
    await end(store, Fate.EXPIRED, reason="too old")
    (row,) = await read_hours(store, failure_hours)
    assert (row["verdict"], row["code"], row["message"]) == ("expired", "not_tried", "too old")


async def test_what_was_accepted_or_withdrawn_is_no_failure(store: Store):
    await store.record(make_receipt(make_event()))
    await end(store)
    await store.record(make_receipt(make_event()))
    await end(store, Fate.WITHDRAWN)
    assert await read_hours(store, failure_hours) == []


# What was there before anything was counted


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database of each kind, as the version before this counting left it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.db'}"
    else:
        url = request.getfixturevalue("postgres").make_database("before_counting")
    engine = open_engine(url)
    run_migrations(engine, "0002")
    yield engine
    engine.dispose()


def keep_old_events(engine: Engine) -> None:
    """3000 events: a Purchase, then others of every third fate, every second with a duplicate."""
    insert = text("""
        INSERT INTO events (store_id, id, pixel_code, event, event_id, source, pixel, occurred_ms, received_ms,
            expires_ms, duplicates, ip, body, fate, settled_ms)
        VALUES (:store, :id, :pixel, :event, :event_id, 'beacon', 'blocked', 1, :received_ms, 1, :duplicates,
            '203.0.113.9', :body, :fate, :settled_ms)""")
    user = {"email": ["e" * 64], "ttp": "t", "user_agent": IPHONE}
    rows = [
        {
            "store": STORE, "id": f"{number:032x}", "pixel": PIXEL, "event": "SizeGuide", "event_id": f"e{number}",
            "received_ms": NOW_MS, "duplicates": number % 2, "body": json.dumps({"user": user}),
            "fate": (None, "accepted", "rejected")[number % 3], "settled_ms": NOW_MS + 4000 if number % 3 else None,
        }
        for number in range(3000)
    ]  # fmt: skip
    worth = {"value": "38.36", "currency": "EUR"}
    rows[0] |= {"event": "Purchase", "event_id": "purchase_7", "fate": "accepted", "settled_ms": NOW_MS + 4000}
    rows[0]["body"] = json.dumps({"user": user, "properties": worth})
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(insert, rows)
        order = "INSERT INTO orders (store_id, id, placed_ms, heard_ms) VALUES (:store, '7', 1, 1)"
        connection.execute(text(order), {"store": STORE})
        attempt = "INSERT INTO attempts VALUES (:store, :id, 1, 'reject', 200, 40002, 'why', 'r1')"
        connection.execute(text(attempt), {"store": STORE, "id": f"{2:032x}"})


def test_a_migration_counts_what_an_older_version_kept(old: Engine):
    """The same as if it had been counted from the start, as far as the old rows tell."""
    engine = old
    keep_old_events(engine)
    migrate(engine)
    with engine.connect() as connection:
        found = {table.name: connection.execute(select(table)).mappings().all() for table in metadata.sorted_tables}
    purchases, others = sorted(found["flow_hours"], key=lambda row: row["event"])
    assert (purchases["event"], purchases["received"], purchases["accepted"], purchases["in_5s"]) == (
        "Purchase",
        1,
        1,
        1,
    )
    assert (others["event"], others["received"], others["merged"]) == ("other", 2999, 1500)
    assert (others["accepted"], others["rejected"]) == (1000, 1000)
    keys = ("email", "ttp", "ip", "user_agent", "browser", "unknown", "ttclid", "phone")
    assert [others[name] for name in keys] == [1000] * 6 + [0, 0]
    bare, worthy = sorted(found["recovered_hours"], key=lambda row: row["currency"])
    assert (bare["browser"], bare["blocked"], bare["blocked_purchases"]) == ("safari_ios", 1000, 0)
    assert (worthy["currency"], worthy["blocked_purchases"], worthy["blocked_e4"]) == ("EUR", 1, 383_600)
    assert [row["fate"] for row in found["orders"]] == ["accepted"]
    assert [(row["code"], row["events"], row["request_id"]) for row in found["failure_hours"]] == [("40002", 1, "r1")]

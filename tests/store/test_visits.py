"""A visitor's events are found by when they were there, all of them and nobody else's, by index alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import pytest
from sqlalchemy import text
from uuid_utils import uuid7

from gateway.model.outcome import Fate
from gateway.ops.retention import Retention
from gateway.settings import Settings
from gateway.store import Store, record, visits
from gateway.store.erase import erase_visitor
from gateway.store.retention import _OLD_VISITORS
from gateway.store.tables import events, outbox, visitors
from gateway.store.tables import visits as visits_table
from tests.servers import make_tree
from tests.store.samples import LANE, NOW_MS, STORE, make_event, make_receipt, read_rows, settled

MINUTE_MS = 66_000
"""Longer than a span."""
DAY_MS = 86_400_000
Come = Callable[..., object]


class Ids:
    """Events' ids of a time that tests set."""

    at_ms = NOW_MS

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self) -> uuid7:
        made = f"{self.at_ms:012x}7{next(self._numbers):019x}"
        return type("Id", (), {"hex": made})


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> Ids:
    made = Ids()
    monkeypatch.setattr(record, "uuid7", made)
    return made


async def come(store: Store, ids: Ids, at_ms: int, visitor_id: str | None = None) -> str:
    """Somebody looked at something; their visitor id."""
    ids.at_ms = at_ms
    told = make_event(occurred_ms=at_ms, received_ms=at_ms)
    known = {"known_id": visitor_id} if visitor_id else {}
    recorded = await store.record(make_receipt(told, **known))
    assert recorded.visitor
    return recorded.visitor.id


async def find(store: Store, visitor_id: str, store_id: str = STORE) -> list[str]:
    found = await store.run(lambda cursor: visits.find_events(cursor, store_id, visitor_id))
    return sorted(id_ for id_, _ in found)


async def settle_all(store: Store) -> None:
    while claimed := await store.claim(LANE, "lease", NOW_MS, 100):
        answer = {"fate": Fate.ACCEPTED, "verdict": "accepted", "http_status": 200, "code": 0}
        await store.settle(STORE, "lease", [settled(one, **answer) for one in claimed])


async def read_spans(store: Store) -> list[tuple[str, str]]:
    return [(row["visitor_id"], row["span"]) for row in await read_rows(store, visits_table)]


async def test_all_events_of_a_visitor_are_found_and_nobody_elses(store: Store, ids: Ids):
    """Whoever came between them, in the same minute too, is somebody else."""
    ada = await come(store, ids, NOW_MS)
    bob = await come(store, ids, NOW_MS + 1)
    for later_ms in (2, 3, MINUTE_MS, 5 * DAY_MS, 400 * DAY_MS):
        await come(store, ids, NOW_MS + later_ms, ada)
    rows = await read_rows(store, events)
    of_ada = sorted(row["id"] for row in rows if row["visitor_id"] == ada)
    assert len(of_ada) == 6
    assert await find(store, ada) == of_ada
    assert await find(store, bob) == [row["id"] for row in rows if row["visitor_id"] == bob]
    assert await find(store, ada, "other") == await find(store, "nobody") == []


async def test_a_visit_is_written_once_for_all_of_its_events(store: Store, ids: Ids):
    start_ms = NOW_MS - NOW_MS % (1 << 16)
    ada = await come(store, ids, start_ms)
    for later_ms in (1, 1000, (1 << 16) - 1):
        await come(store, ids, start_ms + later_ms, ada)
    assert await read_spans(store) == [(ada, f"{start_ms:012x}"[: visits.DIGITS])]
    await come(store, ids, start_ms + (1 << 16), ada)
    assert len(await read_spans(store)) == 2
    assert len(await find(store, ada)) == 5


async def test_events_of_one_commit_share_their_visit(store: Store, ids: Ids):
    told = [make_event(event=name) for name in ("ViewContent", "AddToCart")]
    recorded = await store.record(make_receipt(*told))
    assert recorded.visitor
    assert len(await read_spans(store)) == 1
    assert len(await find(store, recorded.visitor.id)) == 2


async def test_visits_go_with_the_last_event_of_their_time(store: Store, ids: Ids):
    """Those of events that are kept stay, however many steps it takes."""
    old = [await come(store, ids, NOW_MS - 100 * DAY_MS + n * MINUTE_MS) for n in range(3)]
    young = await come(store, ids, NOW_MS - DAY_MS)
    await settle_all(store)
    days = Settings.model_validate(make_tree(retention={"events_days": 90}))
    swept = await Retention(days, store, lambda: NOW_MS, no_sleep).sweep()
    assert (swept["events"], swept["visits"]) == (3, 3)
    assert [visitor_id for visitor_id, _ in await read_spans(store)] == [young]
    assert {row["id"] for row in await read_rows(store, visitors)} == {*old, young}


async def no_sleep(_seconds: float) -> None:
    """Time passes at once."""


async def test_visits_of_a_store_without_events_go_in_steps(store: Store, ids: Ids):
    for n in range(5):
        await come(store, ids, NOW_MS + n * MINUTE_MS)
    assert await store.run(lambda cursor: visits.forget_visits(cursor, STORE, 2)) == 0
    await store.run(lambda cursor: cursor.execute("DELETE FROM outbox WHERE store_id = ?", (STORE,)) and None)
    await store.run(lambda cursor: cursor.execute("DELETE FROM events WHERE store_id = ?", (STORE,)) and None)
    gone = [await store.run(lambda cursor: visits.forget_visits(cursor, STORE, 2)) for _ in range(4)]
    assert gone == [2, 2, 1, 0]


async def test_nothing_of_an_erased_visitor_is_left_and_all_of_others_of_that_minute(store: Store, ids: Ids):
    ada = await come(store, ids, NOW_MS)
    bob = await come(store, ids, NOW_MS + 1)
    await come(store, ids, NOW_MS + DAY_MS, ada)
    erased = await store.run(lambda cursor: erase_visitor(cursor, STORE, ada))
    assert (erased.visitors, erased.events) == (1, 2)
    assert [row["visitor_id"] for row in await read_rows(store, events)] == [bob]
    assert [row["id"] for row in await read_rows(store, outbox)] == await find(store, bob)
    assert [visitor_id for visitor_id, _ in await read_spans(store)] == [bob]


@pytest.mark.parametrize(
    ("statement", "steps"),
    [
        (visits._FIND, ["SEARCH t USING PRIMARY KEY (store_id=? AND visitor_id=?)", "(store_id=? AND id>? AND id<?)"]),
        (visits._FORGET, ["visits_span (store_id=? AND span<?)", "SEARCH events USING COVERING INDEX"]),
        (
            _OLD_VISITORS,
            [
                "visitors_last_seen (store_id=? AND last_seen_ms<?)",
                "SEARCH t USING PRIMARY KEY (store_id=? AND visitor_id=?)",
                "SEARCH o USING PRIMARY KEY (store_id=? AND id>? AND id<?)",
            ],
        ),
    ],
)
async def test_no_more_of_a_store_is_read_than_a_visitors_own_minutes(
    sqlite_url: str, statement: str, steps: Sequence[str]
):
    store = Store(sqlite_url)
    await store.start(NOW_MS)
    explain = text("EXPLAIN QUERY PLAN " + statement.replace("?", "1"))
    plan = await store.read(lambda connection: [row.detail for row in connection.execute(explain)])
    await store.stop()
    for step in steps:
        assert any(step in told for told in plan), plan
    assert not [told for told in plan if told.startswith("SCAN")], plan

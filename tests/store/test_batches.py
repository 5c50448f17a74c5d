"""Whatever arrives, sharing a transaction comes to the same as one transaction each."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.consent import Consent, ConsentMode
from gateway.model.event import User
from gateway.model.outcome import Fate
from gateway.model.visitor import Click, Identity, Sighting
from gateway.store import Receipt, Recorded
from gateway.store.known import MOST, Known
from gateway.store.receipt import Anchor, AnchorKind, Queued
from gateway.store.record import record_all
from gateway.store.sqlite import Cursor
from tests.store.samples import NOW_MS, PIXEL, STORE, make_event

few = st.integers(0, 3)
times_ms = few.map(lambda n: NOW_MS + n)


def maybe(strategy):
    return st.none() | strategy


sightings = st.builds(
    Sighting,
    at_ms=times_ms,
    click=maybe(st.builds(Click, ttclid=few.map("c{}".format), at_ms=times_ms)),
    ttp=maybe(few.map("t{}".format)),
    identity=st.builds(Identity, email=maybe(few.map("e{}".format)), phone=maybe(few.map("p{}".format))),
    consent=maybe(st.builds(Consent, marketing=maybe(st.booleans()), at_ms=times_ms)),
)
anchors = st.builds(Anchor, st.sampled_from(AnchorKind), few.map("d{}".format))
events = st.builds(
    lambda event_id, email, hold, occurred_ms: make_event(
        event_id=event_id, user=User(email=email), hold_until_ms=hold, occurred_ms=occurred_ms
    ),
    few.map("id-{}".format),
    st.lists(few.map("e{}".format), max_size=2, unique=True).map(tuple),
    st.sampled_from([0, NOW_MS + 10, NOW_MS + 20]),
    times_ms,
)
queued = st.builds(Queued, st.sampled_from([PIXEL, "C0OTHER"]), events, times_ms, maybe(st.just(Fate.NOT_SENT)))


@st.composite
def receipts(draw) -> list[Receipt]:
    """Receipts of a few visitors, events and anchors that meet again and again."""
    return [
        Receipt(
            store_id=draw(st.sampled_from([STORE, "other"])),
            mode=draw(st.sampled_from(ConsentMode)),
            new_id=f"visitor-{position}",
            known_id=draw(maybe(few.map("visitor-{}".format))),
            sighting=draw(sightings),
            anchors=tuple(draw(st.lists(anchors, max_size=2))),
            events=tuple(draw(st.lists(queued, max_size=2))),
            may_create=draw(st.booleans()),
            is_browserless=draw(st.booleans()),
            fallback=draw(st.builds(User, phone=few.map(lambda n: (f"f{n}",)))),
            hold_unknown_ms=draw(st.sampled_from([0, 15])),
        )
        for position in range(draw(st.integers(2, 6)))
    ]


@contextlib.contextmanager
def copy_of(migrated: Path) -> Iterator[sqlite3.Cursor]:
    """An empty database in memory."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        with contextlib.closing(sqlite3.connect(migrated)) as file:
            file.backup(memory)
        yield memory.cursor(Cursor)


def read_all(cursor: sqlite3.Cursor) -> list[tuple[object, ...]]:
    """Everything stored but the events' own ids, which are made anew each time."""
    told: list[tuple[object, ...]] = []
    for table in ("visitors", "links"):
        told += cursor.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
    told += cursor.execute(
        """SELECT e.store_id, e.pixel_code, e.event_id, e.visitor_id, e.occurred_ms, e.expires_ms, e.duplicates, e.body,
                  e.fate, o.due_ms
           FROM events e LEFT JOIN outbox o ON o.store_id = e.store_id AND o.id = e.id ORDER BY 1, 2, 3"""
    ).fetchall()
    return told


@settings(max_examples=60)
@given(receipts())
def test_one_batch_comes_to_the_same_as_many(migrated: Path, given_receipts: list[Receipt]):
    apart: list[Recorded] = []
    known = Known(MOST)
    with copy_of(migrated) as one_by_one, copy_of(migrated) as at_once:
        for receipt in given_receipts:
            apart += record_all(one_by_one, [receipt], known)
        together = record_all(at_once, given_receipts, Known(0))
        assert together == apart
        assert read_all(at_once) == read_all(one_by_one)

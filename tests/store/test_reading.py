"""A reader sees what is committed, beside a process that writes, and can change nothing on either database."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import text

from gateway.model.outcome import Fate
from gateway.store import Store
from gateway.store.reading import Reader
from gateway.store.walk import Wanted, count_events, read_page
from tests.store.samples import LANE, NOW_MS, STORE, make_event, make_receipt, settled


async def test_a_reader_sees_what_is_committed_meanwhile(store: Store, url: str):
    with Reader(url) as reader:
        assert reader.read(partial(count_events, store_id=STORE)) == 0
        await store.record(make_receipt(make_event()))
        assert reader.read(partial(count_events, store_id=STORE)) == 1


async def test_a_reader_can_change_nothing(store: Store, url: str):
    await store.record(make_receipt(make_event()))
    with Reader(url) as reader:
        with pytest.raises(Exception, match=r"read.?only"):
            reader.read(lambda connection: connection.execute(text("DELETE FROM events")))
        assert reader.read(partial(count_events, store_id=STORE)) == 1


async def test_a_walk_meets_every_event_once_the_newest_first(store: Store, url: str):
    for number in range(5):
        await store.record(make_receipt(make_event(event_id=f"e-{number}", received_ms=NOW_MS + number)))
    met: list[str] = []
    before: str | None = "g"
    with Reader(url) as reader:
        while before is not None:
            page = reader.read(partial(read_page, store_id=STORE, wanted=Wanted(), before=before, size=2))
            met += [event.event_id for event in page.events]
            before = page.before
    assert met == [f"e-{number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        (Wanted(fates=(Fate.REJECTED,)), ["e-0"]),
        (Wanted(fates=(None,)), ["e-1"]),
        (Wanted(code=40002), ["e-0"]),
        (Wanted(code=0), []),
        (Wanted(since_ms=NOW_MS + 1), ["e-1"]),
        (Wanted(ids=("e-0",)), ["e-0"]),
        (Wanted(event="Purchase"), []),
    ],
    ids=["fate", "waiting", "code", "another code", "since", "id", "event"],
)
async def test_a_walk_is_narrowed(store: Store, url: str, wanted: Wanted, met: list[str]):
    await store.record(make_receipt(make_event(event_id="e-0")))
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(claimed, fate=Fate.REJECTED, verdict="reject", code=40002)])
    await store.record(make_receipt(make_event(event_id="e-1", received_ms=NOW_MS + 5)))
    with Reader(url) as reader:
        page = reader.read(partial(read_page, store_id=STORE, wanted=wanted))
    assert [event.event_id for event in page.events] == met

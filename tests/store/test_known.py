"""Visitors at hand are as they stand in the database, whoever changed them; a node that shares a database has none."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.model.visitor import Visitor
from gateway.store import Recorded, Store
from gateway.store.known import Known
from gateway.store.sqlite import Cursor
from tests.store.samples import NOW_MS, STORE, at_commit, make_id, make_receipt, make_sighting


class Reads:
    """The statements that looked for visitors."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        execute = Cursor.execute

        def watch(cursor: Cursor, statement: str, parameters: object) -> object:
            self.count += "FROM visitors" in statement and statement.strip().startswith("SELECT")
            return execute(cursor, statement, parameters)

        patch.setattr(Cursor, "execute", watch)

    @contextlib.contextmanager
    def none(self) -> Iterator[None]:
        """Nobody is looked for meanwhile."""
        before = self.count
        yield
        assert self.count == before


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def store(database: Path) -> AsyncIterator[Store]:
    opened = Store(f"sqlite:///{database}")
    await opened.start(NOW_MS)
    yield opened
    await opened.stop()


@pytest.fixture
def reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(monkeypatch)


async def come(store: Store, visitor_id: str, seconds: int = 0, **said: str) -> Recorded:
    """The visitor's next beacon."""
    sighting = make_sighting(NOW_MS + seconds * 1000, **said)
    return await store.record(make_receipt(known_id=visitor_id, new_id=visitor_id, sighting=sighting))


async def test_who_was_here_a_moment_ago_is_not_looked_for(store: Store, reads: Reads):
    one, other = make_id(), make_id()
    await come(store, one, ttp="one's")
    await come(store, other)
    with reads.none():
        assert (await come(store, one, 1)).visitor.ttp == "one's"
        await come(store, one, 2, ttp="new")
        assert (await come(store, one, 3)).visitor.ttp == "new"
        assert (await come(store, other, 3)).visitor.id == other


async def test_who_was_read_once_is_at_hand(store: Store, reads: Reads):
    visitor_id = make_id()
    await come(store, visitor_id)
    await store.run(lambda _: None)
    before = reads.count
    await come(store, visitor_id, 1)
    assert reads.count == before + 1
    with reads.none():
        await come(store, visitor_id, 2)


async def test_nobody_is_known_after_work_that_may_have_changed_them(store: Store):
    visitor_id = make_id()
    await come(store, visitor_id, ttp="theirs")
    await store.run(lambda cursor: cursor.execute("DELETE FROM visitors", ()))
    again = (await come(store, visitor_id, 1)).visitor
    assert (again.ttp, again.first_seen_ms) == (None, NOW_MS + 1000)


async def test_delivery_leaves_them_at_hand(store: Store, reads: Reads):
    visitor_id = make_id()
    await come(store, visitor_id)
    await store.claim((STORE, "pixel"), "lease", NOW_MS, 10)
    await store.renew((STORE, "pixel"), "lease", [], NOW_MS)
    store.note_dropped(STORE, "beacon", "bot", NOW_MS)
    with reads.none():
        await come(store, visitor_id, 1)


async def test_what_another_program_changed_is_seen(store: Store, database: Path):
    visitor_id = make_id()
    await come(store, visitor_id, ttp="theirs")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE visitors SET ttp = 'another'")
    assert (await come(store, visitor_id, 1)).visitor.ttp == "another"


async def test_what_was_not_committed_is_not_known(store: Store):
    def fail() -> None:
        raise StoreUnavailable("the disk is full")

    visitor_id = make_id()
    await come(store, visitor_id, ttp="theirs")
    with at_commit(fail), pytest.raises(StoreUnavailable):
        await come(store, visitor_id, 1, ttp="lost")
    assert (await come(store, visitor_id, 2)).visitor.ttp == "theirs"


async def test_no_more_are_at_hand_than_there_is_room_for(store: Store, reads: Reads, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store._writer, "_known", Known(2))
    ids = [make_id() for _ in range(3)]
    for visitor_id in ids:
        await come(store, visitor_id)
    with reads.none():
        await come(store, ids[2], 1)
    before = reads.count
    await come(store, ids[0], 1)
    assert reads.count == before + 1
    assert len(store._writer._known._visitors) == 2


def test_a_shared_database_s_visitors_are_never_at_hand():
    nobody = Known(0)
    nobody.put((STORE, "1"), Visitor("1", NOW_MS, NOW_MS))
    assert nobody.get((STORE, "1")) is None

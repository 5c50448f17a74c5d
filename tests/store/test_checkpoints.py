"""What the log holds reaches the database's file beside the writer, and no trouble there reaches a commit."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from gateway.store import Store, checkpoints
from gateway.store.checkpoints import Checkpointer
from gateway.store.database import open_engine
from tests.store.samples import NOW_MS, make_event, make_receipt


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    opened = open_engine(f"sqlite:///{path}")
    yield opened
    opened.dispose()


@pytest.fixture
def connection(engine: Engine, path: Path) -> Iterator[sqlite3.Connection]:
    """Of a writer that makes no checkpoints itself."""
    engine.connect().close()
    opened = sqlite3.connect(path, isolation_level=None)
    opened.execute("PRAGMA wal_autocheckpoint = 0")
    opened.execute("CREATE TABLE kept (word TEXT)")
    yield opened
    opened.close()


def write(connection: sqlite3.Connection, rows: int) -> None:
    connection.executemany("INSERT INTO kept VALUES (?)", [("word" * 100,)] * rows)


def wait_for_size(path: Path, size: int) -> None:
    """The file has as many bytes, which it is told soon."""
    ticks = threading.Event()
    for _ in range(1000):
        if path.stat().st_size >= size:
            return
        ticks.wait(0.01)
    raise AssertionError(f"{path.stat().st_size} bytes, not {size}")


def test_what_was_committed_reaches_the_file_while_the_writer_goes_on(
    engine: Engine, connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checkpoints, "CHANGES", 100)
    checkpointer = Checkpointer(engine)
    for turn in range(1, 4):
        write(connection, 99)
        checkpointer.look(connection)
        connection.execute("BEGIN IMMEDIATE")  # a transaction that is open blocks no checkpoint
        write(connection, 1)
        checkpointer.look(connection)
        wait_for_size(path, turn * 99 * 400)
        connection.execute("COMMIT")
    checkpointer.stop()
    assert connection.execute("SELECT count(*) FROM kept").fetchone() == (300,)


def test_few_changes_are_left_to_the_writer(engine: Engine, connection: sqlite3.Connection, path: Path):
    before = path.stat().st_size
    checkpointer = Checkpointer(engine)
    write(connection, checkpoints.CHANGES - 1 - connection.total_changes)
    checkpointer.look(connection)
    assert checkpointer._thread is None
    checkpointer.stop()
    assert path.stat().st_size == before


def test_a_connection_that_took_anothers_place_is_counted_from_its_beginning(
    engine: Engine, connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checkpoints, "CHANGES", 100)
    checkpointer = Checkpointer(engine)
    checkpointer._seen = 1_000_000
    write(connection, 100)
    checkpointer.look(connection)
    wait_for_size(path, 100 * 400)
    checkpointer.stop()


def test_trouble_is_told_and_the_next_one_is_tried(
    engine: Engine, connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch, caplog
):
    caplog.set_level(logging.WARNING, "gateway.store")
    monkeypatch.setattr(checkpoints, "CHANGES", 100)
    opened, told = engine.raw_connection, threading.Event()

    def fail():
        told.set()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(engine, "raw_connection", fail)
    checkpointer = Checkpointer(engine)
    write(connection, 100)
    checkpointer.look(connection)
    assert told.wait(60)
    monkeypatch.setattr(engine, "raw_connection", opened)
    write(connection, 100)
    checkpointer.look(connection)
    wait_for_size(path, 200 * 400)
    checkpointer.stop()
    assert caplog.messages == ["what was committed stays in the database's log for now: disk I/O error"]


async def test_a_stores_own_writing_begins_them_and_its_end_ends_them(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoints, "CHANGES", 10)
    store = Store(sqlite_url)
    await store.start(NOW_MS)
    for _ in range(10):
        await store.record(make_receipt(make_event()))
    begun = [thread for thread in threading.enumerate() if thread.name == "checkpoints"]
    await store.stop()
    assert len(begun) == 1
    assert not begun[0].is_alive()


async def test_postgresql_has_its_own(store: Store, monkeypatch: pytest.MonkeyPatch):
    """And is not asked for what only SQLite's connections know."""
    monkeypatch.setattr(checkpoints, "CHANGES", 0)
    await store.record(make_receipt(make_event()))
    checkpointer = store._writer._checkpointer
    assert checkpointer
    assert bool(checkpointer._thread) == (store._engine.dialect.name == "sqlite")


def test_a_system_without_a_thread_to_give_fails_no_commit(
    engine: Engine, connection: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch, caplog
):
    caplog.set_level(logging.WARNING, "gateway.store")
    monkeypatch.setattr(checkpoints, "CHANGES", 100)

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    checkpointer = Checkpointer(engine)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        write(connection, 100)
        checkpointer.look(connection)
    assert caplog.messages == ["what was committed stays in the database's log for now: can't start new thread"]
    write(connection, 100)
    checkpointer.look(connection)
    wait_for_size(path, 200 * 400)
    checkpointer.stop()

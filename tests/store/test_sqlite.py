"""What is SQLite's alone: pragmas, one process, full disks, locks, and getting well without a restart."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.errors import StoreLocked, StoreUnavailable
from gateway.store import READERS, Store
from gateway.store.tables import events
from tests.store.samples import LANE, NOW_MS, at_commit, busy, make_event, make_receipt, read_rows


@pytest.fixture
def url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 5000, "foreign_keys": 1}


def read_pragmas(execute) -> dict[str, object]:
    return {name: execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}


async def test_the_connections_are_durable_at_commit(store: Store):
    assert await store._writer.run(lambda cursor: read_pragmas(cursor.execute)) == PRAGMAS
    assert await store.read(lambda connection: read_pragmas(connection.exec_driver_sql)) == PRAGMAS


async def test_one_connection_does_all_the_writing(store: Store):
    used = set()
    for _ in range(5):
        await asyncio.gather(*[store.read(lambda connection: None) for _ in range(4)])
        await store._writer.run(lambda cursor: used.add(id(cursor.connection)))
    assert len(used) == 1


async def test_readers_do_not_wait_for_the_writer(store: Store):
    found = []

    def read_meanwhile():
        with sqlite3.connect(store._engine.url.database, timeout=0) as reader:
            found.append(reader.execute("SELECT count(*) FROM events").fetchone()[0])

    with at_commit(read_meanwhile):
        await store.record(make_receipt(make_event()))
    assert found == [0]


async def test_a_second_store_on_the_same_file_is_refused(store: Store, url):
    with pytest.raises(StoreLocked, match="in use by another gateway"):
        Store(url)
    assert (await store.record(make_receipt(make_event()))).queued == 1


async def test_a_second_store_on_the_same_file_by_another_name_is_refused(store: Store, path: Path):
    link = path.with_name("link.db")
    link.symlink_to(path.name)
    with pytest.raises(StoreLocked, match="in use by another gateway"):
        Store(f"sqlite:///{link}")


OPEN = """
import sys
from gateway.errors import StoreLocked
from gateway.store import READERS, Store
try:
    Store(sys.argv[1])
except StoreLocked:
    sys.exit(3)
print("open", flush=True)
sys.stdin.read()
"""


async def test_a_second_process_on_the_same_file_is_refused(store: Store, url):
    second = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", OPEN, url], stdin=subprocess.DEVNULL)
    assert second.returncode == 3


def test_a_killed_process_leaves_no_lock(url):
    with subprocess.Popen([sys.executable, "-c", OPEN, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked):
            Store(url)
        process.kill()
        process.wait()
    asyncio.run(Store(url).stop())


async def test_a_stopped_store_leaves_one_plain_file(url, path: Path):
    store = Store(url)
    await store.start(NOW_MS)
    await store.record(make_receipt(make_event()))
    await store.stop()
    assert sorted(file.name for file in path.parent.iterdir()) == ["gateway.db", "gateway.db.lock"]


async def test_the_folder_of_a_new_database_is_made(tmp_path: Path):
    store = Store(f"sqlite:///{tmp_path}/a/b/gateway.db")
    await store.stop()
    assert (tmp_path / "a/b/gateway.db").exists()


@pytest.mark.parametrize("place", ["file/gateway.db", "file/sub/gateway.db"])
def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        Store(f"sqlite:///{tmp_path}/{place}")


def test_a_file_that_is_no_database_is_told_and_let_go(path: Path):
    path.write_text("certainly not a database, but a good deal longer than its header")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not a database"):
            Store(f"sqlite:///{path}")


def test_another_database_server_is_refused_with_the_mend():
    with pytest.raises(StoreUnavailable, match="sqlite:///"):
        Store("mysql://localhost/gateway")


def run_pragma(store: Store, pragma: str) -> int | None:
    """Runs on the writing connection, outside of any transaction."""
    kept = store._writer._connection
    connection = kept.driver_connection if kept else store._writer._engine.raw_connection()
    answer = connection.cursor().execute(f"PRAGMA {pragma}").fetchone()
    if not kept:
        connection.close()
    return answer and answer[0]


async def fill(store: Store) -> None:
    for _ in range(100):
        await store.record(make_receipt(*[make_event() for _ in range(20)]))


async def test_a_full_database_refuses_and_is_well_again_when_there_is_room(store: Store):
    run_pragma(store, f"max_page_count = {run_pragma(store, 'page_count') + 10}")
    with pytest.raises(StoreUnavailable, match="full"):
        await fill(store)
    stored = len(await read_rows(store, events))
    with pytest.raises(StoreUnavailable, match="full"):
        await fill(store)
    assert stored % 20 == 0
    run_pragma(store, "max_page_count = 1073741823")
    await store.record(make_receipt(make_event()))
    assert len(await read_rows(store, events)) >= stored + 1


async def test_a_read_only_database_refuses_and_is_well_again_when_it_is_writable(store: Store):
    run_pragma(store, "query_only = ON")
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.record(make_receipt(make_event()))
    with pytest.raises(StoreUnavailable, match="readonly"):
        await store.check()
    run_pragma(store, "query_only = OFF")
    assert (await store.record(make_receipt(make_event()))).queued == 1
    await store.check()


async def test_a_disk_that_takes_nothing_more_refuses_and_is_well_again(store: Store, path: Path):
    await fill(store)
    size = path.with_name("gateway.db-wal").stat().st_size
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        answers = await asyncio.gather(
            *[store.record(make_receipt(make_event())) for _ in range(5)], store.check(), return_exceptions=True
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 6
    await store.check()
    stored = len(await read_rows(store, events))
    assert (await store.record(make_receipt(make_event()))).queued == 1
    assert len(await read_rows(store, events)) == stored + 1


async def test_a_database_locked_from_outside_refuses_and_is_well_again(store: Store, path: Path):
    run_pragma(store, "busy_timeout = 10")
    with sqlite3.connect(path, isolation_level=None) as outsider:
        outsider.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.record(make_receipt(make_event()))
        outsider.execute("ROLLBACK")
    outsider.close()
    assert (await store.record(make_receipt(make_event()))).queued == 1


async def test_reports_without_end_take_no_thread_from_delivery(store: Store):
    await store.record(make_receipt(make_event()))
    may_end = threading.Event()
    reports = [asyncio.create_task(store.read(lambda _: may_end.wait(60))) for _ in range(2 * READERS)]
    await asyncio.sleep(0)  # each has its thread, or waits for one
    try:
        async with asyncio.timeout(30):
            assert await store.due_lanes([LANE], NOW_MS) == [LANE]
            assert len(await store.claim(LANE, "lease", NOW_MS, 10)) == 1
    finally:
        may_end.set()
        await asyncio.gather(*reports)


async def test_trouble_in_reading_is_told_as_unavailable(store: Store):
    def fail(_connection):
        raise sqlite3.OperationalError("unable to open database file")

    with pytest.raises(StoreUnavailable, match="unable to open"):
        await store.read(fail)


async def test_a_wrong_question_is_a_defect(store: Store):
    with pytest.raises(Exception, match="nowhere") as caught:
        await store.read(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere"))
    assert not isinstance(caught.value, StoreUnavailable)


async def test_a_database_that_does_not_answer_in_time_is_not_ready(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.store.CHECK_S", 0.01)
    async with busy(store):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await store.check()
    monkeypatch.undo()
    await store.check()

"""A database that takes no writes: beacons get a 503 and come again, and all is well without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from gateway.demo.fake_tiktok import FakeTikTok, Mood
from gateway.store import sqlite, writer
from tests.beacons import make_beacon
from tests.faults.test_kill import Burst, deliver_all, end, gateway_process, tiktok  # noqa: F401 - a fixture
from tests.servers import ORIGIN, Gateway, make_settings, running_gateway
from tests.store.samples import at_commit


def is_refusal(answer: httpx.Response) -> bool:
    """Whether this says what the snippet needs to keep the events and to know when to try again."""
    return (
        answer.status_code == 503
        and int(answer.headers["retry-after"]) >= 1
        and answer.headers["access-control-allow-origin"] == ORIGIN
        and answer.json() == {"error": "not stored, try again"}
    )


async def recovers(gateway: Gateway) -> None:
    """A beacon is taken again, and the gateway says that it is ready."""
    assert (await gateway.beacon(make_beacon())).status_code == 204
    assert (await gateway.request("GET", "/readyz")).status_code == 200


@contextlib.contextmanager
def full_disk(gateway: Gateway) -> Iterator[None]:
    """No file of the gateway's process grows, as on a disk without room; the kernel sees to it."""
    assert gateway.process
    pid, usual = gateway.process.pid, resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)


async def test_a_full_disk_refuses_what_it_cannot_keep_and_loses_nothing_it_had_taken(
    tmp_path: Path,
    tiktok: FakeTikTok,  # noqa: F811 - the fixture
):
    tiktok.moods.add(Mood(delay_s=0.1, times=None))
    async with gateway_process(tmp_path, tiktok) as gateway, Burst(gateway).running() as burst:
        for taken in (100, 200):
            await burst.until(taken)
            with full_disk(gateway):
                refused = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(20)))
                assert all(map(is_refusal, refused))
                unready = await gateway.request("GET", "/readyz")
                assert (unready.status_code, unready.json()["ready"]) == (503, False)
            await recovers(gateway)
        await burst.until(300)
        assert await end(gateway, signal.SIGTERM) == 0
    await deliver_all(tmp_path, tiktok, burst.acknowledged)


async def test_a_kill_on_a_full_disk_loses_nothing(tmp_path: Path, tiktok: FakeTikTok):  # noqa: F811 - the fixture
    async with gateway_process(tmp_path, tiktok) as gateway, Burst(gateway).running() as burst:
        await burst.until(100)
        with full_disk(gateway):
            assert is_refusal(await gateway.beacon(make_beacon()))
            await end(gateway, signal.SIGKILL)
    await deliver_all(tmp_path, tiktok, burst.acknowledged)


async def test_a_read_only_database_refuses_and_is_well_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    begin, is_read_only = writer.begin, "OFF"

    def begin_so(engine: Engine, connection: Any) -> Any:
        connection.cursor().execute(f"PRAGMA query_only = {is_read_only}")
        return begin(engine, connection)

    monkeypatch.setattr(writer, "begin", begin_so)
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        await recovers(gateway)
        is_read_only = "ON"
        answers = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(10)))
        unready = await gateway.request("GET", "/readyz")
        is_read_only = "OFF"
        assert all(map(is_refusal, answers))
        assert (unready.status_code, "readonly" in unready.json()["reason"]) == (503, True)
        await recovers(gateway)
        assert len(gateway.events) == 2


async def test_a_database_that_another_program_locks_refuses_and_is_well_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hasty = tuple(pragma.replace("= 5000", "= 20") for pragma in sqlite.PRAGMAS)
    assert hasty != sqlite.PRAGMAS
    monkeypatch.setattr(sqlite, "PRAGMAS", hasty)
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        await recovers(gateway)
        with contextlib.closing(sqlite3.connect(gateway.database, isolation_level=None)) as outsider:
            outsider.execute("BEGIN EXCLUSIVE")
            answers = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(10)))
            assert all(map(is_refusal, answers))
            outsider.execute("ROLLBACK")
        await recovers(gateway)
        assert len(gateway.events) == 2


async def test_a_lock_of_a_moment_is_waited_for(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        with contextlib.closing(sqlite3.connect(gateway.database, isolation_level=None)) as outsider:
            outsider.execute("BEGIN EXCLUSIVE")
            waiting = [asyncio.create_task(gateway.beacon(make_beacon())) for _ in range(10)]
            done, _ = await asyncio.wait(waiting, timeout=0.2)
            assert not done
            outsider.execute("COMMIT")
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {204}
        assert len(gateway.events) == 10


async def test_nobody_is_answered_before_what_was_sent_is_on_disk(tmp_path: Path):
    is_committing, may_commit = threading.Event(), threading.Event()

    def stall() -> None:
        is_committing.set()
        may_commit.wait(60)

    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        with at_commit(stall):
            waiting = [asyncio.create_task(gateway.beacon(make_beacon())) for _ in range(5)]
            waiting.append(asyncio.create_task(gateway.px(make_beacon())))
            assert await asyncio.to_thread(is_committing.wait, 60)
            done, _ = await asyncio.wait(waiting, timeout=0.1)
            stored = gateway.events
            may_commit.set()
            answers = await asyncio.gather(*waiting)
        assert (done, stored) == (set(), [])
        assert {answer.status_code for answer in answers} == {204, 200}
        assert len(gateway.events) == 6


async def test_a_commit_that_fails_is_a_refusal_to_everyone_in_it(tmp_path: Path):
    def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        with at_commit(fail):
            answers = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(5)))
        assert all(map(is_refusal, answers))
        assert gateway.events == gateway.outbox == gateway.visitors == []
        await recovers(gateway)

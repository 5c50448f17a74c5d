"""A database that takes no writes: beacons get a 503 and come again, and all is well without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from gateway.demo.fake_tiktok import FakeTikTok, Mood
from gateway.store import Store, sqlite, writer
from gateway.web import health
from tests.beacons import make_beacon, make_event
from tests.faults.test_kill import (
    Burst,
    deliver_all,
    end,
    find_answered,
    gateway_process,
    tiktok,  # noqa: F401 - a fixture
)
from tests.servers import ORIGIN, Gateway, make_settings, running_gateway, write_config
from tests.shopify.payloads import web_order
from tests.store.samples import at_commit
from tests.webhooks import DOMAIN, SECRET, sign

SHOP = {"shop": DOMAIN, "webhook_secrets": [SECRET]}


@pytest.fixture(autouse=True)
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, whoever asks /readyz gets an answer of their own."""
    monkeypatch.setattr(health, "SHARED_S", 0.0)


def is_refusal(answer: httpx.Response) -> bool:
    """Whether this says what the snippet needs to keep the events and to know when to try again."""
    return (
        answer.status_code == 503
        and int(answer.headers["retry-after"]) >= 1
        and answer.headers["access-control-allow-origin"] == ORIGIN
        and answer.json() == {"error": "not stored, try again"}
    )


async def refuses(gateway: Gateway) -> None:
    """No beacon is taken."""
    assert all(map(is_refusal, await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(20)))))


async def recovers(gateway: Gateway) -> str:
    """A beacon is taken again, and the gateway says that it is ready; the id of the beacon's event."""
    event = make_event()
    assert (await gateway.beacon(make_beacon(event))).status_code == 204
    await tells_ready(gateway, 200)
    event_id: str = event["event_id"]
    return event_id


async def tells_ready(gateway: Gateway, status: int) -> httpx.Response:
    """The answer of this status, which /readyz gives within a second or so: for so long it says the same."""
    async with asyncio.timeout(30):
        while (answer := await gateway.request("GET", "/readyz")).status_code != status:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return answer


async def send_webhook(gateway: Gateway, order_id: int) -> httpx.Response:
    """The answer to the webhook of a paid order."""
    body = json.dumps(web_order(id=order_id)).encode()
    headers = {"x-shopify-topic": "orders/paid", "x-shopify-hmac-sha256": sign(body)}
    return await gateway.request("POST", "/webhooks/shopify", content=body, headers=headers)


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
        await burst.until(100)
        with full_disk(gateway):
            await refuses(gateway)
            assert (await tells_ready(gateway, 503)).json()["ready"] is False
        await burst.until(200)
        with full_disk(gateway):
            await refuses(gateway)
        recorded = await recovers(gateway)
        await tiktok.until(lambda: recorded in find_answered(tiktok))
        assert await end(gateway, signal.SIGTERM) == 0
    await deliver_all(tmp_path, tiktok, burst.acknowledged)


async def test_a_kill_on_a_full_disk_loses_nothing(tmp_path: Path, tiktok: FakeTikTok):  # noqa: F811 - the fixture
    async with gateway_process(tmp_path, tiktok) as gateway, Burst(gateway).running() as burst:
        await burst.until(100)
        with full_disk(gateway):
            assert is_refusal(await gateway.beacon(make_beacon()))
            await end(gateway, signal.SIGKILL)
    await deliver_all(tmp_path, tiktok, burst.acknowledged)


HUMBLE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: what root may not write, it does not write
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def run_humbly(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with these arguments has ended; permissions hold for it, though it may be root's."""
    command = [sys.executable, "-c", HUMBLE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["gateway.db", ""], ids=["the file", "the folder"])
def test_a_gateway_that_may_only_read_its_database_does_not_start_and_says_why(tmp_path: Path, name: str):
    folder = tmp_path / "data"
    asyncio.run(Store(f"sqlite:///{folder}/gateway.db").stop())
    config = write_config(tmp_path, storage={"url": "sqlite:///data/gateway.db"})
    (folder / name).chmod(0o555)
    try:
        if run_humbly("-c", f"import os; raise SystemExit(os.access({str(folder / name)!r}, os.W_OK))").returncode:
            pytest.skip("nothing is read-only to this user")
        ended = run_humbly("-m", "gateway", "serve", "--config", str(config))
    finally:
        (folder / name).chmod(0o755)
    assert (ended.returncode, ended.stderr.strip()) == (1, "attempt to write a readonly database")


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
        unready = await tells_ready(gateway, 503)
        is_read_only = "OFF"
        assert all(map(is_refusal, answers))
        assert "readonly" in unready.json()["reason"]
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


class Stall:
    """A commit that does not return before it may, as on a disk that hangs."""

    def __init__(self) -> None:
        self._is_committing, self._may_commit = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._is_committing.set()
        self._may_commit.wait(60)

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self._is_committing.wait, 60)

    def end(self) -> None:
        self._may_commit.set()


async def test_nobody_is_answered_before_what_was_sent_is_on_disk(tmp_path: Path):
    stall = Stall()
    async with running_gateway(make_settings(tmp_path, consent="granted", shopify=SHOP)) as gateway:
        with at_commit(stall):
            waiting = [asyncio.create_task(gateway.beacon(make_beacon())) for _ in range(5)]
            waiting += [asyncio.create_task(gateway.px(make_beacon())), asyncio.create_task(send_webhook(gateway, 7))]
            await stall.has_begun()
            done, _ = await asyncio.wait(waiting, timeout=0.1)
            stored = gateway.events
            stall.end()
            answers = await asyncio.gather(*waiting)
        assert (done, stored) == (set(), [])
        assert [answer.status_code for answer in answers] == [204] * 5 + [200] * 2
        assert len(gateway.events) == 7


async def test_a_commit_that_does_not_return_is_a_refusal_in_time_and_nothing_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer, "PATIENCE_S", 0.3)
    monkeypatch.setattr(writer, "LOOK_S", 0.05)
    stall, beacons = Stall(), [make_beacon() for _ in range(5)]

    async def send(gateway: Gateway) -> list[httpx.Response]:
        sending = [asyncio.create_task(gateway.beacon(beacon)) for beacon in beacons[1:]]
        return await asyncio.gather(*sending, gateway.px(make_beacon()), send_webhook(gateway, 7))

    async with running_gateway(make_settings(tmp_path, consent="granted", shopify=SHOP)) as gateway:
        with at_commit(stall):
            first = asyncio.create_task(gateway.beacon(beacons[0]))
            await stall.has_begun()
            *refused, px, webhook = await send(gateway)
            assert all(map(is_refusal, [await first, *refused]))
            for answer in (px, webhook):
                assert (answer.status_code, int(answer.headers["retry-after"]) >= 1) == (503, True)
            assert (await gateway.request("GET", "/healthz")).status_code == 200
            stall.end()
        monkeypatch.undo()
        assert (await gateway.beacon(beacons[0])).status_code == 204
        assert [answer.status_code for answer in await send(gateway)] == [204] * 4 + [200] * 2
        sent = {event["event_id"] for beacon in beacons for event in beacon["events"]}
        stored = [event["event_id"] for event in gateway.events]
        assert sent <= set(stored)
        assert len(stored) == len(sent) + 2


async def test_a_commit_that_fails_is_a_refusal_to_everyone_in_it(tmp_path: Path):
    def fail() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        with at_commit(fail):
            answers = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(5)))
        assert all(map(is_refusal, answers))
        assert gateway.events == gateway.outbox == gateway.visitors == []
        await recovers(gateway)

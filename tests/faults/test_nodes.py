"""Several gateways on one PostgreSQL: whatever dies, the database included, what was acknowledged is delivered once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client.mmap_dict import MmapedDict

from gateway.demo.fake_tiktok import FakeTikTok, Mood
from gateway.signals.metrics import ADD_UP_S
from tests.beacons import make_beacon, make_event
from tests.faults.test_kill import STOP_S, Burst, end, find_answered, none_was_sent_twice
from tests.postgres import Server, running_postgres
from tests.servers import PIXEL, Gateway, running_process, write_config
from tests.signals.scrapes import scrape, value

LEASE_S = 15


@pytest.fixture
def tiktok() -> Iterator[FakeTikTok]:
    fake = FakeTikTok({PIXEL: "token-of-a-test"})
    fake.url = fake.start()  # type: ignore[attr-defined]
    yield fake
    fake.stop()


def make_overrides(url: str, tiktok: FakeTikTok) -> dict[str, Any]:
    delivery = {"api_base": tiktok.url, "linger_s": 0.05}  # type: ignore[attr-defined]
    return {"consent": "granted", "storage": {"url": url}, "delivery": delivery}


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


def node(
    folder: Path, url: str, tiktok: FakeTikTok, *arguments: str
) -> contextlib.AbstractAsyncContextManager[Gateway]:
    """A gateway process on this database that delivers to this TikTok, with a folder of its own."""
    return running_process(make_folder(folder), *arguments, **make_overrides(url, tiktok))


@contextlib.asynccontextmanager
async def deliverer(
    folder: Path, url: str, tiktok: FakeTikTok, name: str = "127.0.0.1"
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`tag-gateway deliver` on this database is at work, and knows TikTok's machine by this name."""
    overrides = make_overrides(url, tiktok)
    overrides["delivery"]["api_base"] = tiktok.url.replace("127.0.0.1", name)
    config = write_config(make_folder(folder), **overrides)
    command = (sys.executable, "-m", "gateway", "deliver", "--config", str(config))
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert process.stderr
    try:
        while b"delivering" not in (line := await process.stderr.readline()):
            assert line, "it did not start"
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def delivered_once(tiktok: FakeTikTok, acknowledged: set[str], timeout_s: float = LEASE_S + 60) -> None:
    """TikTok has taken all of it within this time, and counted each event once."""
    await tiktok.until(lambda: acknowledged <= find_answered(tiktok), timeout_s=timeout_s)
    assert acknowledged <= {event_id for _, _, event_id in tiktok.counts}
    assert set(tiktok.counts.values()) == {1}


async def test_a_killed_node_loses_nothing_and_the_other_goes_on(tmp_path: Path, postgres: Server, tiktok: FakeTikTok):
    url = postgres.make_database("killed_node")
    tiktok.moods.add(Mood(hang=True, times=1))
    async with node(tmp_path / "a", url, tiktok) as dying, node(tmp_path / "b", url, tiktok, "--no-deliver") as living:
        async with Burst(living).running() as on_living:
            async with Burst(dying).running() as on_dying:
                await on_dying.until(200)
                await tiktok.until(lambda: tiktok.requests)
                assert await end(dying, signal.SIGKILL) == -signal.SIGKILL
            killed = time.monotonic()
            await on_living.until(len(on_living.acknowledged) + 100)
            assert await end(living, signal.SIGTERM) == 0
        tiktok.moods.clear()
        async with deliverer(tmp_path / "c", url, tiktok) as process:
            await delivered_once(tiktok, on_living.acknowledged | on_dying.acknowledged)
            assert time.monotonic() - killed < 2 * LEASE_S
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), STOP_S) == 0


def count_by_worker(folder: Path) -> dict[str, float]:
    """How many beacons each worker has taken, by what it has counted itself."""
    return {
        path.stem: count
        for path in folder.glob("tag-gateway-metrics-*/counter_*.db")
        for key, count, *_ in MmapedDict.read_all_values_from_file(str(path))
        if json.loads(key)[1:3] == ["tag_gateway_accepted_total", {"endpoint": "beacon", "store": "acme"}] and count
    }


async def until_both_serve(gateway: Gateway, folder: Path) -> int:
    """Two workers have taken beacons, each of which came on a connection of its own; how many came."""
    sent = 0
    while len(count_by_worker(folder)) < 2:
        beacon = make_beacon(make_event(event_id=f"one-by-one-{sent}"))
        with contextlib.suppress(httpx.ConnectError):  # it says that it is running a moment before it listens
            assert (await gateway.beacon(beacon, headers={"connection": "close"})).status_code == 204
            sent += 1
    return sent


async def test_workers_share_the_load_and_stop_in_order(
    tmp_path: Path, postgres: Server, tiktok: FakeTikTok, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.make_database("workers")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with node(tmp_path / "a", url, tiktok, "--workers", "2") as gateway:
        async with asyncio.timeout(60):
            sent = await until_both_serve(gateway, tmp_path)
        await asyncio.sleep(2 * ADD_UP_S)
        assert sum(count_by_worker(tmp_path).values()) == sent
        for _ in range(6):
            told = await scrape(gateway, connection="close")
            assert value(told, "accepted_total", store="acme", endpoint="beacon") == sent
        async with Burst(gateway).running() as burst:
            await burst.until(200)
            started = time.monotonic()
            assert await end(gateway, signal.SIGTERM) == 0
        assert time.monotonic() - started < STOP_S
        assert "Traceback" not in "".join(gateway.log)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM outbox WHERE lease IS NOT NULL").fetchall() == []
    async with deliverer(tmp_path / "b", url, tiktok):
        await delivered_once(tiktok, burst.acknowledged)
    none_was_sent_twice(tiktok)


def find_senders(tiktok: FakeTikTok, since: int = 0) -> set[str]:
    """By which of this machine's names TikTok was asked since so many requests: each node knows another."""
    return {seen.headers["host"].partition(":")[0] for seen in tuple(tiktok.requests)[since:]}


async def test_of_two_that_deliver_one_is_killed_and_the_other_sends_what_it_held(
    tmp_path: Path, postgres: Server, tiktok: FakeTikTok
):
    url = postgres.make_database("two_deliver")
    async with (
        node(tmp_path / "web", url, tiktok, "--no-deliver") as gateway,
        deliverer(tmp_path / "a", url, tiktok) as dying,
        deliverer(tmp_path / "b", url, tiktok, name="localhost"),
    ):
        async with Burst(gateway).running() as burst:
            await tiktok.until(lambda: find_senders(tiktok) == {"127.0.0.1", "localhost"})
            tiktok.moods.add(Mood(hang=True, record=True, times=None))
            before = len(tiktok.requests)
            await tiktok.until(lambda: "127.0.0.1" in find_senders(tiktok, before))
            dying.kill()
            assert await end(gateway, signal.SIGTERM) == 0
        tiktok.moods.clear()
        await delivered_once(tiktok, burst.acknowledged)
        none_was_sent_twice(tiktok)


def read_sync_states(primary: Server) -> list[str]:
    """How each standby follows."""
    with psycopg.connect(primary.url()) as connection:
        return [row[0] for row in connection.execute("SELECT sync_state FROM pg_stat_replication")]


async def until_synchronous(primary: Server) -> None:
    """A commit waits for the standby from now on: the server has read that it is to."""
    async with asyncio.timeout(60):
        while read_sync_states(primary) != ["sync"]:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def test_a_promoted_standby_has_everything_that_was_acknowledged(tmp_path: Path, tiktok: FakeTikTok):
    with running_postgres() as primary, primary.followed() as standby:
        primary.make_database("gateway")
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/gateway"
        await until_synchronous(primary)
        async with node(tmp_path / "a", url, tiktok) as gateway, Burst(gateway).running() as burst:
            await burst.until(200)
            assert read_sync_states(primary) == ["sync"]
            primary.kill()
            standby.promote()
            await burst.until(len(burst.acknowledged) + 200)
            await end(gateway, signal.SIGTERM)
        async with deliverer(tmp_path / "b", url, tiktok):
            await delivered_once(tiktok, burst.acknowledged)

"""What was answered with 204 is delivered and counted once, whatever becomes of the process in between."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from uuid_utils import uuid7

from gateway.demo.fake_tiktok import FakeTikTok, Mood
from tests.beacons import make_beacon, make_event
from tests.servers import PIXEL, Gateway, running_process

CONNECTIONS = 16
STOP_S = 10.0
"""So long a stop may take: process managers wait no longer before they kill."""


@pytest.fixture
def tiktok() -> Iterator[FakeTikTok]:
    fake = FakeTikTok({PIXEL: "token-of-a-test"})
    fake.url = fake.start()  # type: ignore[attr-defined]
    yield fake
    fake.stop()


@contextlib.asynccontextmanager
async def gateway_process(folder: Path, tiktok: FakeTikTok) -> AsyncIterator[Gateway]:
    """A gateway on this folder's database that delivers to this TikTok."""
    delivery = {"api_base": tiktok.url, "linger_s": 0.05}  # type: ignore[attr-defined]
    async with running_process(folder, consent="granted", delivery=delivery) as gateway:
        yield gateway


class Burst:
    """Many browsers that send beacons as fast as they are answered, and keep the ids of what was answered with 204.

    `unanswered`: what each could not get an answer for, as the snippet keeps it; what an earlier burst left goes first.
    """

    def __init__(self, gateway: Gateway, again: Iterable[str] = ()) -> None:
        self.acknowledged: set[str] = set()
        self.unanswered: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self._again = list(again)
        self._gateway = gateway
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Burst]:
        """Beacons are sent while the block runs, and on until the gateway is gone."""
        async with asyncio.TaskGroup() as browsers:
            for _ in range(CONNECTIONS):
                browsers.create_task(self._browse())
            yield self
        assert set(self.statuses) <= {204, 503}

    async def until(self, count: int) -> None:
        """So many beacons have been acknowledged."""
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(lambda: len(self.acknowledged) >= count)

    async def _browse(self) -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                event_id = self._again.pop() if self._again else str(uuid7())
                self.unanswered.add(event_id)
                response = await self._gateway.beacon(make_beacon(make_event(event_id=event_id)))
                self.statuses[response.status_code] += 1
                if response.status_code == 204:
                    async with self._changed:
                        self.unanswered.discard(event_id)
                        self.acknowledged.add(event_id)
                        self._changed.notify_all()


async def end(gateway: Gateway, sent: signal.Signals) -> int:
    """The process has ended by this signal; its exit code."""
    assert gateway.process
    gateway.process.send_signal(sent)
    return await asyncio.wait_for(gateway.process.wait(), STOP_S)


def count_answered(tiktok: FakeTikTok) -> Counter[str]:
    """The ids of the events that TikTok took and said so, as often as it did."""
    return Counter(
        event["event_id"] for seen in tuple(tiktok.requests) if seen.code == 0 for event in seen.json["data"]
    )


def find_answered(tiktok: FakeTikTok) -> set[str]:
    """The ids of the events that TikTok took and said so."""
    return set(count_answered(tiktok))


def none_was_sent_twice(tiktok: FakeTikTok) -> None:
    """No event was sent again whose answer was known: TikTok's own merging of twins has hidden nothing."""
    assert {event_id: times for event_id, times in count_answered(tiktok).items() if times > 1} == {}


def draw() -> random.Random:
    """Chance, of which a failed test prints the seed."""
    seed = random.randrange(2**32)
    print(f"random.Random({seed})")
    return random.Random(seed)


async def deliver_all(folder: Path, tiktok: FakeTikTok, acknowledged: set[str]) -> None:
    """A gateway started on what is left delivers all of it, each event counted once."""
    async with gateway_process(folder, tiktok) as gateway:
        await tiktok.until(lambda: acknowledged <= find_answered(tiktok), timeout_s=60)
        await end(gateway, signal.SIGTERM)
        fates = {row["event_id"]: row["fate"] for row in gateway.events}
        assert gateway.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert acknowledged <= {event_id for _, _, event_id in tiktok.counts}
    assert set(tiktok.counts.values()) == {1}
    assert {fates.get(event_id) for event_id in acknowledged} == {"accepted"}


async def test_every_acknowledged_beacon_survives_being_killed(tmp_path: Path, tiktok: FakeTikTok):
    chance, acknowledged = draw(), set[str]()
    for most in (10, 100, 400):
        async with gateway_process(tmp_path, tiktok) as gateway:
            async with Burst(gateway).running() as burst:
                await burst.until(chance.randint(1, most))
                assert await end(gateway, signal.SIGKILL) == -signal.SIGKILL
            acknowledged |= burst.acknowledged
    await deliver_all(tmp_path, tiktok, acknowledged)


async def test_beacons_outlive_five_kills_while_tiktok_hangs(tmp_path: Path, tiktok: FakeTikTok):
    """And what no kill left time to answer is sent again by the browser, and still arrives once."""
    chance, acknowledged, unanswered = draw(), set[str](), set[str]()
    for _ in range(5):
        tiktok.moods.clear()
        tiktok.moods.add(Mood(hang=True, record=True), Mood(), Mood(hang=True, times=None))
        before = len(tiktok.requests)
        async with gateway_process(tmp_path, tiktok) as gateway:
            async with Burst(gateway, unanswered).running() as burst:
                await burst.until(len(unanswered) + chance.randint(1, 100))
                await tiktok.until(lambda before=before: len(tiktok.requests) > before)  # and the first of them hangs
                assert await end(gateway, signal.SIGKILL) == -signal.SIGKILL
            acknowledged |= burst.acknowledged
            unanswered = burst.unanswered
    assert unanswered
    tiktok.moods.clear()
    async with gateway_process(tmp_path, tiktok) as gateway:
        for event_id in unanswered:
            assert (await gateway.beacon(make_beacon(make_event(event_id=event_id)))).status_code == 204
    await deliver_all(tmp_path, tiktok, acknowledged | unanswered)


async def test_being_terminated_while_tiktok_hangs_ends_in_time_and_loses_nothing(tmp_path: Path, tiktok: FakeTikTok):
    tiktok.moods.add(Mood(hang=True, record=True, times=None))
    async with gateway_process(tmp_path, tiktok) as gateway:
        async with Burst(gateway).running() as burst:
            await burst.until(50)
            await tiktok.until(lambda: tiktok.requests)
            assert await end(gateway, signal.SIGTERM) == 0
        assert "Traceback" not in "".join(gateway.log)
    tiktok.moods.clear()
    await deliver_all(tmp_path, tiktok, burst.acknowledged)


async def test_being_terminated_finishes_in_time_and_loses_nothing(tmp_path: Path, tiktok: FakeTikTok):
    async with gateway_process(tmp_path, tiktok) as gateway:
        async with Burst(gateway).running() as burst:
            await burst.until(100)
            started = time.monotonic()
            code = await end(gateway, signal.SIGTERM)
        assert code == 0
        assert time.monotonic() - started < STOP_S
        assert gateway.rows("SELECT id FROM outbox WHERE lease IS NOT NULL") == []
        assert "Traceback" not in "".join(gateway.log)
    await deliver_all(tmp_path, tiktok, burst.acknowledged)
    none_was_sent_twice(tiktok)

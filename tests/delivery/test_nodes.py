"""Two nodes on one PostgreSQL whose clocks lie apart: neither takes what the other holds, and nothing is sent twice."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.clock import now_ms
from gateway.delivery import lane, worker
from gateway.demo.fake_tiktok import FakeTikTok
from tests.delivery.rig import TOKENS, Clock, Delivery, WatchedStore
from tests.postgres import Server


class WrongClock(Clock):
    """This machine's, so far ahead."""

    def __init__(self, ahead_s: float) -> None:
        self._ahead_ms = round(ahead_s * 1000)

    @property
    def ms(self) -> int:  # type: ignore[override]
        return now_ms() + self._ahead_ms


_numbers = itertools.count()


@pytest.fixture
def url(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database; what delivers looks at it all the time."""
    monkeypatch.setattr(worker, "LOOK_S", 0.005)
    monkeypatch.setattr(lane, "_PATIENCE_S", 0.005)
    return postgres.make_database(f"clocks_{next(_numbers)}")


@pytest.fixture
def tiktok() -> Iterator[tuple[FakeTikTok, str]]:
    fake = FakeTikTok(TOKENS)
    yield fake, fake.start()
    fake.stop()


@contextlib.asynccontextmanager
async def node(url: str, tiktok: tuple[FakeTikTok, str], folder: Path, ahead_s: float) -> AsyncIterator[Delivery]:
    """A node whose clock is so far ahead; nothing is delivered yet."""
    clock, store = WrongClock(ahead_s), WatchedStore(url)
    await store.start(clock.ms)
    rig = Delivery(store, tiktok[0], clock, folder, tiktok[1])
    yield rig
    await rig.stop()
    await rig.client.aclose()
    await store.stop()


@pytest.mark.parametrize(
    ("first_s", "second_s"), [(0, 30), (30, 0), (-30, 0), (0, -3600), (3600, 0), (-3600, 3600)], ids=str
)
async def test_what_one_node_is_sending_no_other_takes_whatever_their_clocks_say(
    url: str,
    tiktok: tuple[FakeTikTok, str],
    tmp_path: Path,
    first_s: float,
    second_s: float,
):
    async with (
        node(url, tiktok, tmp_path, first_s) as first,
        node(url, tiktok, tmp_path, second_s) as second,
    ):
        may_answer = first.hold_answers()
        await first.queue(*first.make_events(3, received_ms=now_ms()))
        first.start()
        await first.tiktok.until(lambda: first.arrived())
        held = await first.read_outbox()
        second.start()
        await second.look_thrice()
        assert await first.read_outbox() == held
        may_answer.set()
        await first.settle_all(3)
        await second.look_thrice()
        assert second.store.claims == []
        assert first.sizes == [3]
        assert set((await first.read_fates()).values()) == {"accepted"}


async def test_a_node_whose_clock_is_set_while_it_runs_goes_on(
    url: str,
    tiktok: tuple[FakeTikTok, str],
    tmp_path: Path,
):
    async with node(url, tiktok, tmp_path, 0) as only:
        only.start()
        for number, ahead_s in enumerate((0, 3600, -3600, 0)):
            only.clock._ahead_ms = ahead_s * 1000
            await only.look_thrice()
            await only.queue(*only.make_events(1, event_id=f"e-{number}", received_ms=now_ms(), occurred_ms=now_ms()))
            await only.settle_all(number + 1)
            assert abs(only.deliverer.ahead_ms - ahead_s * 1000) < 5000, "nobody would be told of it"
        assert sorted(only.arrived()) == ["e-0", "e-1", "e-2", "e-3"]

"""A delivery to a FakeTikTok, both on a clock that stands still."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.delivery import lane, worker
from gateway.demo.fake_tiktok import FakeTikTok
from tests.delivery.rig import START_MS, TOKENS, Clock, Delivery, WatchedStore
from tests.store.conftest import migrated  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def lasting_tiktok() -> Iterator[tuple[FakeTikTok, Clock, str]]:
    clock = Clock()
    tiktok = FakeTikTok(clock=clock.read_s)
    yield tiktok, clock, tiktok.start()
    tiktok.stop()


@pytest.fixture
async def delivery(
    lasting_tiktok: tuple[FakeTikTok, Clock, str],
    migrated: Path,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Delivery]:
    """An empty store, and a TikTok that knows two pixels and has seen nothing; nothing is delivered yet."""
    monkeypatch.setattr(worker, "LOOK_S", 0.005)
    monkeypatch.setattr(lane, "_PATIENCE_S", 0.005)
    tiktok, clock, url = lasting_tiktok
    tiktok.reset()
    tiktok.pixels = dict(TOKENS)
    clock.ms = START_MS
    store = WatchedStore(f"sqlite:///{shutil.copy(migrated, tmp_path / 'gateway.db')}")
    await store.start(clock.ms)
    rig = Delivery(store, tiktok, clock, tmp_path, url)
    yield rig
    store.is_broken = False
    await rig.crash()
    await rig.client.aclose()
    await store.stop()

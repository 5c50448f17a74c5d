"""Two deliverers on the same events: whoever comes second finds them taken, and what both have sent counts once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from gateway.delivery import lane
from gateway.delivery.worker import Deliverer
from gateway.demo.fake_tiktok import Mood
from gateway.store.outbox import LEASE_MS
from tests.delivery.rig import Delivery


@contextlib.asynccontextmanager
async def first_of_two(delivery: Delivery) -> AsyncIterator[Deliverer]:
    """One more deliverer, already running; the block starts the second, and both have stopped after it."""
    delivery.start()
    first, running = delivery.deliverer, delivery.running
    yield first
    first.stop()
    await asyncio.wait_for(running, 60)


async def test_two_deliverers_share_the_work_and_send_nothing_twice(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane, "BATCH", 5)
    await delivery.queue(*delivery.make_events(60))
    async with first_of_two(delivery):
        delivery.start()
        await delivery.settle_all(60)
    assert sorted(delivery.tiktok.counts.values()) == [1] * 60
    assert len(delivery.arrived()) == 60
    assert await delivery.read_outbox() == []


async def test_two_deliverers_of_one_name_send_nothing_twice(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    """As a process that was copied while it ran would be."""
    monkeypatch.setattr(lane, "BATCH", 5)
    monkeypatch.setattr(lane, "uuid7", lambda: type("SameForAll", (), {"hex": "the-same-lease"}))
    await delivery.queue(*delivery.make_events(60))
    async with first_of_two(delivery):
        delivery.start()
        await delivery.settle_all(60)
    assert sorted(delivery.tiktok.counts.values()) == [1] * 60
    assert len(delivery.arrived()) == 60
    assert await delivery.read_outbox() == []


async def test_what_a_frozen_deliverer_still_holds_another_sends_and_it_counts_once(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    """The frozen one wakes when its lease has long ended, and its word changes nothing any more."""
    monkeypatch.setattr(lane, "IN_FLIGHT", 1)
    may_answer = delivery.hold_answers(first=1)
    delivery.tiktok.moods.add(Mood(code=50000, record=True))
    await delivery.queue(*delivery.make_events(3))
    async with first_of_two(delivery):
        await delivery.tiktok.until(lambda: delivery.requests)
        delivery.start()
        delivery.clock.turn(LEASE_MS / 1000)
        await delivery.settle_all(3)
        settled = await delivery.read()
        may_answer.set()
        await delivery.settle_all(6)
    assert set((await delivery.read_fates()).values()) == {"accepted"}
    assert await delivery.read() == settled
    assert await delivery.read_outbox() == []
    assert sorted(delivery.tiktok.counts.values()) == [1, 1, 1]

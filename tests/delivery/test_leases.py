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


async def test_what_another_has_sent_during_a_search_for_a_bad_event_is_not_sent_again(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    """Whose leases have ended does not go on with what it was about to send."""
    monkeypatch.setattr(lane, "IN_FLIGHT", 1)
    may_answer = delivery.hold_answers(first=1)
    delivery.tiktok.moods.add(Mood(code=40002))
    await delivery.queue(*delivery.make_events(8))
    async with first_of_two(delivery):
        await delivery.tiktok.until(lambda: delivery.requests)
        delivery.start()
        delivery.clock.turn(LEASE_MS / 1000)
        await delivery.settle_all(8)
        may_answer.set()
        await delivery.store.until(lambda: delivery.store.renewals)
        await delivery.look_thrice()
    assert delivery.sizes == [8, 8]
    assert sorted(delivery.arrived()) == sorted(f"e-{number}" for number in range(8))


async def test_who_was_frozen_between_claiming_and_sending_sends_nothing_that_another_has_sent(delivery: Delivery):
    claim, is_frozen, may_wake = delivery.store.claim, asyncio.Event(), asyncio.Event()

    async def claim_and_freeze(*told):
        claimed = await claim(*told)
        if not is_frozen.is_set():
            is_frozen.set()
            await may_wake.wait()
        return claimed

    delivery.store.claim = claim_and_freeze
    await delivery.queue(*delivery.make_events(3))
    async with first_of_two(delivery):
        await is_frozen.wait()
        delivery.start()
        delivery.clock.turn(LEASE_MS / 1000)
        await delivery.settle_all(3)
        await delivery.queue(*delivery.make_events(1, event_id="new"))
        await delivery.settle_all(4)
        may_wake.set()
        await delivery.store.until(lambda: delivery.store.renewals)
        await delivery.look_thrice()
    assert sorted(delivery.arrived()) == ["e-0", "e-1", "e-2", "new"]
    assert len(delivery.requests) == 2


async def test_what_is_still_held_of_a_batch_is_sent_without_the_rest(delivery: Delivery):
    """As after somebody was erased whose event waited among others."""
    send = delivery.client.send

    async def send_slowly(token, body):
        answer = await send(token, body)
        if len(delivery.requests) == 1:
            delivery.clock.turn(6)
            gone = (await delivery.read_outbox())[0]["id"]
            await delivery.store.run(lambda cursor: cursor.execute("DELETE FROM outbox WHERE id = ?", (gone,)))
        return answer

    delivery.client.send = send_slowly
    delivery.tiktok.moods.add(Mood(code=40002))
    await delivery.queue(*delivery.make_events(4))
    delivery.start()
    await delivery.settle_all(3)
    await delivery.look_thrice()
    assert len(delivery.arrived()) == 3
    assert delivery.sizes == [4, 1, 2]

"""Stopping, crashing, and a store that takes nothing: nothing is lost, and nothing is sent twice without need."""

from __future__ import annotations

import asyncio

import pytest

from gateway.delivery import lane, worker
from gateway.demo.fake_tiktok import Mood
from gateway.store.outbox import LEASE_MS
from tests.delivery.rig import BAD_PAGE, Delivery


async def test_a_stop_finishes_what_is_in_flight_and_claims_no_more(delivery: Delivery):
    may_answer = delivery.hold_answers()
    await delivery.queue(*delivery.make_events(3))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    delivery.deliverer.stop()
    await delivery.queue(*delivery.make_events(1, event_id="too late"))
    assert not delivery.running.done()
    may_answer.set()
    await delivery.stop()
    assert await delivery.read_fates() == {"e-0": "accepted", "e-1": "accepted", "e-2": "accepted", "too late": None}
    assert len(delivery.requests) == 1
    assert [row["lease"] for row in await delivery.read_outbox()] == [None]


async def test_a_stop_while_every_slot_is_taken_claims_no_more(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lane, "BATCH", 1)
    may_answer = delivery.hold_answers()
    await delivery.queue(*delivery.make_events(lane.IN_FLIGHT + 5))
    delivery.start()
    await delivery.tiktok.until(lambda: len(delivery.arrived()) == lane.IN_FLIGHT)
    delivery.deliverer.stop()
    may_answer.set()
    await delivery.stop()
    assert len(delivery.arrived()) == lane.IN_FLIGHT
    assert len(await delivery.read_outbox()) == 5
    assert [row["lease"] for row in await delivery.read_outbox()] == [None] * 5


async def test_a_stop_does_not_wait_for_a_batch_to_fill(delivery: Delivery):
    delivery.start(linger_s=60)
    await delivery.queue(*delivery.make_events(1))
    await delivery.look_thrice()
    await delivery.stop()
    assert delivery.requests == []
    assert len(await delivery.read_outbox()) == 1


async def test_a_stop_while_idle_ends_at_once(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "LOOK_S", 3600)
    delivery.start(linger_s=60)
    await delivery.store.until(lambda: delivery.store.looks == 1)
    await delivery.stop()


async def test_a_stop_before_the_start_is_a_stop(delivery: Delivery):
    delivery.build().stop()
    await delivery.queue(*delivery.make_events(1))
    delivery.running = asyncio.create_task(delivery.deliverer.run())
    await delivery.stop()
    assert delivery.requests == []


async def test_a_stop_ends_the_search_for_a_bad_event_and_puts_the_rest_back(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    send = delivery.client.send

    async def send_and_stop(token, body):
        answer = await send(token, body)
        if len(delivery.requests) == 2:
            delivery.deliverer.stop()
        return answer

    monkeypatch.setattr(delivery.client, "send", send_and_stop)
    bad = delivery.make_events(1, event_id="bad", page=BAD_PAGE)
    await delivery.queue(*delivery.make_events(7), *bad)
    delivery.start()
    await asyncio.wait_for(delivery.running, 60)
    assert delivery.sizes == [8, 4]
    assert len(delivery.arrived()) == 4
    rows = await delivery.read_outbox()
    assert [(row["lease"], row["attempts"], row["maybe_sent_ms"]) for row in rows] == [(None, 0, None)] * 4


async def test_what_a_crash_cut_off_is_sent_again_when_its_lease_ends(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(hang=True, record=True))
    await delivery.queue(*delivery.make_events(5))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    await delivery.crash()
    delivery.start()
    delivery.clock.turn(LEASE_MS / 1000 - 0.001)
    await delivery.look_thrice()
    assert len(delivery.requests) == 1
    delivery.clock.turn(0.001)
    await delivery.settle_all(5)
    assert sorted(delivery.tiktok.counts.values()) == [1] * 5
    assert set((await delivery.read_fates()).values()) == {"accepted"}


async def test_a_settlement_waits_for_the_store_and_nothing_is_sent_twice(delivery: Delivery):
    may_answer = delivery.hold_answers()
    await delivery.queue(*delivery.make_events(3))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    delivery.store.is_broken = True
    may_answer.set()
    await delivery.store.until(lambda: delivery.store.refusals["settle"] >= 3)
    assert len(delivery.arrived()) == 3
    assert set((await delivery.read_fates()).values()) == {None}
    delivery.store.is_broken = False
    await delivery.settle_all(3)
    await delivery.look_thrice()
    assert len(delivery.requests) == 1
    assert set((await delivery.read_fates()).values()) == {"accepted"}


async def test_while_a_settlement_waits_nothing_more_is_claimed(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    settle, refused, may_settle = delivery.store.settle, asyncio.Event(), asyncio.Event()

    async def refuse(*told):
        if not may_settle.is_set():
            refused.set()
            raise lane.StoreUnavailable("broken by a test")
        await settle(*told)

    monkeypatch.setattr(delivery.store, "settle", refuse)
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await refused.wait()
    await delivery.queue(*delivery.make_events(5, event_id="new"))
    delivery.clock.turn(LEASE_MS / 1000 + 1)
    await delivery.look_thrice()
    assert len(delivery.store.claims) == len(delivery.requests) == 1
    may_settle.set()
    await delivery.settle_all(2)
    assert sorted(delivery.arrived()) == ["e-0", "new"]


async def test_a_store_that_gives_nothing_stops_no_lane_for_good(delivery: Delivery):
    delivery.store.is_broken = True
    delivery.start()
    await delivery.queue(*delivery.make_events(2))
    await delivery.store.until(lambda: delivery.store.refusals["claim"] and delivery.store.refusals["look"])
    delivery.store.is_broken = False
    delivery.clock.turn(1)
    await delivery.settle_all(2)
    assert len(delivery.arrived()) == 2


async def test_a_lease_that_cannot_be_renewed_yet_is_renewed_later(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    send = delivery.client.send

    async def send_slowly(token, body):
        answer = await send(token, body)
        if len(delivery.requests) == 1:
            delivery.clock.turn(6)
            delivery.store.is_broken = True
        return answer

    monkeypatch.setattr(delivery.client, "send", send_slowly)
    await delivery.queue(*delivery.make_events(3), *delivery.make_events(1, event_id="bad", page=BAD_PAGE))
    delivery.start()
    await delivery.store.until(lambda: delivery.store.refusals["renew"] >= 3)
    delivery.clock.turn(2 * LEASE_MS / 1000)
    delivery.store.is_broken = False
    await delivery.settle_all(2)
    rows = await delivery.read_outbox()
    assert {row["due_ms"] for row in rows} <= {delivery.clock.ms + LEASE_MS}, "it was renewed as of long ago"
    await delivery.settle_all(4)
    assert sorted(delivery.arrived()) == ["e-0", "e-1", "e-2"]


async def test_a_defect_in_one_delivery_stops_no_lane(delivery: Delivery, monkeypatch: pytest.MonkeyPatch, caplog):
    build, broken = lane.pack, iter([True])

    def build_badly(*told):
        if next(broken, False):
            raise RuntimeError("can't start new thread")
        return build(*told)

    monkeypatch.setattr(lane, "pack", build_badly)
    await delivery.queue(*delivery.make_events(2))
    delivery.start()
    await delivery.store.until(lambda: delivery.store.claims)
    await delivery.look_thrice()
    delivery.clock.turn(LEASE_MS / 1000)
    await delivery.settle_all(2)
    assert sorted(delivery.arrived()) == ["e-0", "e-1"]
    assert "a delivery for store acme failed" in caplog.messages


async def test_a_defect_in_looking_stops_no_lane(delivery: Delivery, monkeypatch: pytest.MonkeyPatch, caplog):
    look, broken = delivery.store.due_lanes, iter([True])

    async def look_badly(*told):
        if next(broken, False):
            raise ZeroDivisionError
        return await look(*told)

    monkeypatch.setattr(delivery.store, "due_lanes", look_badly)
    delivery.start()
    await delivery.look_thrice()
    await delivery.queue(*delivery.make_events(1))
    await delivery.settle_all(1)
    assert "looking for due events failed" in caplog.messages

"""What goes into one request, and when it leaves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.delivery import worker
from gateway.delivery.lane import BATCH, IN_FLIGHT, LaneWorker
from gateway.demo.fake_tiktok import Mood
from tests.delivery.rig import OTHER, PIXEL, START_MS, Delivery


async def test_an_event_arrives_and_is_settled_with_tiktoks_request_id(delivery: Delivery):
    delivery.start()
    await delivery.queue(*delivery.make_events(1))
    await delivery.settle_all(1)
    (request,) = delivery.requests
    (row,) = await delivery.read()
    (attempt,) = await delivery.read_attempts()
    assert delivery.arrived() == ["e-0"]
    assert (row["fate"], row["reason"], row["settled_ms"]) == ("accepted", None, START_MS)
    assert attempt["request_id"] in request.answer.decode()
    assert (attempt["id"], attempt["verdict"], attempt["http_status"], attempt["code"]) == (
        row["id"],
        "accepted",
        200,
        0,
    )
    assert await delivery.read_outbox() == []


async def test_each_pixel_has_its_own_requests_with_its_own_token(delivery: Delivery):
    await delivery.queue(*delivery.make_events(3))
    await delivery.queue(*delivery.make_events(2), pixel=OTHER)
    delivery.start({"code": PIXEL}, {"code": OTHER})
    await delivery.settle_all(5)
    told = sorted((request.json["event_source_id"], len(request.json["data"])) for request in delivery.requests)
    assert told == [(PIXEL, 3), (OTHER, 2)]
    assert (len(delivery.arrived()), len(delivery.arrived(OTHER))) == (3, 2)


async def test_no_request_has_more_than_a_full_batch_of_events(delivery: Delivery):
    await delivery.queue(*delivery.make_events(2500))
    delivery.start()
    await delivery.settle_all(2500)
    assert sorted(delivery.sizes) == [BATCH] * 5
    assert sorted(delivery.tiktok.counts.values()) == [1] * 2500


async def test_the_oldest_leave_first(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1, event_id="new", received_ms=START_MS))
    await delivery.queue(*delivery.make_events(1, event_id="old", received_ms=START_MS - 9000))
    delivery.start()
    await delivery.settle_all(2)
    assert delivery.arrived() == ["old", "new"]


async def test_what_arrives_while_a_lane_lingers_goes_into_the_same_request(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    lingers, may_go = asyncio.Queue[float](), asyncio.Event()

    async def linger(_lane, seconds):
        lingers.put_nowait(seconds)
        await may_go.wait()

    monkeypatch.setattr(LaneWorker, "_rest", linger)
    delivery.start(linger_s=1.5)
    await delivery.queue(*delivery.make_events(1, event_id="first"))
    assert await lingers.get() == 1.5
    await delivery.queue(*delivery.make_events(9))
    may_go.set()
    await delivery.settle_all(10)
    assert delivery.sizes == [10]


async def test_what_arrives_while_a_batch_leaves_lingers_for_the_next(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    lingers, may_go, claim = asyncio.Queue[None](), asyncio.Semaphore(1), delivery.store.claim

    async def linger(_lane, _seconds):
        lingers.put_nowait(None)
        await may_go.acquire()

    async def claim_while_one_more_arrives(*said):
        claimed = await claim(*said)
        if len(delivery.store.claims) == 1:
            await delivery.queue(*delivery.make_events(1, event_id="late"))
        return claimed

    monkeypatch.setattr(LaneWorker, "_rest", linger)
    monkeypatch.setattr(delivery.store, "claim", claim_while_one_more_arrives)
    delivery.start(linger_s=1.5)
    await delivery.queue(*delivery.make_events(1, event_id="first"))
    await lingers.get()
    await lingers.get()
    await delivery.settle_all(1)
    assert delivery.arrived() == ["first"]
    may_go.release()
    await delivery.settle_all(2)
    assert delivery.sizes == [1, 1]


async def test_a_new_event_wakes_its_lane_without_a_look(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "LOOK_S", 3600)
    delivery.start()
    await delivery.store.until(lambda: delivery.store.looks == 1)
    for number in range(3):
        await delivery.queue(*delivery.make_events(1, event_id=f"e-{number}"))
        await delivery.settle_all(number + 1)
    assert delivery.arrived() == ["e-0", "e-1", "e-2"]
    assert delivery.store.looks == 1


async def test_what_becomes_due_is_found_by_looking(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1, hold_until_ms=START_MS + 45_000))
    delivery.start()
    delivery.clock.turn(44.999)
    await delivery.look_thrice()
    assert delivery.requests == []
    delivery.clock.turn(0.001)
    await delivery.settle_all(1)
    assert delivery.arrived() == ["e-0"]


async def test_a_few_requests_of_a_pixel_are_under_way_at_once_and_no_more(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.delivery.lane.BATCH", 1)
    delivery.tiktok.moods.add(Mood(hang=True, times=None))
    await delivery.queue(*delivery.make_events(IN_FLIGHT + 3))
    delivery.start()
    await delivery.tiktok.until(lambda: len(delivery.requests) >= IN_FLIGHT)
    await delivery.look_thrice()
    assert len(delivery.requests) == IN_FLIGHT
    assert len(delivery.store.claims) == IN_FLIGHT


async def test_a_pixel_that_hangs_delays_no_other(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(hang=True, times=None, pixel=PIXEL))
    await delivery.queue(*delivery.make_events(1))
    delivery.start({"code": PIXEL}, {"code": OTHER})
    await delivery.tiktok.until(lambda: delivery.requests)
    await delivery.queue(*delivery.make_events(2), pixel=OTHER)
    await delivery.settle_all(2)
    assert delivery.arrived(OTHER) == ["e-0", "e-1"]


async def test_events_of_a_pixel_no_longer_configured_wait(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1), pixel=OTHER)
    await delivery.queue(*delivery.make_events(1))
    delivery.start({"code": PIXEL})
    await delivery.settle_all(1)
    await delivery.look_thrice()
    assert delivery.arrived(OTHER) == []
    assert len(await delivery.read_outbox()) == 1


def in_test_mode(until_s: float) -> dict[str, object]:
    until = datetime.fromtimestamp(START_MS / 1000 + until_s, UTC).isoformat()
    return {"code": PIXEL, "test_event_code": "TEST123", "test_event_code_until": until}


async def test_a_test_event_is_alone_in_its_request(delivery: Delivery):
    await delivery.queue(*delivery.make_events(3))
    delivery.start(in_test_mode(until_s=60))
    await delivery.settle_all(3)
    assert delivery.sizes == [1, 1, 1]
    assert {request.json["test_event_code"] for request in delivery.requests} == {"TEST123"}
    assert delivery.tiktok.counted == []


async def test_an_expired_test_code_is_not_sent(delivery: Delivery):
    delivery.start(in_test_mode(until_s=60))
    delivery.clock.turn(60)
    await delivery.queue(*delivery.make_events(3))
    await delivery.settle_all(3)
    (request,) = delivery.requests
    assert "test_event_code" not in request.json
    assert len(delivery.tiktok.counted) == 3


async def test_a_busy_lane_goes_on_while_a_settlement_is_written(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    """Everything due leaves in one go: not a second and a linger after each batch that is being settled."""
    monkeypatch.setattr("gateway.delivery.lane.BATCH", 1)
    monkeypatch.setattr(worker, "LOOK_S", 3600)
    is_settling, may_settle = asyncio.Event(), asyncio.Event()
    settle = delivery.store.settle

    async def slow_settle(*told):
        is_settling.set()
        await may_settle.wait()
        await settle(*told)

    monkeypatch.setattr(delivery.store, "settle", slow_settle)
    delivery.start()
    await delivery.queue(*delivery.make_events(3 * IN_FLIGHT))
    await is_settling.wait()
    await delivery.tiktok.until(lambda: len(delivery.requests) == IN_FLIGHT)
    may_settle.set()
    await delivery.settle_all(3 * IN_FLIGHT)
    assert len(delivery.arrived()) == 3 * IN_FLIGHT

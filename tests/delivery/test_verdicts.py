"""What each kind of answer costs, and when the events are sent again."""

from __future__ import annotations

import httpx
import pytest

from gateway.delivery.lane import IN_FLIGHT
from gateway.demo.fake_tiktok import Mood
from gateway.tiktok.client import TikTokClient
from tests.delivery.rig import START_MS, Delivery


async def fail_once(delivery: Delivery, mood: Mood) -> dict[str, object]:
    """The outbox row of one event that met this mood."""
    delivery.tiktok.moods.add(mood)
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await delivery.settle_all(1)
    (row,) = await delivery.read_outbox()
    return row


THROTTLED = [Mood(code=40100), Mood(code=40016), Mood(code=40133), Mood(code=51021), Mood(status=429)]


@pytest.mark.parametrize("mood", THROTTLED, ids=lambda mood: str(mood.code or mood.status))
async def test_being_throttled_costs_no_attempt(delivery: Delivery, mood):
    row = await fail_once(delivery, mood)
    assert (row["attempts"], row["lease"]) == (0, None)
    assert [attempt["verdict"] for attempt in await delivery.read_attempts()] == ["snooze"]
    delivery.clock.turn(1)
    await delivery.settle_all(2)
    assert delivery.arrived() == ["e-0"]


async def test_retry_after_is_honoured_to_the_second(delivery: Delivery):
    row = await fail_once(delivery, Mood(code=40100, retry_after_s=30))
    assert row["due_ms"] == START_MS + 30_000
    await delivery.queue(*delivery.make_events(1, event_id="new"))
    delivery.clock.turn(29.999)
    await delivery.look_thrice()
    assert len(delivery.requests) == 1
    delivery.clock.turn(0.001)
    await delivery.settle_all(3)
    assert sorted(delivery.arrived()) == ["e-0", "new"]


FAILED = [
    Mood(code=50000),
    Mood(code=51001),
    Mood(code=77777),
    Mood(status=500),
    Mood(html=True),
    Mood(html=True, status=200),
]


@pytest.mark.parametrize("mood", FAILED, ids=lambda mood: f"{mood.code}-{mood.status}-{mood.html}")
async def test_trouble_at_tiktok_costs_an_attempt_and_a_short_wait(delivery: Delivery, mood):
    row = await fail_once(delivery, mood)
    assert row["attempts"] == 1
    assert START_MS <= row["due_ms"] <= START_MS + 1000
    delivery.clock.turn(1)
    await delivery.settle_all(2)
    assert delivery.arrived() == ["e-0"]


async def test_each_failure_counts_and_the_wait_doubles(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(code=50000, times=6))
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    waits_ms = []
    for failures in range(1, 7):
        await delivery.settle_all(failures)
        (row,) = await delivery.read_outbox()
        assert row["attempts"] == failures
        waits_ms.append(row["due_ms"] - delivery.clock.ms)
        assert waits_ms[-1] <= 1000 * 2 ** (failures - 1)
        delivery.clock.ms = row["due_ms"]
    await delivery.settle_all(7)
    assert waits_ms[-1] > 1000
    assert delivery.arrived() == ["e-0"]


async def test_a_lane_in_trouble_asks_with_one_request_at_a_time(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.delivery.lane.BATCH", 1)
    await fail_once(delivery, Mood(code=50000))
    delivery.tiktok.moods.add(Mood(hang=True))
    await delivery.queue(*delivery.make_events(5, event_id="new"), *delivery.make_events(5))
    delivery.clock.turn(1)
    await delivery.tiktok.until(lambda: len(delivery.requests) == 2)
    await delivery.look_thrice()
    assert len(delivery.requests) == 2


async def test_one_bad_moment_of_several_requests_counts_once(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.delivery.lane.BATCH", 1)
    may_answer = delivery.hold_answers(first=IN_FLIGHT)
    delivery.tiktok.moods.add(Mood(code=50000, times=IN_FLIGHT))
    await delivery.queue(*delivery.make_events(IN_FLIGHT))
    delivery.start()
    await delivery.tiktok.until(lambda: len(delivery.requests) == IN_FLIGHT)
    may_answer.set()
    await delivery.settle_all(IN_FLIGHT)
    assert all(row["due_ms"] <= START_MS + 1000 for row in await delivery.read_outbox())
    delivery.clock.turn(1)
    await delivery.settle_all(2 * IN_FLIGHT)
    assert sorted(delivery.arrived()) == [f"e-{number}" for number in range(IN_FLIGHT)]


async def test_an_answer_from_before_the_hold_does_not_lift_it(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.delivery.lane.BATCH", 1)
    may_answer = delivery.hold_answers(first=1)
    delivery.tiktok.moods.add(Mood(), Mood(code=40100, retry_after_s=60))
    await delivery.queue(*delivery.make_events(2))
    delivery.start()
    await delivery.settle_all(1)
    may_answer.set()
    await delivery.settle_all(2)
    assert len(delivery.arrived()) == 1
    await delivery.queue(*delivery.make_events(1, event_id="new"))
    await delivery.look_thrice()
    assert len(delivery.requests) == 2
    delivery.clock.turn(60)
    await delivery.settle_all(4)
    assert sorted(delivery.arrived()) == ["e-0", "e-1", "new"]


async def test_nothing_listening_costs_an_attempt_and_is_known_not_to_be_sent(delivery: Delivery):
    await delivery.client.aclose()
    delivery.client = TikTokClient("http://127.0.0.1:1")
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await delivery.settle_all(1)
    (row,) = await delivery.read_outbox()
    (attempt,) = await delivery.read_attempts()
    assert (row["attempts"], row["maybe_sent_ms"]) == (1, None)
    assert (attempt["http_status"], attempt["code"]) == (0, None)


UNKNOWN = [Mood(drop=True), Mood(html=True), Mood(code=50000), Mood(code=51010), Mood(code=51021)]


@pytest.mark.parametrize("mood", UNKNOWN, ids=["dropped", "html", "50000", "51010", "51021"])
async def test_an_unknown_answer_is_remembered(delivery: Delivery, mood):
    row = await fail_once(delivery, mood)
    assert row["maybe_sent_ms"] == START_MS


@pytest.mark.parametrize("mood", [Mood(code=40100), Mood(code=40105), Mood(status=429)], ids=["40100", "40105", "429"])
async def test_a_refusal_is_a_known_answer(delivery: Delivery, mood):
    row = await fail_once(delivery, mood)
    assert row["maybe_sent_ms"] is None


async def test_an_answer_that_takes_too_long_is_an_unknown_one(delivery: Delivery):
    await delivery.client.aclose()
    async with httpx.AsyncClient(timeout=None) as patient:
        delivery.client = TikTokClient(delivery._url, patient, timeout_s=1)
        row = await fail_once(delivery, Mood(hang=True))
        assert (row["attempts"], row["maybe_sent_ms"]) == (1, START_MS)
        await delivery.crash()

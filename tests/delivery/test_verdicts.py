"""What each kind of answer costs, and when the events are sent again."""

from __future__ import annotations

import httpx
import pytest

from gateway.delivery.lane import IN_FLIGHT
from gateway.demo.fake_tiktok import Mood
from gateway.tiktok.client import TikTokClient
from tests.delivery.rig import BAD_PAGE, OTHER, PIXEL, START_MS, Delivery


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
    assert sorted(delivery.arrived()) == ["e-0", "e-1", "e-2", "e-3"]


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
        delivery.client = TikTokClient(delivery._url, patient, timeout_s=0.1)
        row = await fail_once(delivery, Mood(hang=True))
        assert (row["attempts"], row["maybe_sent_ms"]) == (1, START_MS)
        await delivery.crash()


# One bad event among many


async def send_with_bad(delivery: Delivery, count: int, *bad: int) -> None:
    events = delivery.make_events(count)
    spoilt = delivery.make_events(count, page=BAD_PAGE)
    await delivery.queue(*[spoilt[number] if number in bad else events[number] for number in range(count)])
    delivery.start()
    await delivery.settle_all(count)


@pytest.mark.parametrize("bad", [0, 61, 99])
async def test_one_bad_event_among_many_is_found_and_the_others_arrive_once(delivery: Delivery, bad):
    await send_with_bad(delivery, 100, bad)
    good = sorted(f"e-{number}" for number in range(100) if number != bad)
    fates = await delivery.read_fates()
    assert sorted(delivery.arrived()) == good
    assert fates.pop(f"e-{bad}") == "rejected"
    assert set(fates.values()) == {"accepted"}
    assert len(delivery.requests) <= 2 * 7 + 1


async def test_the_bad_event_is_told_why(delivery: Delivery):
    await send_with_bad(delivery, 3, 1)
    rows = {row["event_id"]: row for row in await delivery.read()}
    attempts = {attempt["id"]: attempt for attempt in await delivery.read_attempts()}
    assert "page.url" in rows["e-1"]["reason"]
    assert attempts[rows["e-1"]["id"]]["code"] == 40002
    assert await delivery.read_outbox() == []


async def test_several_bad_events_are_found(delivery: Delivery):
    await send_with_bad(delivery, 20, 3, 4, 17)
    rejected = sorted(event_id for event_id, fate in (await delivery.read_fates()).items() if fate == "rejected")
    assert rejected == ["e-17", "e-3", "e-4"]
    assert len(delivery.arrived()) == 17


async def test_a_bad_event_alone_stops_nothing(delivery: Delivery):
    await send_with_bad(delivery, 1, 0)
    await delivery.queue(*delivery.make_events(1, event_id="next"))
    await delivery.settle_all(2)
    assert await delivery.read_fates() == {"e-0": "rejected", "next": "accepted"}


async def test_a_search_for_the_bad_event_outlasts_the_lease(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    """However slowly TikTok answers: what waits for its turn stays leased, and is not claimed and sent once more."""
    send = delivery.client.send

    async def send_slowly(token, body):
        answer = await send(token, body)
        delivery.clock.turn(6)
        return answer

    monkeypatch.setattr(delivery.client, "send", send_slowly)
    await send_with_bad(delivery, 32, 3)
    assert len(delivery.store.claims) == 1
    assert sorted(delivery.arrived()) == sorted(f"e-{number}" for number in range(32) if number != 3)


@pytest.mark.parametrize("mood", [Mood(code=40100, retry_after_s=5), Mood(code=40105)], ids=["throttled", "refused"])
async def test_a_search_ends_when_the_lane_is_held_back(delivery: Delivery, mood):
    delivery.tiktok.moods.add(Mood(code=40002), mood)
    await delivery.queue(*delivery.make_events(8))
    delivery.start()
    await delivery.settle_all(8)
    rows = await delivery.read_outbox()
    assert delivery.sizes == [8, 4]
    assert [(row["attempts"], row["lease"], row["maybe_sent_ms"]) for row in rows] == [(0, None, None)] * 8
    assert len(await delivery.read_attempts()) == 4
    delivery.clock.turn(60)
    await delivery.settle_all(16)
    assert len(delivery.arrived()) == 8


async def test_what_can_be_seen_to_be_wrong_is_never_sent(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1, event_id=" "), *delivery.make_events(1))
    delivery.start()
    await delivery.settle_all(2)
    rows = {row["event_id"]: row for row in await delivery.read()}
    assert (rows[" "]["fate"], rows[" "]["reason"]) == ("rejected", "event_id: empty")
    assert delivery.arrived() == ["e-0"]
    assert len(await delivery.read_attempts()) == 1


# A pixel whose credentials are refused


def refuse(delivery: Delivery, code: int) -> None:
    """40105: a token that is nobody's; 40001: one that is another pixel's."""
    delivery.tiktok.pixels = {PIXEL: None, OTHER: "new"} if code == 40105 else {PIXEL: "x", OTHER: "token-of-the-first"}


def allow(delivery: Delivery) -> None:
    delivery.tiktok.pixels = {PIXEL: "token-of-the-first", OTHER: "token-of-the-other"}


@pytest.mark.parametrize("code", [40105, 40001])
async def test_a_refused_pixel_loses_nothing_and_resumes_by_itself(delivery: Delivery, caplog, code):
    refuse(delivery, code)
    await delivery.queue(*delivery.make_events(20))
    delivery.start()
    await delivery.settle_all(20)
    assert [request.code for request in delivery.requests] == [code]
    await delivery.queue(*delivery.make_events(1, event_id="later"))
    delivery.clock.turn(59.999)
    await delivery.look_thrice()
    assert len(delivery.requests) == 1
    allow(delivery)
    delivery.clock.turn(0.001)
    await delivery.settle_all(20 + 21)
    assert delivery.sizes[:2] == [20, 1]
    assert sorted(delivery.arrived()) == sorted(["later", *[f"e-{number}" for number in range(20)]])
    assert set((await delivery.read_fates()).values()) == {"accepted"}
    told = [record.message for record in caplog.records if record.name.startswith("gateway.delivery")]
    assert told == [
        f"store acme: TikTok refuses this pixel's credentials (code {code})",
        "store acme: TikTok takes this pixel's credentials again",
    ]


async def test_a_pixel_that_stays_refused_is_tried_with_one_event_a_minute(delivery: Delivery):
    refuse(delivery, 40105)
    await delivery.queue(*delivery.make_events(5))
    delivery.start()
    await delivery.settle_all(5)
    for minutes in range(1, 4):
        delivery.clock.turn(60)
        await delivery.settle_all(5 + minutes)
        await delivery.look_thrice()
        assert delivery.sizes == [5] + [1] * minutes
    rows = await delivery.read_outbox()
    assert [(row["attempts"], row["maybe_sent_ms"]) for row in rows] == [(0, None)] * 5


async def test_a_refused_pixel_holds_back_no_other(delivery: Delivery):
    delivery.tiktok.pixels[PIXEL] = None
    await delivery.queue(*delivery.make_events(1))
    delivery.start({"code": PIXEL}, {"code": OTHER})
    await delivery.settle_all(1)
    await delivery.queue(*delivery.make_events(3), pixel=OTHER)
    await delivery.settle_all(4)
    assert len(delivery.arrived(OTHER)) == 3


async def test_throttling_during_the_probe_does_not_end_the_pause(delivery: Delivery):
    refuse(delivery, 40105)
    await delivery.queue(*delivery.make_events(5))
    delivery.start()
    await delivery.settle_all(5)
    allow(delivery)
    delivery.tiktok.moods.add(Mood(code=40100, retry_after_s=10))
    delivery.clock.turn(60)
    await delivery.settle_all(6)
    delivery.clock.turn(10)
    await delivery.settle_all(11)
    assert delivery.sizes[:3] == [5, 1, 1]
    assert len(delivery.arrived()) == 5

"""TikTok refuses a whole request for one bad event: it is found by halving, and the others arrive once."""

from __future__ import annotations

import pytest

from gateway.delivery import packing
from gateway.demo.fake_tiktok import Mood
from tests.delivery.rig import BAD_PAGE, Delivery


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


@pytest.mark.parametrize("bad", [{0}, {61}, {3, 4, 99}], ids=str)
async def test_what_cannot_be_written_is_found_and_the_others_arrive_once(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch, bad: set[int]
):
    build, spoilt = packing.build_event, {f"e-{number}" for number in bad}

    def build_badly(event, ip):
        if event.event_id in spoilt:
            raise ValueError("nobody@example.com is no number")
        return build(event, ip)

    monkeypatch.setattr(packing, "build_event", build_badly)
    await send_with_bad(delivery, 100)
    rows = await delivery.read()
    told = {row["reason"] for row in rows if row["event_id"] in spoilt}
    assert {row["event_id"] for row in rows if row["fate"] == "rejected"} == spoilt
    assert sorted(delivery.arrived()) == sorted({f"e-{number}" for number in range(100)} - spoilt)
    assert told == {"it could not be written as a request, by a defect of the gateway that its log names"}
    assert await delivery.read_outbox() == []
    assert len(await delivery.read_attempts()) == 100 - len(bad)
    assert delivery.sizes == [100 - len(bad)]


async def test_what_cannot_be_read_waits_for_a_program_that_can_and_ends_when_its_time_is_over(delivery: Delivery):
    await delivery.queue(*delivery.make_events(3))
    unread = '{"event":"Purchase","of_a_later_version":true}'
    said = (unread, "e-1")
    await delivery.store.run(lambda cursor: cursor.execute("UPDATE events SET body = ? WHERE event_id = ?", said))
    delivery.start()
    await delivery.settle_all(3)
    assert sorted(delivery.arrived()) == ["e-0", "e-2"]
    [row] = await delivery.read_outbox()
    assert (row["due_ms"], row["lease"], row["attempts"]) == (delivery.clock.ms + 300_000, None, 0)
    delivery.clock.turn(30 * 24 * 3600)
    await delivery.settle_all(4)
    [ended] = [row for row in await delivery.read() if row["fate"] == "expired"]
    assert ended["reason"] == "it could not be read, by a defect of the gateway that its log names"
    assert await delivery.read_outbox() == []

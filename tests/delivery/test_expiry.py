"""What comes too late is never sent: TikTok would count it a second time (contract 4.4)."""

from __future__ import annotations

import pytest
from msgspec import structs

from gateway.demo.fake_tiktok import Mood
from gateway.model.consent import Consent, ConsentMode
from gateway.model.event import PixelState
from gateway.model.visitor import Sighting
from gateway.store import Receipt
from tests.delivery.rig import HOUR_S, PIXEL, STORE, Delivery

LOST = Mood(drop=True, record=True)
"""TikTok takes the events, and its answer is lost on the way."""


async def queue_and_fail(delivery: Delivery, mood: Mood) -> None:
    delivery.tiktok.moods.add(mood)
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await delivery.settle_all(1)


async def test_an_event_past_its_end_expires_unsent(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1), expires_s=168 * HOUR_S)
    delivery.clock.turn(168 * HOUR_S + 0.001)
    delivery.start()
    await delivery.settle_all(1)
    (row,) = await delivery.read()
    assert (row["fate"], row["reason"]) == ("expired", "older than delivery.max_age_h")
    assert delivery.requests == []
    assert await delivery.read_outbox() == await delivery.read_attempts() == []


async def test_an_event_is_sent_until_its_very_end(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1), expires_s=168 * HOUR_S)
    delivery.clock.turn(168 * HOUR_S)
    delivery.start()
    await delivery.settle_all(1)
    assert delivery.arrived() == ["e-0"]


async def test_an_event_that_the_pixel_reported_expires_after_two_days(delivery: Delivery):
    await delivery.queue(*delivery.make_events(1, pixel=PixelState.FIRED), expires_s=48 * HOUR_S - 60)
    delivery.clock.turn(48 * HOUR_S)
    delivery.start()
    await delivery.settle_all(1)
    (row,) = await delivery.read()
    assert (row["fate"], row["reason"]) == (
        "expired", "the Pixel reported it 48 hours ago: TikTok could count it twice",
    )  # fmt: skip
    assert delivery.requests == []


async def test_expired_events_do_not_keep_others_from_leaving(delivery: Delivery):
    await delivery.queue(*delivery.make_events(3), expires_s=10)
    await delivery.queue(*delivery.make_events(1, event_id="fresh"), expires_s=1000)
    delivery.clock.turn(100)
    delivery.start()
    await delivery.settle_all(4)
    assert delivery.arrived() == ["fresh"]
    assert sorted((await delivery.read_fates()).values()) == ["accepted", "expired", "expired", "expired"]


async def test_an_event_whose_answer_was_lost_is_sent_again_and_counted_once(delivery: Delivery):
    await queue_and_fail(delivery, LOST)
    delivery.clock.turn(1)
    await delivery.settle_all(2)
    assert delivery.arrived() == ["e-0", "e-0"]
    assert [record.outcome for record in delivery.tiktok.records] == ["counted", "merged"]
    assert await delivery.read_fates() == {"e-0": "accepted"}


async def test_shortly_before_two_days_it_is_sent_again_and_still_counted_once(delivery: Delivery):
    await queue_and_fail(delivery, LOST)
    delivery.clock.turn(48 * HOUR_S - 60)
    await delivery.settle_all(2)
    assert [record.outcome for record in delivery.tiktok.records] == ["counted", "dropped"]


async def test_after_two_days_an_event_whose_answer_was_lost_expires(delivery: Delivery):
    await queue_and_fail(delivery, LOST)
    delivery.clock.turn(48 * HOUR_S - 59.999)
    await delivery.settle_all(2)
    (row,) = await delivery.read()
    assert row["fate"] == "expired"
    assert "no answer 48 hours ago" in row["reason"]
    assert list(delivery.tiktok.counts.values()) == [1]


async def test_the_two_days_count_from_the_first_lost_answer(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(drop=True, times=3))
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await delivery.settle_all(1)
    for settled in (2, 3):
        delivery.clock.turn(23 * HOUR_S)
        await delivery.settle_all(settled)
    delivery.clock.turn(2 * HOUR_S)
    await delivery.settle_all(4)
    assert await delivery.read_fates() == {"e-0": "expired"}
    assert len(delivery.requests) == 3


@pytest.mark.parametrize("mood", [Mood(code=40100), Mood(code=40105), Mood(status=429)], ids=["40100", "40105", "429"])
async def test_a_known_refusal_does_not_start_the_two_days(delivery: Delivery, mood):
    await queue_and_fail(delivery, mood)
    delivery.clock.turn(100 * HOUR_S)
    await delivery.settle_all(2)
    assert delivery.arrived() == ["e-0"]
    assert await delivery.read_fates() == {"e-0": "accepted"}


async def test_what_a_crash_may_have_sent_expires_after_two_days_too(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(hang=True, record=True))
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    await delivery.crash()
    delivery.clock.turn(48 * HOUR_S)
    delivery.start()
    await delivery.settle_all(1)
    assert await delivery.read_fates() == {"e-0": "expired"}
    assert list(delivery.tiktok.counts.values()) == [1]


async def test_what_was_withdrawn_while_it_waited_is_not_sent(delivery: Delivery):
    yes = Sighting(delivery.clock.ms, consent=Consent(marketing=True, at_ms=delivery.clock.ms))
    no = structs.replace(yes, consent=Consent(marketing=False, at_ms=delivery.clock.ms + 1))
    visitor = Receipt(STORE, ConsentMode.REQUIRED, "a" * 32, yes)
    await delivery.store.record(visitor)
    await delivery.queue(*delivery.make_events(2))
    await delivery.store.record(structs.replace(visitor, known_id="a" * 32, sighting=no))
    delivery.start()
    await delivery.settle_all(2)
    assert {(row["fate"], row["reason"]) for row in await delivery.read()} == {
        ("withdrawn", "consent was withdrawn before it was sent")
    }
    assert delivery.requests == []
    assert await delivery.read_outbox() == []


async def test_withdrawal_stops_what_waits_for_its_next_attempt(delivery: Delivery):
    await queue_and_fail(delivery, Mood(code=50000))
    no = Sighting(delivery.clock.ms, consent=Consent(marketing=False, at_ms=delivery.clock.ms + 1))
    await delivery.store.record(Receipt(STORE, ConsentMode.GRANTED, "", no, known_id="a" * 32, may_create=False))
    delivery.clock.turn(1)
    await delivery.settle_all(2)
    assert await delivery.read_fates() == {"e-0": "withdrawn"}
    assert delivery.arrived(PIXEL) == []

"""TikTok's bad days, hours of them in turned time: nothing is lost, and nothing sent twice whose answer was known."""

from __future__ import annotations

import random

import httpx
import pytest

from gateway.delivery import lane
from gateway.demo.fake_tiktok import Mood
from gateway.tiktok.client import TikTokClient
from tests.delivery.rig import BAD_PAGE, HOUR_S, PIXEL, TOKENS, Delivery

STEP_S = 900.0


async def live_through(delivery: Delivery, hours: float) -> list[str]:
    """So many hours pass, in each quarter of which two events come in; their ids."""
    came = []
    for _ in range(round(hours * HOUR_S / STEP_S)):
        new = [f"e-{len(delivery.store.settled)}-{delivery.clock.ms}-{number}" for number in range(2)]
        for event_id in new:
            await delivery.queue(*delivery.make_events(1, event_id=event_id))
        came += new
        delivery.clock.turn(STEP_S)
        await delivery.look_thrice()
    return came


async def get_well(delivery: Delivery, count: int) -> None:
    """TikTok is itself again, and so many events have their fate; no wait was longer than five minutes."""
    delivery.tiktok.moods.clear()
    for _ in range(count):
        if sum(one.fate is not None for one in delivery.store.settled) >= count:
            break
        settled = len(delivery.store.settled)
        delivery.clock.turn(300)
        await delivery.store.until(lambda settled=settled: len(delivery.store.settled) > settled)
        await delivery.look_thrice()
    assert await delivery.read_outbox() == []


NOTHING_TAKEN = {
    "500": Mood(status=500, times=None),
    "200 with 40001": Mood(code=40001, status=200, times=None),
    "200 with 40100": Mood(code=40100, status=200, times=None),
    "200 with 40133": Mood(code=40133, status=200, times=None),
    "429": Mood(status=429, retry_after_s=120, times=None),
    "a proxy's page": Mood(html=True, status=200, times=None),
    "a connection that drops": Mood(drop=True, times=None),
}


@pytest.mark.parametrize("mood", NOTHING_TAKEN.values(), ids=NOTHING_TAKEN.keys())
async def test_after_hours_of_refusal_all_that_came_in_arrives_once(delivery: Delivery, mood: Mood):
    delivery.tiktok.moods.add(mood)
    delivery.start()
    came = await live_through(delivery, hours=6)
    assert delivery.arrived() == []
    asked = len(delivery.requests)
    await get_well(delivery, len(came))
    assert sorted(delivery.arrived()) == sorted(came)
    assert await delivery.read_fates() == dict.fromkeys(came, "accepted")
    assert 6 <= asked <= 6 * HOUR_S / STEP_S * lane.IN_FLIGHT


async def test_a_revoked_token_heals_hours_later_without_a_restart(delivery: Delivery):
    delivery.tiktok.pixels[PIXEL] = None
    delivery.start()
    came = await live_through(delivery, hours=12)
    assert delivery.deliverer.paused
    assert set(delivery.sizes[1:]) == {1}
    delivery.tiktok.pixels = dict(TOKENS)
    await get_well(delivery, len(came))
    assert not delivery.deliverer.paused
    assert sorted(delivery.arrived()) == sorted(came)
    assert await delivery.read_fates() == dict.fromkeys(came, "accepted")


@pytest.mark.parametrize("is_taken", [False, True], ids=["and takes nothing", "and takes all"])
async def test_after_hours_of_hanging_each_event_counts_once(delivery: Delivery, is_taken: bool):
    await delivery.client.aclose()
    async with httpx.AsyncClient(timeout=None) as patient:
        delivery.client = TikTokClient(delivery._url, patient, timeout_s=0.05)
        delivery.tiktok.moods.add(Mood(hang=True, record=is_taken, times=None))
        delivery.start()
        came = await live_through(delivery, hours=3)
        delivery.client._timeout_s = 10
        await get_well(delivery, len(came))
        await delivery.crash()
    assert set(delivery.tiktok.counts.values()) == {1}
    assert await delivery.read_fates() == dict.fromkeys(came, "accepted")


async def test_slow_answers_repeat_nothing(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(delay_s=0.03, times=None))
    delivery.start()
    came = await live_through(delivery, hours=3)
    await get_well(delivery, len(came))
    assert sorted(delivery.arrived()) == sorted(came)


async def test_poison_in_a_thousand_is_found_through_throttling_and_the_rest_arrives_once(delivery: Delivery):
    poison = {333, 500, 501}
    good, bad = delivery.make_events(1000), delivery.make_events(1000, page=BAD_PAGE)
    delivery.tiktok.moods.add(*[Mood(), Mood(code=40100), Mood(), Mood(code=40133)] * 3)
    await delivery.queue(*[(bad if number in poison else good)[number] for number in range(1000)])
    delivery.start()
    await delivery.store.until(lambda: len(delivery.requests) > 1)
    await get_well(delivery, 1000)
    fates = await delivery.read_fates()
    assert {event_id for event_id, fate in fates.items() if fate == "rejected"} == {f"e-{number}" for number in poison}
    assert sorted(delivery.arrived()) == sorted(f"e-{number}" for number in range(1000) if number not in poison)
    assert len(delivery.requests) < 120


BAD_MOMENTS = [
    Mood(drop=True), Mood(drop=True, record=True), Mood(status=502), Mood(status=500, record=True), Mood(),
    Mood(code=40100), Mood(code=50002), Mood(code=51010, record=True), Mood(html=True, record=True),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
async def test_a_network_that_fails_before_and_after_tiktok_took_it_counts_each_once(delivery: Delivery, seed: int):
    chance = random.Random(seed)
    delivery.tiktok.moods.add(*chance.choices(BAD_MOMENTS, k=200))
    delivery.start()
    came = await live_through(delivery, hours=20)
    await get_well(delivery, len(came))
    assert await delivery.read_fates() == dict.fromkeys(came, "accepted")
    assert {key[2] for key in delivery.tiktok.counts} == set(came)
    assert set(delivery.tiktok.counts.values()) == {1}
    assert {record.outcome for record in delivery.tiktok.records} >= {"counted", "dropped"}


async def test_after_days_only_what_tiktok_may_have_taken_expires(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(drop=True, record=True), Mood(code=40100, times=None))
    delivery.start()
    await delivery.queue(*delivery.make_events(3, event_id="taken, unanswered"))
    await delivery.settle_all(1)
    known = [f"e-{number}" for number in range(3)]
    await delivery.queue(*delivery.make_events(3))
    for _ in range(10):
        delivery.clock.turn(5 * HOUR_S)
        await delivery.look_thrice()
    await get_well(delivery, 4)
    assert await delivery.read_fates() == {"taken, unanswered": "expired", **dict.fromkeys(known, "accepted")}
    assert set(delivery.tiktok.counts.values()) == {1}
    assert sorted(delivery.arrived()) == sorted(["taken, unanswered", *known])

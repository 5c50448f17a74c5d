"""A clock that jumps, forwards or backwards, loses nothing, sends nothing twice, and holds nothing back for long."""

from __future__ import annotations

import pytest

from gateway.demo.fake_tiktok import Mood
from gateway.store.outbox import LEASE_MS
from tests.delivery.rig import HOUR_S, START_MS, Delivery

DAY_S = 24 * HOUR_S
LEASE_S = LEASE_MS / 1000


async def all_arrive_once(delivery: Delivery, *event_ids: str) -> None:
    """TikTok has taken these events and no others, each in one request."""
    await delivery.store.until(lambda: {one.fate for one in delivery.store.settled} >= {"accepted"})
    await delivery.tiktok.until(lambda: len(delivery.arrived()) >= len(event_ids))
    await delivery.look_thrice()
    assert sorted(delivery.arrived()) == sorted(event_ids)
    assert set((await delivery.read_fates()).values()) == {"accepted"}
    assert await delivery.read_outbox() == []


async def test_what_came_in_before_the_clock_was_set_back_leaves_within_a_lease(delivery: Delivery):
    delivery.start()
    await delivery.look_thrice()
    delivery.clock.turn(DAY_S)
    await delivery.queue(*delivery.make_events(1, hold_until_ms=delivery.clock.ms + 45_000))
    await delivery.look_thrice()
    delivery.clock.turn(-DAY_S)
    await delivery.look_thrice()
    assert delivery.requests == []
    delivery.clock.turn(LEASE_S)
    await all_arrive_once(delivery, "e-0")


async def test_what_an_earlier_process_left_by_a_clock_that_was_ahead_leaves_too(delivery: Delivery):
    await delivery.queue(*delivery.make_events(2, received_ms=START_MS + round(DAY_S * 1000)))
    delivery.start()
    await delivery.look_thrice()
    delivery.clock.turn(LEASE_S)
    await all_arrive_once(delivery, "e-0", "e-1")


async def test_a_purchase_is_held_no_shorter_because_of_a_small_step_back(delivery: Delivery):
    delivery.start()
    await delivery.queue(*delivery.make_events(1, hold_until_ms=START_MS + 45_000))
    await delivery.look_thrice()
    delivery.clock.turn(-2)
    await delivery.look_thrice()
    delivery.clock.turn(46.999)
    await delivery.look_thrice()
    assert delivery.requests == []
    delivery.clock.turn(0.001)
    await all_arrive_once(delivery, "e-0")


@pytest.mark.parametrize(
    "mood",
    [Mood(code=40100, retry_after_s=250), Mood(code=50000), Mood(code=40105)],
    ids=["throttled", "failed", "paused"],
)
async def test_a_lane_held_back_when_the_clock_is_set_back_goes_on(delivery: Delivery, mood: Mood):
    delivery.tiktok.moods.add(mood)
    await delivery.queue(*delivery.make_events(2))
    delivery.start()
    await delivery.settle_all(2)
    delivery.clock.turn(-DAY_S)
    await delivery.look_thrice()
    delivery.clock.turn(LEASE_S)
    await all_arrive_once(delivery, "e-0", "e-1")
    assert not delivery.deliverer.paused


async def test_failures_after_the_clock_was_set_back_still_make_the_wait_longer(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(code=50000, times=5))
    await delivery.queue(*delivery.make_events(1))
    delivery.start()
    await delivery.settle_all(1)
    delivery.clock.turn(-DAY_S)
    await delivery.look_thrice()
    for settled in range(2, 6):
        delivery.clock.turn(16)
        await delivery.settle_all(settled)
    (row,) = await delivery.read_outbox()
    assert row["attempts"] == 5
    assert delivery.clock.ms + 1000 < row["due_ms"] <= delivery.clock.ms + 16_000


@pytest.mark.parametrize("jump_s", [DAY_S, 3 * DAY_S], ids=["a day", "more than TikTok remembers"])
async def test_what_is_under_way_when_the_clock_is_set_forward_is_not_sent_again(delivery: Delivery, jump_s: float):
    may_answer = delivery.hold_answers(first=1)
    await delivery.queue(*delivery.make_events(3))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    delivery.clock.turn(jump_s)
    await delivery.queue(*delivery.make_events(1, event_id="new"))
    await delivery.settle_all(1)
    await delivery.look_thrice()
    may_answer.set()
    await all_arrive_once(delivery, "e-0", "e-1", "e-2", "new")


async def test_what_is_settled_while_it_is_claimed_once_more_is_not_sent_again(delivery: Delivery):
    """The clock was set forward: the claim has found it with its lease ended, and is told so when it has its fate."""
    claim, may_answer = delivery.store.claim, delivery.hold_answers(first=1)

    async def claim_slowly(*told):
        claimed = await claim(*told)
        if len(claimed) == 4:
            may_answer.set()
            await delivery.settle_all(3)
            await delivery.look_thrice()
        return claimed

    delivery.store.claim = claim_slowly
    await delivery.queue(*delivery.make_events(3))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    delivery.clock.turn(DAY_S)
    await delivery.queue(*delivery.make_events(1, event_id="new"))
    await delivery.settle_all(4)
    await all_arrive_once(delivery, "e-0", "e-1", "e-2", "new")


async def test_what_is_under_way_when_the_clock_is_set_back_is_not_sent_again(delivery: Delivery):
    may_answer = delivery.hold_answers(first=1)
    await delivery.queue(*delivery.make_events(3))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.arrived())
    delivery.clock.turn(-DAY_S)
    await delivery.look_thrice()
    delivery.clock.turn(LEASE_S - 0.001)
    await delivery.look_thrice()
    may_answer.set()
    await delivery.settle_all(3)
    await all_arrive_once(delivery, "e-0", "e-1", "e-2")


async def test_what_waits_is_packed_anew_when_the_clock_was_set_back(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
):
    """Its times would lie ahead; and the search for a bad event outlasts the lease that the step back has left it."""
    send = delivery.client.send

    async def send_slowly(token, body):
        answer = await send(token, body)
        delivery.clock.turn(-DAY_S if len(delivery.requests) == 1 else 6)
        await delivery.look_thrice()
        return answer

    monkeypatch.setattr(delivery.client, "send", send_slowly)
    delivery.tiktok.moods.add(Mood(code=40002))
    await delivery.queue(*delivery.make_events(16))
    delivery.start()
    await delivery.settle_all(32)
    assert [len(claimed) for claimed in delivery.store.claims] == [16, 16]
    assert sorted(delivery.arrived()) == sorted(f"e-{number}" for number in range(16))


async def test_leases_of_the_dead_end_though_the_clock_was_set_back(delivery: Delivery):
    delivery.tiktok.moods.add(Mood(hang=True))
    await delivery.queue(*delivery.make_events(2))
    delivery.start()
    await delivery.tiktok.until(lambda: delivery.requests)
    await delivery.crash()
    delivery.clock.turn(-DAY_S)
    delivery.start()
    await delivery.look_thrice()
    delivery.clock.turn(LEASE_S)
    await all_arrive_once(delivery, "e-0", "e-1")

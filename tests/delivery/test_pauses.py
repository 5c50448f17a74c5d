"""A pixel whose credentials TikTok refuses: nothing is lost, one event a minute tries, and it resumes by itself."""

from __future__ import annotations

import pytest

from gateway.demo.fake_tiktok import Mood
from tests.delivery.rig import OTHER, PIXEL, Delivery


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

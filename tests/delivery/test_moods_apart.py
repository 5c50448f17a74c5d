"""A pixel that TikTok treats badly delays no other, of its own store or of another, however many are badly treated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from gateway.delivery import hands, lane
from gateway.delivery.worker import Deliverer
from gateway.demo.fake_tiktok import Mood
from gateway.model.consent import ConsentMode
from gateway.model.visitor import Sighting
from gateway.store import Lane, Receipt
from gateway.store.receipt import Queued
from tests.delivery.rig import OTHER, PIXEL, START_MS, STORE, Delivery
from tests.servers import make_settings

BOLT, THIRD = "bolt", "C0BOLTSPIXEL00000000"
SICK: tuple[Lane, ...] = ((STORE, PIXEL), (STORE, OTHER))
WELL: Lane = (BOLT, THIRD)
SOON_S = 30.0
"""Less than a call to TikTok may take here, so that who waited for one that hangs comes too late."""


def deliver_all(delivery: Delivery, folder: Path, pixels: Sequence[str]) -> None:
    """Two stores are delivered for: these pixels are the first's, one is the second's."""
    delivery.tiktok.pixels = {code: f"token-of-{code}" for code in (*pixels, THIRD)}

    def tell(store_id: str, codes: Sequence[str]) -> dict[str, object]:
        return {
            "id": store_id,
            "host": f"t.{store_id}.com",
            "origins": [f"https://www.{store_id}.com"],
            "cookie_domain": f"{store_id}.com",
            "script_path": "/a7/w.js",
            "collect_path": "/a7/q",
            "pixels": [{"code": code, "access_token": f"token-of-{code}"} for code in codes],
        }

    said = {"api_base": delivery._url, "linger_s": 0}
    settings = make_settings(folder, delivery=said, stores=[tell(STORE, pixels), tell(BOLT, [THIRD])])
    delivery.deliverer = Deliverer(settings, delivery.store, delivery.client, delivery.clock, random.Random(1))
    delivery.running = asyncio.create_task(delivery.deliverer.run())


async def queue(delivery: Delivery, where: Lane, count: int, name: str = "e") -> None:
    """So many events of one pixel wait to be sent."""
    sighting = Sighting(at_ms=delivery.clock.ms)
    for number in range(count):
        (event,) = delivery.make_events(1, event_id=f"{name}-{number}")
        queued = (Queued(where[1], event, delivery.clock.ms + 168 * 3_600_000),)
        await delivery.store.record(Receipt(where[0], ConsentMode.GRANTED, "a" * 32, sighting, "a" * 32, events=queued))


async def arrives_soon(delivery: Delivery, count: int) -> None:
    """The well one's events have arrived without the clock being turned."""
    async with asyncio.timeout(SOON_S):
        await delivery.tiktok.until(lambda: len(delivery.arrived(THIRD)) >= count, timeout_s=SOON_S)
    assert delivery.clock.ms == START_MS


BAD = {
    "hangs": Mood(hang=True, times=None),
    "drops": Mood(drop=True, times=None),
    "throttles": Mood(code=40100, retry_after_s=3600, times=None),
    "fails": Mood(status=500, times=None),
    "revokes": Mood(code=40105, times=None),
    "refuses all": Mood(code=40002, times=None),
}


@pytest.mark.parametrize("mood", BAD.values(), ids=BAD.keys())
async def test_a_sick_pixel_delays_neither_its_neighbour_nor_another_store(
    delivery: Delivery, tmp_path: Path, mood: Mood
):
    delivery.tiktok.moods.add(structs.replace(mood, pixel=PIXEL))
    await queue(delivery, SICK[0], 20)
    deliver_all(delivery, tmp_path, [PIXEL, OTHER])
    await delivery.tiktok.until(lambda: delivery.requests)
    await delivery.look_thrice()
    for part in range(3):
        await queue(delivery, WELL, 5, f"part {part}")
        await queue(delivery, SICK[1], 5, f"part {part}")
        await arrives_soon(delivery, 5 * (part + 1))
        await delivery.tiktok.until(lambda part=part: len(delivery.arrived(OTHER)) >= 5 * (part + 1), SOON_S)
    assert delivery.arrived(PIXEL) == []


async def test_two_hundred_pixels_that_hang_starve_nobody(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Neither connections nor threads nor the writer are used up by those who wait."""
    monkeypatch.setattr(lane, "BATCH", 1)
    codes = [f"C0SICK{number:014d}" for number in range(200)]
    delivery.tiktok.moods.add(*[Mood(hang=True, times=None, pixel=code) for code in codes])
    for code in codes:
        await queue(delivery, (STORE, code), lane.IN_FLIGHT)
    deliver_all(delivery, tmp_path, codes)
    await delivery.tiktok.until(lambda: len(delivery.requests) >= 200 * lane.IN_FLIGHT, timeout_s=SOON_S)
    await queue(delivery, WELL, 10)
    await arrives_soon(delivery, 10)


async def test_many_that_hang_hold_little_and_delay_nobody(
    delivery: Delivery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane, "BATCH", 20)
    for place in (lane, hands):
        monkeypatch.setattr(place, "FEW", 2)
    monkeypatch.setattr(hands, "SHARED", 50)
    codes = [f"C0SICK{number:014d}" for number in range(8)]
    delivery.tiktok.moods.add(*[Mood(hang=True, times=None, pixel=code) for code in codes])
    for code in codes:
        await queue(delivery, (STORE, code), 40)
    deliver_all(delivery, tmp_path, codes)
    await delivery.tiktok.until(lambda: len(delivery.requests) == 8 * lane.IN_FLIGHT, timeout_s=SOON_S)
    await delivery.look_thrice()
    assert len([row for row in await delivery.read_outbox() if row["lease"]]) == 50 + 8 * lane.IN_FLIGHT * 2
    await queue(delivery, WELL, 40)
    await arrives_soon(delivery, 40)


async def test_who_is_in_trouble_takes_little_until_it_is_well(delivery: Delivery, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lane, "BATCH", 20)
    monkeypatch.setattr(lane, "FEW", 2)
    monkeypatch.setattr(lane, "IN_FLIGHT", 1)
    delivery.tiktok.moods.add(Mood(status=500), Mood(status=500))
    await delivery.queue(*delivery.make_events(40))
    delivery.start()
    for settled in (20, 22):
        await delivery.settle_all(settled)
        delivery.clock.turn(300)
    await delivery.tiktok.until(lambda: len(delivery.arrived()) == 40)
    assert delivery.sizes == [20, 2, 2, 20, 18]

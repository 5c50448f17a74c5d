"""Runs a lane for every pixel, and looks every second for what has become due.

Started by `gateway.beside`; what the web side of this process queues wakes its lane at once, retries and the events of
other nodes are found by looking.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import Counter
from collections.abc import Callable

from gateway.clock import now_ms
from gateway.delivery.clock import CommonClock
from gateway.delivery.hands import Hands
from gateway.delivery.lane import LaneWorker
from gateway.delivery.retry import CAP_S
from gateway.errors import StoreUnavailable
from gateway.model.outcome import Fate
from gateway.settings import Settings
from gateway.store import Lane, Store
from gateway.tiktok.client import TikTokClient

log = logging.getLogger(__name__)

LOOK_S = 1.0

_CLOCKS_MS = 60_000
"""How far the clocks of nodes that take events in may be ahead: they date what they queue."""


class Deliverer:
    """Delivers everything that this installation's stores queue."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        client: TikTokClient,
        clock: Callable[[], int] = now_ms,
        chance: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = CommonClock(clock, store)
        self._stopping = asyncio.Event()
        self._looked_ms: float = math.inf
        self._longest_wait_ms = int(max(CAP_S, settings.delivery.purchase_hold_s) * 1000) + _CLOCKS_MS
        chance = chance or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        hands = Hands()
        self._workers = {
            (shop.id, pixel.code): LaneWorker(
                (shop.id, pixel.code), pixel, settings.delivery, store, client, self._clock, chance, hands
            )
            for shop in settings.stores
            for pixel in shop.pixels
        }

    async def run(self) -> None:
        """Returns after `stop`, with nothing in flight."""
        idle = list(self._workers.values())
        async with asyncio.TaskGroup() as lanes:
            while not self._stopping.is_set():
                await self._look()
                while idle and self._clock.is_known:  # or a lane might take what another node holds
                    lanes.create_task(idle.pop().run())
                await self._rest()

    def stop(self) -> None:
        """Nothing more is claimed."""
        self._stopping.set()
        for worker in self._workers.values():
            worker.stop()

    @property
    def paused(self) -> list[Lane]:
        """The pixels whose credentials TikTok refuses."""
        return [lane for lane, worker in self._workers.items() if worker.is_paused]

    def is_refused(self, lane: Lane) -> bool | None:
        """Whether TikTok refuses this pixel's credentials; None while it has accepted nothing from this process."""
        worker = self._workers[lane]
        return worker.is_paused or (False if worker.fates[Fate.ACCEPTED] else None)

    @property
    def ahead_ms(self) -> int | None:
        """How far this machine's clock is ahead of TikTok's by its last answer; below zero: behind; None before any.

        Or the database's, which delivery goes by, if that is worse.
        """
        newest = max(self._workers.values(), key=lambda worker: worker.told_s, default=None)
        if newest is None or newest.ahead_ms is None:
            return None
        return max(newest.ahead_ms, newest.ahead_ms - self._clock.skew_ms, key=abs)

    def fates(self, store_id: str) -> Counter[Fate]:
        """How many of this store's events have met each fate in this process."""
        mine = (worker.fates for lane, worker in self._workers.items() if lane[0] == store_id)
        return sum(mine, start=Counter[Fate]())

    async def _look(self) -> None:
        """Every lane with something due is woken."""
        try:
            await self._clock.compare()
            now_ms = self._clock()
            if now_ms < self._looked_ms:  # set back since the last look, or nobody knows since when
                await self._store.hasten(list(self._workers), now_ms, self._longest_wait_ms)
            self._looked_ms = now_ms
            for lane in await self._store.due_lanes(list(self._workers), now_ms):
                self._store.queued(lane).set()
        except StoreUnavailable as error:
            log.warning("cannot look for due events: %s", error)
        except Exception:  # a defect here would end every lane; so it is told, and the next look may do better
            log.exception("looking for due events failed")

    async def _rest(self) -> None:
        """Waits until the next look, or until told to stop."""
        try:
            async with asyncio.timeout(LOOK_S):
                await self._stopping.wait()
        except TimeoutError:
            return

"""Forgets by itself: once a day the serving gateway lets go of what [retention] says is old.

Run by `gateway.beside`, as delivery is. Every step is a short transaction of a few rows, and a pause follows it, so
that beacons never wait for it; stopped at any point, the next day goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.settings import Settings
from gateway.store import Store
from gateway.store import retention as forgetting
from gateway.store.sql import Cursor
from gateway.store.visits import forget_visits

log = logging.getLogger(__name__)

FIRST_S = 300.0
EVERY_S = 86_400.0
PAUSE_S = 0.05
STEP = 500
PAGE = 1000

_DAY_MS = 86_400_000
WEBHOOKS_DAYS = 8
"""Shopify tries a webhook for four hours (spec 1.2), and what comes later is known by its event's id; but whether
webhooks have stopped is judged by the week before (`gateway.delivery.troubles`)."""

Sleep = Callable[[float], Awaitable[object]]


class Retention:
    """Lets go of what is old. Units: `clock` gives Unix milliseconds."""

    def __init__(
        self, settings: Settings, store: Store, clock: Callable[[], int], sleep: Sleep = asyncio.sleep
    ) -> None:
        self._days = settings.retention
        self._lanes = {(shop.id, pixel.code) for shop in settings.stores for pixel in shop.pixels}
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._stripped: dict[str, str] = {}

    async def keep(self) -> None:
        """Runs until cancelled."""
        await self._sleep(FIRST_S)
        while True:
            try:
                swept = await self.sweep() if await self._store.leads() else {}
                if told := ", ".join(f"{count} {what}" for what, count in swept.items()):
                    log.info("let go of what is old: %s", told)
            except Exception:  # whatever it was, tomorrow is another day
                log.exception("letting go of what is old failed")
            await self._sleep(EVERY_S)

    async def sweep(self) -> Counter[str]:
        """Nothing older than [retention] says is left; how much went. Raises: StoreUnavailable."""
        swept: Counter[str] = Counter()
        for lane in await self._store.read(forgetting.find_lanes):
            if lane not in self._lanes:
                act = partial(forgetting.expire_stranded, store_id=lane[0], pixel_code=lane[1], now_ms=self._clock())
                swept["events without a pixel"] += await self._repeat(act)
        for store_id in await self._store.read(forgetting.find_stores):
            swept += await self._sweep_store(store_id)
        return +swept

    async def _sweep_store(self, store_id: str) -> Counter[str]:
        days, before_ms = self._days, self._before_ms
        webhooks = partial(forgetting.forget_webhooks, store_id=store_id, before_ms=before_ms(WEBHOOKS_DAYS))
        visits = partial(forget_visits, store_id=store_id)
        visitors = partial(forgetting.forget_visitors, store_id=store_id, before_ms=before_ms(days.visitors_days))
        return Counter({
            "events": await self._forget_events(store_id, before_ms(days.events_days)),
            "visits": await self._repeat(visits),
            "visitors": await self._repeat(visitors),
            "webhook ids": await self._repeat(webhooks),
            "events' devices": await self._strip_events(store_id, before_ms(days.ip_days)),
            "visitors' devices": await self._strip_visitors(store_id, before_ms(days.ip_days)),
        })  # fmt: skip

    def _before_ms(self, days: int) -> int:
        return self._clock() - days * _DAY_MS

    async def _repeat(self, act: Callable[..., int]) -> int:
        """The act was done until there was nothing left to do; how often it met something."""
        total = 0
        while done := await self._store.run(lambda cursor: act(cursor, limit=STEP)):
            total += done
            await self._sleep(PAUSE_S)
        return total

    async def _forget_events(self, store_id: str, before_ms: int) -> int:
        total, after = 0, ""
        while True:
            act = partial(forgetting.forget_events, store_id=store_id, before_ms=before_ms, after=after, limit=STEP)
            step = await self._store.run(act)
            total += step.done
            if step.after is None:
                return total
            after = step.after
            await self._sleep(PAUSE_S)

    async def _strip_events(self, store_id: str, before_ms: int) -> int:
        """What was stripped the day before is not looked at again, unless it had to be left because it still waited."""
        total, is_settled = 0, True
        after: str | None = self._stripped.get(store_id, "")
        while after is not None:
            find = partial(
                forgetting.find_event_devices, store_id=store_id, before_ms=before_ms, after=after, limit=PAGE
            )
            found = await self._store.read(find)
            if found.ids:
                total += await self._store.run(_strip(store_id, found.ids))
            if is_settled:
                self._stripped[store_id] = found.settled_to
                is_settled = found.settled_to == found.after
            after = found.after
            await self._sleep(PAUSE_S)
        return total

    async def _strip_visitors(self, store_id: str, before_ms: int) -> int:
        total, since_ms = 0, 0
        while True:
            find = partial(
                forgetting.find_visitor_devices, store_id=store_id, before_ms=before_ms, since_ms=since_ms, limit=STEP
            )
            ids, since_ms = await self._store.read(find)
            if not ids:
                return total
            strip = partial(forgetting.strip_visitors, store_id=store_id, before_ms=before_ms, ids=ids)
            total += await self._store.run(strip)
            await self._sleep(PAUSE_S)


def _strip(store_id: str, ids: tuple[str, ...]) -> Callable[[Cursor], int]:
    return partial(forgetting.strip_events, store_id=store_id, ids=ids)

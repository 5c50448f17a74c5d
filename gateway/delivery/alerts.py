"""The watch: looks twice a minute for what an operator must know, tells it once, and once more when it is over.

Run by `gateway.app` in every process that serves or delivers. What it sees goes into the database first, so that of
several processes one tells, and a restarted one knows what has been told (`gateway.store.alerts`).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx

from gateway.delivery.troubles import (
    MOST_AHEAD_MS,
    Cause,
    RejectWatch,
    is_backlogged,
    is_nearly_full,
    is_silent,
    to_sentence,
)
from gateway.delivery.worker import Deliverer, now_ms
from gateway.errors import StoreUnavailable
from gateway.settings import Settings, StoreSettings
from gateway.store import Store
from gateway.store.alerts import News, Trouble, find_webhook_days, note_told, note_troubles, take_news
from gateway.store.backlog import find_oldest_ms

log = logging.getLogger(__name__)

LOOK_S = 30.0
TIMEOUT_S = 10.0


class Watch:
    """Watches one installation. Units: `clock` gives Unix milliseconds; `measure` gives a disk's total and free bytes.

    Without a `deliverer` in this process it sees nothing of what TikTok answers; the process that delivers does.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        deliverer: Deliverer | None = None,
        clock: Callable[[], int] = now_ms,
        measure: Callable[[Path], tuple[int, int]] = lambda folder: shutil.disk_usage(folder)[::2],
    ) -> None:
        self._shops = settings.stores
        self._url = settings.alerts.webhook_url.get_secret_value()
        self._folder = settings.storage.file.parent if settings.storage.file else None
        self._store = store
        self._deliverer = deliverer
        self._clock = clock
        self._measure = measure
        self._rejects = {shop.id: RejectWatch(clock()) for shop in settings.stores}

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("cannot look for trouble: %s", error)
            except Exception:  # a defect here must not end the watch; so it is told, and the next look may do better
                log.exception("looking for trouble failed")

    async def look(self) -> None:
        """What is new has been told; what could not be told is told by a later look."""
        now_ms = self._clock()
        troubles = [trouble async for trouble in self._find(now_ms)]
        await self._store.run(lambda cursor: note_troubles(cursor, troubles, now_ms))
        for news in await self._store.run(lambda cursor: take_news(cursor, now_ms)):
            await self._tell(news, now_ms)

    async def _find(self, now_ms: int) -> AsyncIterator[Trouble]:
        if self._folder and is_nearly_full(*self._measure(self._folder)):
            yield "", Cause.DISK
        for trouble in self._find_in_delivery(now_ms):
            yield trouble
        for shop in self._shops:
            async for trouble in self._find_in_store(shop, now_ms):
                yield trouble

    def _find_in_delivery(self, now_ms: int) -> Iterator[Trouble]:
        if self._deliverer is None:
            return
        if abs(self._deliverer.ahead_ms) > MOST_AHEAD_MS:
            yield "", Cause.CLOCK
        for store_id, pixel_code in self._deliverer.paused:
            yield store_id, f"{Cause.CREDENTIALS} {pixel_code}"
        for store_id, rejects in self._rejects.items():
            if rejects.is_high(self._deliverer.fates(store_id), now_ms):
                yield store_id, Cause.REJECTS

    async def _find_in_store(self, shop: StoreSettings, now_ms: int) -> AsyncIterator[Trouble]:
        oldest_ms = await self._store.read(lambda connection: find_oldest_ms(connection, shop.id))
        if is_backlogged(oldest_ms, now_ms):
            yield shop.id, Cause.BACKLOG
        days = await self._store.read(lambda connection: find_webhook_days(connection, shop.id, now_ms))
        if is_silent(days):
            yield shop.id, Cause.WEBHOOKS

    async def _tell(self, news: News, now_ms: int) -> None:
        """The log and the webhook have it, and it is noted; or else it is left for a later look."""
        sentence = to_sentence(news)
        if self._url and (fault := await self._post(sentence)):
            log.warning("alerts.webhook_url took no message (%s); it is sent again", fault)
            return
        log.warning("%s", sentence)
        await self._store.run(lambda cursor: note_told(cursor, news, now_ms))

    async def _post(self, sentence: str) -> str:
        """Why the message was not taken; nothing when it was. The address is a secret, and stays out of it."""
        try:
            async with asyncio.timeout(TIMEOUT_S), await asyncio.to_thread(_build_http) as http:
                response = await http.post(self._url, json={"text": sentence})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return type(error).__name__
        return "" if response.is_success else f"HTTP {response.status_code}"


def _build_http() -> httpx.AsyncClient:
    """A client for one message, which reaches this machine without a proxy. Loading certificates takes its time."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, mounts={"all://127.0.0.1": None, "all://localhost": None})

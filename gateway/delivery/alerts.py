"""The watch: looks twice a minute for what an operator must know, tells it once, and once more when it is over.

Run by `gateway.beside` in every process that serves or delivers. What it sees goes into the database first, so that of
several processes one tells, and a restarted one knows what has been told (`gateway.store.alerts`).
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx

from gateway.clock import now_ms
from gateway.delivery.troubles import (
    Cause,
    RejectWatch,
    WriteWatch,
    is_backlogged,
    is_nearly_full,
    is_off,
    is_silent,
    to_sentence,
)
from gateway.delivery.worker import Deliverer
from gateway.errors import StoreUnavailable
from gateway.settings import Settings, StoreSettings
from gateway.store import Store
from gateway.store.alerts import (
    News,
    Trouble,
    claim_news,
    find_troubles,
    find_webhook_days,
    note_told,
    note_verdicts,
)
from gateway.store.backlog import find_oldest_ms

log = logging.getLogger(__name__)

LOOK_S = 30.0
TIMEOUT_S = 10.0


class Watch:
    """Watches one installation. Units: `clock` gives Unix milliseconds; `measure` gives a disk's total and free bytes.

    Without a `deliverer` in this process it cannot tell how TikTok answers; the process that delivers can.
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
        self._writes = WriteWatch()

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
        if not await self._takes_writes():
            return
        now_ms = self._clock()
        verdicts = {trouble: is_open async for trouble, is_open in self._judge(now_ms)}
        for news in await self._store.run(lambda cursor: note_verdicts(cursor, verdicts, now_ms)):
            if await self._store.run(partial(claim_news, news=news, now_ms=self._clock())):
                await self._tell(news)

    async def _takes_writes(self) -> bool:
        """Whether the database takes a write now; whoever must know that it does not has been told."""
        try:
            await self._store.check()
            is_failing = False
        except StoreUnavailable as error:
            log.warning("cannot look for trouble: %s", error)
            is_failing = True
        is_open = self._writes.judge(self._clock(), is_failing=is_failing)
        if is_open is not None and await self._say(to_sentence(News(("", Cause.WRITES), is_over=not is_open))):
            self._writes.note_told()
        return not is_failing

    async def _judge(self, now_ms: int) -> AsyncIterator[tuple[Trouble, bool | None]]:
        """Each trouble that there may be, and whether it is open; None where this process cannot tell."""
        if self._folder:
            yield ("", Cause.DISK), is_nearly_full(*self._measure(self._folder))
        yield ("", Cause.CLOCK), is_off(self._deliverer.ahead_ms) if self._deliverer else None
        for shop in self._shops:
            for verdict in self._judge_delivery(shop, now_ms):
                yield verdict
            yield (shop.id, Cause.BACKLOG), await self._judge_backlog(shop, now_ms)
            if shop.shopify:
                days = await self._store.read(partial(find_webhook_days, store_id=shop.id, now_ms=now_ms))
                yield (shop.id, Cause.WEBHOOKS), is_silent(days)

    def _judge_delivery(self, shop: StoreSettings, now_ms: int) -> Iterator[tuple[Trouble, bool | None]]:
        deliverer, rejects = self._deliverer, self._rejects[shop.id]
        for pixel in shop.pixels:
            yield _refuse(shop.id, pixel.code), deliverer.is_refused((shop.id, pixel.code)) if deliverer else None
        yield (shop.id, Cause.REJECTS), rejects.is_high(deliverer.fates(shop.id), now_ms) if deliverer else None

    async def _judge_backlog(self, shop: StoreSettings, now_ms: int) -> bool | None:
        """Whether an event waits too long for another reason than a refused token, which is told by itself.

        None when it is the token's fault alone: then nothing new is wrong, and nothing is well.
        """
        codes = [pixel.code for pixel in shop.pixels]
        if not await self._are_late(shop.id, codes, now_ms):
            return False
        troubles = await self._store.read(find_troubles)
        others = [code for code in codes if _refuse(shop.id, code) not in troubles]
        return await self._are_late(shop.id, others, now_ms) or None

    async def _are_late(self, store_id: str, codes: Sequence[str], now_ms: int) -> bool:
        oldest_ms = await self._store.read(lambda connection: find_oldest_ms(connection, store_id, *codes))
        return bool(codes) and is_backlogged(oldest_ms, now_ms)

    async def _tell(self, news: News) -> None:
        """Somebody has it, and it is noted; or else it is left for a later look."""
        if await self._say(to_sentence(news)):
            await self._store.run(partial(note_told, news=news, now_ms=self._clock()))

    async def _say(self, sentence: str) -> bool:
        """Whether the log and the webhook have it; what the webhook did not take is not in the log either."""
        if self._url and (fault := await self._post(sentence)):
            log.warning("alerts.webhook_url took no message (%s); it is sent again", fault)
            return False
        log.warning("%s", sentence)
        return True

    async def _post(self, sentence: str) -> str:
        """Why the message was not taken; nothing when it was. The address is a secret, and stays out of it."""
        try:
            async with asyncio.timeout(TIMEOUT_S), await asyncio.to_thread(_build_http) as http:
                response = await http.post(self._url, json={"text": sentence})
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return type(error).__name__
        return "" if response.is_success else f"HTTP {response.status_code}"


def _refuse(store_id: str, pixel_code: str) -> Trouble:
    return store_id, f"{Cause.CREDENTIALS} {pixel_code}"


def _build_http() -> httpx.AsyncClient:
    """A client for one message, which reaches this machine without a proxy. Loading certificates takes its time."""
    return httpx.AsyncClient(timeout=TIMEOUT_S, mounts={"all://127.0.0.1": None, "all://localhost": None})

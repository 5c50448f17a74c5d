"""One pixel's way out: claims its due events, sends them in batches, settles each. Lanes never wait for each other.

Run by `gateway.delivery.worker`; `gateway.tiktok.payload` builds its requests, `gateway.tiktok.client` sends them.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence

from uuid_utils import uuid7

from gateway.delivery.retry import backoff_s
from gateway.delivery.settlements import after_answer, screen
from gateway.errors import StoreUnavailable
from gateway.settings import DeliverySettings, PixelSettings
from gateway.store import Claimed, Lane, Settlement, Store
from gateway.tiktok.answers import Answer, Verdict
from gateway.tiktok.client import TikTokClient
from gateway.tiktok.payload import build_request

log = logging.getLogger(__name__)

BATCH = 1000
"""Events in one request. Source: TikTok spec 3.1."""

IN_FLIGHT = 4
"""Requests of one pixel under way at once: at 80 ms an answer, one alone would drain slower than beacons come in."""

PROBE_MS = 60_000
"""How often a pixel paused for its credentials is tried with one event. Source: contract 4.6."""

RENEW_AFTER_MS = 4_000
"""A lease older than this is renewed before sending: the request may take 10 s of its 15."""

_STORE_PATIENCE_S = 1.0


class LaneWorker:
    """Delivers one pixel's events until told to stop."""

    def __init__(
        self,
        lane: Lane,
        pixel: PixelSettings,
        delivery: DeliverySettings,
        store: Store,
        client: TikTokClient,
        clock: Callable[[], int],
        chance: random.Random,
    ) -> None:
        self.lane = lane
        self._pixel = pixel
        self._linger_s = delivery.linger_s
        self._store = store
        self._client = client
        self._clock = clock
        self._chance = chance
        self._lease = uuid7().hex
        self._signal = store.queued(lane)
        self._stopping = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._unsettled = 0
        self._failures = 0
        self._is_paused = False
        self._held_until_ms = 0

    @property
    def is_paused(self) -> bool:
        """TikTok refuses this pixel's credentials; one event a minute tries whether it still does."""
        return self._is_paused

    def stop(self) -> None:
        """Nothing more is claimed; what is in flight is finished by `run`."""
        self._stopping.set()
        self._signal.set()

    async def run(self) -> None:
        """Returns after `stop`, when every request under way has been answered and settled."""
        async with asyncio.TaskGroup() as requests:
            while not self._stopping.is_set():
                await self._signal.wait()
                self._signal.clear()
                await self._pause(self._linger_s)
                try:
                    await self._drain(requests)
                except StoreUnavailable as error:
                    log.warning("cannot claim for pixel of store %s: %s", self.lane[0], error)
                    await self._pause(_STORE_PATIENCE_S)

    async def _pause(self, seconds: float) -> None:
        """Waits so long, or until told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _drain(self, requests: asyncio.TaskGroup) -> None:
        """Everything due has been taken up, several requests at a time; or the lane is held back."""
        while not self._stopping.is_set() and self._may_claim():
            await self._slots.acquire()
            claimed: list[Claimed] = []
            try:
                if self._may_claim():
                    claimed = await self._store.claim(self.lane, self._lease, self._clock(), self._limit())
            finally:
                if not claimed:
                    self._slots.release()
            if not claimed:
                return
            request = requests.create_task(self._deliver(claimed))
            request.add_done_callback(lambda _: self._slots.release())
            if self._failures or self._is_paused:
                await asyncio.wait([request])

    def _may_claim(self) -> bool:
        return not self._unsettled and self._clock() >= self._held_until_ms

    def _limit(self) -> int:
        return 1 if self._is_paused or self._test_code() else BATCH

    def _test_code(self) -> str | None:
        """The test code while it is valid: a forgotten one would hide every conversion (TikTok spec 8)."""
        until = self._pixel.test_event_code_until
        if self._pixel.test_event_code and until and self._clock() < until.timestamp() * 1000:
            return self._pixel.test_event_code
        return None

    async def _deliver(self, claimed: Sequence[Claimed]) -> None:
        """Each claimed event is settled: kept back for a reason, or sent."""
        now_ms = self._clock()
        kept_back = {one.id: settlement for one in claimed if (settlement := screen(one, now_ms))}
        if kept_back:
            await self._settle(list(kept_back.values()))
        await self._send([one for one in claimed if one.id not in kept_back], now_ms)

    async def _send(self, batch: Sequence[Claimed], leased_ms: int) -> None:
        """The batch went out in one request, or in halves when one of its events spoils it for the others."""
        if not batch:
            return
        if self._clock() - leased_ms > RENEW_AFTER_MS:
            leased_ms = self._clock()
            await self._store.renew(self.lane, self._lease, [one.id for one in batch], leased_ms)
        events = [one.event for one in batch]
        body = await asyncio.to_thread(build_request, self.lane[1], events, self._test_code())
        sent_ms = self._clock()
        answer = await self._client.send(self._pixel.access_token.get_secret_value(), body)
        if answer.verdict is Verdict.REJECT and len(batch) > 1:
            middle = len(batch) // 2
            await self._send(batch[:middle], leased_ms)
            await self._send(batch[middle:], leased_ms)
            return
        self._heed(answer)
        now_ms = self._clock()
        await self._settle([after_answer(one, answer, sent_ms, now_ms, self._held_until_ms) for one in batch])

    def _heed(self, answer: Answer) -> None:
        """The lane flows after a success or a single bad event, and is held back after anything else."""
        if answer.verdict in (Verdict.ACCEPTED, Verdict.REJECT):
            if self._is_paused:
                log.warning("store %s: TikTok takes this pixel's credentials again", self.lane[0])
            self._failures, self._is_paused, self._held_until_ms = 0, False, 0
            return
        self._failures += 1
        wait_ms = int(max(backoff_s(self._failures, self._chance), answer.retry_after_s or 0) * 1000)
        if answer.verdict is Verdict.PAUSE:
            wait_ms = PROBE_MS
            if not self._is_paused:
                log.error("store %s: TikTok refuses this pixel's credentials (code %s)", self.lane[0], answer.code)
            self._is_paused = True
        self._held_until_ms = max(self._held_until_ms, self._clock() + wait_ms)

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        """The settlements are on disk, however long that takes: while they are not, nothing more is claimed."""
        self._unsettled += 1
        try:
            while True:
                try:
                    return await self._store.settle(self.lane[0], self._lease, settlements)
                except StoreUnavailable as error:
                    log.warning("cannot settle %d events of store %s: %s", len(settlements), self.lane[0], error)
                    await asyncio.sleep(_STORE_PATIENCE_S)
        finally:
            self._unsettled -= 1

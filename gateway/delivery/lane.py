"""One pixel's way out: claims its due events, sends them in batches, settles each. Lanes never wait for each other.

Run by `gateway.delivery.worker`; `gateway.tiktok.payload` builds its requests, `gateway.tiktok.client` sends them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from uuid_utils import uuid7

from gateway.delivery.hands import FEW, Hands
from gateway.delivery.packing import Packed, pack
from gateway.delivery.retry import CAP_S, Pace
from gateway.delivery.settlements import after_answers, put_back
from gateway.errors import StoreUnavailable
from gateway.model.outcome import Fate
from gateway.settings import DeliverySettings, PixelSettings
from gateway.signals.metrics import DeliveryTally
from gateway.store import Claimed, Lane, Settlement, Store
from gateway.tiktok.answers import Answer, Verdict
from gateway.tiktok.client import TikTokClient
from gateway.tiktok.payload import build_request

T = TypeVar("T")
log = logging.getLogger(__name__)

BATCH = 500
"""Events in one request, half of what TikTok takes (spec 3.1): so that one request is built and another settled while a
third is answered, even when no more than a thousand wait."""

IN_FLIGHT = 3
"""Requests of one pixel under way at once. More would only hold more events in memory: at 80 ms an answer, three full
ones drain 18,000 events a second."""

RENEW_AFTER_MS = 4_000
"""A lease older than this is renewed before sending: the request may take 10 s of its 15."""

_PATIENCE_S = 1.0
"""How long a lane waits after trouble of our own, such as a database that takes no writes."""


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
        hands: Hands,
    ) -> None:
        self.lane = lane
        self._pixel = pixel
        self._linger_s = delivery.linger_s
        self._store = store
        self._client = client
        self._clock = clock
        self._hands = hands
        self._pace = Pace(chance)
        self._lease = uuid7().hex
        self._signal = store.queued(lane)
        self._stopping = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._stuck = 0
        self._under_way: set[str] = set()
        self._tally = DeliveryTally(lane[0])
        self.fates: Counter[Fate] = Counter()
        """How many events this process has seen meet each fate."""
        self.ahead_ms: int | None = None
        """How far this machine was ahead of TikTok at the last answer, at the least: that may have taken seconds."""
        self.told_s = 0.0
        """When that was, by a clock that nobody sets."""

    @property
    def is_paused(self) -> bool:
        """TikTok refuses this pixel's credentials; one event a minute tries whether it still does."""
        return self._pace.is_paused

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
                await self._rest(self._linger_s)
                await self._survive(partial(self._drain, requests))

    async def _survive(self, step: Callable[[], Awaitable[None]]) -> None:
        """The step is done; or its trouble is told and the lane held back a moment, for no fault may end a lane.

        Nothing is lost by it: what a failed step had claimed is due again when its lease ends.
        """
        try:
            await step()
        except StoreUnavailable as error:
            log.warning("cannot deliver for store %s: %s", self.lane[0], error)
            self._pace.hold(self._clock(), _PATIENCE_S)
        except Exception:
            log.exception("a delivery for store %s failed", self.lane[0])
            self._pace.hold(self._clock(), _PATIENCE_S)

    async def _rest(self, seconds: float) -> None:
        """Waits so long, or until told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _drain(self, requests: asyncio.TaskGroup) -> None:
        """Everything due has been taken up, several requests at a time; or the lane is held back.

        A batch that is not full ends it: what has come in meanwhile lingers, or every few events would cost a request.
        """
        is_full = True
        while is_full and self._may_claim():
            await self._slots.acquire()
            claimed: list[Claimed] = []
            now_ms, limit = self._clock(), self._hands.reach(self._limit())
            try:
                if self._may_claim():
                    claimed = await self._claim(now_ms, limit)
            finally:
                self._hands.let_go(limit, kept=len(claimed))
                if not claimed:
                    self._slots.release()
            if not claimed:
                return
            self._under_way.update(one.id for one in claimed)
            request = requests.create_task(self._survive(partial(self._deliver, claimed, now_ms)))
            request.add_done_callback(partial(self._finish, claimed))
            is_full = len(claimed) == limit
            if self._pace.is_troubled:
                await asyncio.wait([request])

    def _finish(self, claimed: Sequence[Claimed], _request: asyncio.Task[None]) -> None:
        self._under_way.difference_update(one.id for one in claimed)
        self._hands.let_go(len(claimed))
        self._slots.release()

    async def _claim(self, now_ms: int, limit: int) -> list[Claimed]:
        """Up to so many due events, none of which was under way: a clock set forward ends a lease before its time."""
        under_way = frozenset(self._under_way)  # some of it may be settled before its rows, read earlier, are here
        claimed = await self._store.claim(self.lane, self._lease, now_ms, limit)
        return [one for one in claimed if one.id not in under_way]

    def _may_claim(self) -> bool:
        return self._may_send() and not self._stuck

    def _may_send(self) -> bool:
        return not self._stopping.is_set() and not self._pace.is_held(self._clock())

    def _limit(self) -> int:
        """How many events the next request may have; after trouble but few, for it may meet the same."""
        if self.is_paused or self._test_code():
            return 1
        return min(FEW, BATCH) if self._pace.is_troubled else BATCH

    def _test_code(self) -> str | None:
        """The test code while it is valid: a forgotten one would hide every conversion (TikTok spec 8)."""
        return self._pixel.test_code_at(datetime.fromtimestamp(self._clock() / 1000, UTC))

    async def _deliver(self, claimed: Sequence[Claimed], leased_ms: int) -> None:
        """Each claimed event is settled: kept back for a reason, or sent."""
        packed, kept_back = await asyncio.to_thread(pack, self.lane[0], claimed, self._clock())
        if kept_back:
            await self._settle(kept_back)
        if packed:
            await self._send(packed, leased_ms)

    async def _send(self, batch: Sequence[Packed], leased_ms: int) -> None:
        """The batch went out in one request, or in ever smaller ones while TikTok refuses the whole for one of them.

        What has not been sent when the lane is held back, told to stop or its clock is set back is put back.
        """
        waiting: list[Sequence[Packed]] = [batch]
        while waiting and self._may_send():
            age_ms = self._clock() - leased_ms
            if age_ms < 0:
                break  # the clock was set back: what it has dated since lies ahead, and is to be packed anew
            if age_ms > RENEW_AFTER_MS:
                waiting, leased_ms = await self._renew(waiting)
                continue  # and once more, if that took long: the database may have been away
            part = waiting.pop()
            sent_ms, test_code = self._clock(), self._test_code()
            answer = await self._ask(part, test_code)
            self._tally.answer(answer.verdict, (self._clock() - sent_ms) / 1000)
            if answer.verdict is Verdict.REJECT and len(part) > 1:
                waiting += _halve(part)
                continue
            self._heed(answer, sent_ms)
            now_ms = self._clock()
            due_ms = self._find_due_ms(now_ms)
            is_test = bool(test_code)
            await self._settle(after_answers(part, answer, sent_ms, now_ms, due_ms, is_test=is_test))
            if answer.verdict is Verdict.ACCEPTED:
                self._tally.arrive(now_ms - one.received_ms for one in part)
        if waiting:
            now_ms = self._clock()
            due_ms = self._find_due_ms(now_ms)
            await self._settle([put_back(one, now_ms, due_ms) for part in waiting for one in part])

    def _find_due_ms(self, now_ms: int) -> int:
        """When what was not accepted may go again: a longer hold is the lane's to remember, not the outbox's.

        So what is due later than any wait we give was written by a clock that has been set back since.
        """
        return min(max(now_ms, self._pace.held_until_ms), now_ms + int(CAP_S * 1000))

    async def _renew(self, waiting: Sequence[Sequence[Packed]]) -> tuple[list[Sequence[Packed]], int]:
        """What of these is still this lane's, and when it was leased anew, Unix milliseconds.

        The rest is another node's, for which the lease had ended, or was erased: it must not be sent from here.
        """
        now_ms, ids = self._clock(), [one.id for part in waiting for one in part]
        held = await self._insist(lambda: self._store.renew(self.lane, self._lease, ids, now_ms))
        parts = ([one for one in part if one.id in held] for part in waiting)
        return [part for part in parts if part], now_ms

    async def _ask(self, part: Sequence[Packed], test_code: str | None) -> Answer:
        """What TikTok says to these events in one request."""
        body = build_request(self.lane[1], [one.data for one in part], test_code)
        return await self._client.send(self._pixel.access_token.get_secret_value(), body)

    def _heed(self, answer: Answer, sent_ms: int) -> None:
        was_paused = self.is_paused
        if answer.told_ms is not None:
            self.ahead_ms = max(sent_ms - answer.told_ms, 0) or min(self._clock() - answer.told_ms, 0)
            self.told_s = time.monotonic()
        self._pace.heed(answer, sent_ms, self._clock())
        if self.is_paused and not was_paused:
            log.error("store %s: TikTok refuses this pixel's credentials (code %s)", self.lane[0], answer.code)
        elif was_paused and not self.is_paused:
            log.warning("store %s: TikTok takes this pixel's credentials again", self.lane[0])

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
        """The settlements are on disk."""
        await self._insist(lambda: self._store.settle(self.lane[0], self._lease, settlements))
        fates = [one.fate for one in settlements if one.fate]
        self.fates.update(fates)
        self._tally.settle(fates)

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """The write is on disk, however long that takes: while it is not, nothing more is claimed."""
        is_stuck = False
        try:
            while True:
                try:
                    return await write()
                except StoreUnavailable as error:
                    if not is_stuck:
                        log.warning("what was delivered for store %s cannot be noted: %s", self.lane[0], error)
                        is_stuck = True
                        self._stuck += 1
                    await asyncio.sleep(_PATIENCE_S)
        finally:
            self._stuck -= is_stuck


def _halve(part: Sequence[Packed]) -> list[Sequence[Packed]]:
    """The two halves, the first one last, for that is taken next."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]]

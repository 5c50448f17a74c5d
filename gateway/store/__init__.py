"""The only place that knows SQL. `Store` is what the layers above see: record, claim, settle, read.

The web side and the delivery side meet here and nowhere else: what one records, the other claims.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from gateway.errors import StoreUnavailable
from gateway.store import outbox, postgresql, sql
from gateway.store.checkpoints import Checkpointer
from gateway.store.database import Follow, is_sqlite, migrate, only_unavailable, open_cursor, open_engine
from gateway.store.drops import Drops
from gateway.store.leader import Leader
from gateway.store.receipt import Claimed, Receipt, Recorded, Settlement
from gateway.store.sqlite import Lock
from gateway.store.writer import Writer

T = TypeVar("T")
log = logging.getLogger(__name__)

Lane = tuple[str, str]
"""store_id and pixel_code: what is delivered together."""

READERS = 4
"""What is read at once; the rest waits."""

CHECK_S = 2.0
"""A database that takes longer to answer takes no beacons either."""


class Store:
    """A database, opened, migrated and held by this process. `follow` is where a migration tells how far it is.

    Raises: StoreLocked when another gateway has it, StoreUnavailable when it cannot be opened.
    """

    def __init__(self, url: str, follow: Follow | None = None) -> None:
        self._engine = open_engine(url)
        self._threads = ThreadPoolExecutor(READERS, "store")
        self._lock = Lock(Path(self._engine.url.database or "")) if is_sqlite(self._engine) else None
        try:
            migrate(self._engine, follow)
        except BaseException:
            self._let_go()
            raise
        self._writer = Writer(open_engine(url, writes=True), Checkpointer(self._engine))
        self._signals: dict[Lane, asyncio.Event] = {}
        self._drops = Drops(partial(self._writer.run, leaves_visitors=True))
        self._leader = Leader(self._engine)

    async def start(self, now_ms: int) -> None:
        """Ready to record; what a dead predecessor had claimed is due again, once its lease ends where nodes share."""
        self._writer.start()
        if self._lock:
            await self._writer.run(lambda cursor: outbox.free_leases(cursor, now_ms))

    async def stop(self, within_s: float | None = None) -> None:
        """Everything handed in is on disk, and another process may open the database.

        What a database that hangs has not written by then was acknowledged to nobody. It is left as it is: the lock,
        like the thread that may yet write, ends with the process.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._drops.stop()
                await self._writer.stop()
        except TimeoutError:
            log.error("the database does not end what it has begun to write; nobody was told that it is stored")
            return
        await asyncio.to_thread(self._leader.resign)
        self._let_go()

    def _let_go(self) -> None:
        self._threads.shutdown(wait=False)
        self._engine.dispose()
        if self._lock:
            self._lock.release()

    def queued(self, lane: Lane) -> asyncio.Event:
        """Set whenever this process queues an event for this lane; the one who waits clears it."""
        if not (signal := self._signals.get(lane)):
            signal = self._signals[lane] = asyncio.Event()
        return signal

    async def record(self, receipt: Receipt) -> Recorded:
        """The receipt is durably stored. Raises: StoreUnavailable when it is not."""
        recorded = await self._writer.record(receipt)
        if recorded.queued:
            for queued in receipt.events:
                self.queued((receipt.store_id, queued.pixel_code)).set()
        return recorded

    def note_dropped(self, store_id: str, source: str, reason: str, at_ms: int, events: int = 1) -> None:
        """So many events were deliberately not kept. Units: `at_ms` Unix milliseconds."""
        self._drops.note(store_id, source, reason, at_ms, events)

    async def claim(self, lane: Lane, lease: str, now_ms: int, limit: int) -> list[Claimed]:
        """Up to `limit` due events of one lane, leased for 15 s; fewer when the database fails half-way.

        Raises: StoreUnavailable when none could be claimed.
        """
        claimed: list[Claimed] = []
        while len(claimed) < limit:
            most = min(self._step, limit - len(claimed))
            claim = partial(outbox.claim, store_id=lane[0], pixel_code=lane[1], lease=lease, now_ms=now_ms, limit=most)
            try:
                found = await self._writer.run(claim, leaves_visitors=True)
            except StoreUnavailable:
                if claimed:
                    break  # these are leased, and so would be taken for sent
                raise
            step = outbox.to_claimed(found)
            claimed += step
            if len(step) < most:
                break
        return claimed

    @property
    def _step(self) -> int:
        return outbox.STEP_BESIDE if self._writer.is_busy else outbox.STEP

    async def renew(self, lane: Lane, lease: str, ids: Sequence[str], now_ms: int) -> set[str]:
        """The lease on these events holds for another 15 s; those for which it does, the others are lost."""
        renew = partial(outbox.renew, store_id=lane[0], lease=lease, ids=ids, now_ms=now_ms)
        return await self._writer.run(renew, leaves_visitors=True)

    async def settle(self, store_id: str, lease: str, settlements: Sequence[Settlement]) -> None:
        """The fate, or the next due time, of each claimed event is durably stored."""
        left = settlements
        while left:
            size = self._step
            step, left = left[:size], left[size:]
            settle = partial(outbox.settle, store_id=store_id, lease=lease, settlements=step)
            await self._writer.run(settle, leaves_visitors=True)

    async def hasten(self, lanes: Sequence[Lane], now_ms: int, longest_ms: int) -> None:
        """What of these lanes would wait longer than so, for a clock that was ahead, is due in 15 s."""

        def work(cursor: sql.Cursor) -> None:
            for lane in lanes:
                outbox.hasten(cursor, *lane, now_ms, longest_ms)

        await self._writer.run(work)

    async def run(self, work: Callable[[sql.Cursor], T]) -> T:
        """`work` ran in a transaction of its own or of others, and is durably stored. Raises: StoreUnavailable."""
        return await self._writer.run(work)

    async def due_lanes(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        """Those of these lanes that have something to send now."""

        def find(connection: Connection) -> list[Lane]:
            cursor = open_cursor(connection)
            return [lane for lane in lanes if outbox.is_due(cursor, *lane, now_ms)]

        return await asyncio.to_thread(self._read, find)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` finds on a reading connection, off the event loop. Raises: StoreUnavailable.

        In a thread of the store's own: slow reports take none from delivery, which has asyncio's.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with only_unavailable(self._engine), self._engine.connect() as connection:
            return work(connection)

    async def find_skew(self, clock: Callable[[], int]) -> tuple[int, int]:
        """How far the database's clock is ahead of this one, and by how much that may be wrong; on SQLite they are one.

        Units: milliseconds; `clock` gives Unix milliseconds. Raises: StoreUnavailable.
        """
        if self._lock:
            return (0, 0)
        return await asyncio.to_thread(self._read, partial(postgresql.find_skew, clock=clock))

    async def leads(self) -> bool:
        """Whether this process is to do what one of all need do. Raises: StoreUnavailable."""
        return await asyncio.to_thread(self._leader.leads)

    async def check(self) -> None:
        """The database takes a write right now. Raises: StoreUnavailable with the reason."""
        try:
            async with asyncio.timeout(CHECK_S):
                await self._writer.run(lambda cursor: cursor.execute(sql.TOUCH, ()))
        except TimeoutError:
            raise StoreUnavailable(f"the database does not answer within {CHECK_S:g} s") from None


__all__ = ["Claimed", "Lane", "Receipt", "Recorded", "Settlement", "Store"]

"""The one thread that writes: everything that arrives while a commit is under way shares the next one (group commit).

Requests hand it receipts, delivery hands it functions; each is answered only after its own commit has returned. No
timer: an idle writer commits at once, a busy one collects what arrives meanwhile and what the event loop can read now.
A request hears in time that its commit has not: a disk or a standby that stalls says nothing, for as long as it likes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy import Engine, PoolProxiedConnection

from gateway.errors import StoreUnavailable
from gateway.signals.metrics import COMMIT_FAILURES, COMMIT_JOBS, COMMIT_SECONDS
from gateway.store.checkpoints import Checkpointer
from gateway.store.database import TryAgain, begin, is_sqlite, only_unavailable
from gateway.store.known import MOST, Known
from gateway.store.receipt import Receipt, Recorded
from gateway.store.record import record_all
from gateway.store.sql import Cursor

T = TypeVar("T")
log = logging.getLogger(__name__)

QUEUE_LIMIT = 10_000
"""Jobs waiting before the writer says no: bounded memory under any load. Each waits on a connection of its own, so that
there must be fewer than `gateway.app.MOST_FILES`, or no connection is left to be told no on."""

PATIENCE_S = 3.5
"""How long a receipt waits for its commit. Of those who send, Shopify has the least patience, 5 s for a delivery with
its way here and back (Shopify spec 1); a browser would wait for minutes, and hold back what its page does next."""

LOOK_S = 0.5
"""How often the writer looks for receipts that have waited too long: to do so for each would cost more than a timer."""

BATCH_LIMIT = 512
"""Jobs in one transaction: bounds how long the first of them waits for the last."""

FUNCTIONS_S = 0.005
"""How long functions may take beside receipts; the next transaction has the rest. Claiming or settling a full step
takes longer than the receipts of everybody who waits, and all of them would wait for two."""

BUSY, BUSY_S = 4, 1.0
"""Jobs in a transaction from which on the writer counts as busy, and for how long it then does."""

MOST_WAIT_S = 0.02
"""For an event loop that is busy with something else."""

QUIET_ROUNDS = 4
"""Rounds of the event loop that bring nothing new, after which all that waited has been read: what one round reads off
the connections is handed in by the next."""

TRIES = 4
"""How often a transaction that may work at once the next time is begun: two nodes that meet twice are rare."""


_LATER = object()
"""The result of a function that has not run yet."""


class _Job(Struct):
    work: Receipt | Callable[[Cursor], Any]
    done: asyncio.Future[Any]
    since_s: float
    is_receipt: bool
    leaves_visitors: bool


class Writer:
    """Owns the writing connection: the engine is its own. Start it on the event loop that will wait for its answers."""

    def __init__(self, engine: Engine, checkpointer: Checkpointer | None = None) -> None:
        self._engine = engine
        self._checkpointer = checkpointer
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._left: list[_Job] = []  # functions that the last transaction had no time for
        self._unanswered: deque[_Job] = deque()  # receipts in the order of their answers, the first waits the longest
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._is_open = False
        self._connection: PoolProxiedConnection | None = None
        self._known = Known(MOST if is_sqlite(engine) else 0)
        self._is_failing = False
        self._is_late = False
        self._busy_until_s = 0.0

    def start(self) -> None:
        """Jobs are taken from now on."""
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._thread.start()
        self._look()

    async def stop(self) -> None:
        """Every job handed in before is answered, later ones are refused, and the writing connection is closed."""
        if self._is_open:
            self._is_open = False
            self._jobs.put(None)
        if self._loop:
            await self._ended.wait()  # and not for the thread, which nobody could stop waiting for

    @property
    def is_busy(self) -> bool:
        """Whether many receipts share a transaction, a moment ago at least."""
        return time.monotonic() < self._busy_until_s

    @property
    def waiting(self) -> int:
        """Jobs not yet taken into a transaction."""
        return self._jobs.qsize() + len(self._left)

    def record(self, receipt: Receipt) -> Awaitable[Recorded]:
        """The receipt is on disk once this was awaited.

        Raises: StoreUnavailable when it is not, or not in time; the client should try again. What is on disk all the
        same, because its transaction had begun, is found by its event ids then.
        """
        return self._submit(receipt, leaves_visitors=True)

    async def run(self, work: Callable[[Cursor], T], *, leaves_visitors: bool = False) -> T:
        """`work` ran in a transaction that is on disk; its value. `leaves_visitors`: it changes none of them.

        Raises: StoreUnavailable when nothing was written; whatever `work` raised.
        """
        result: T = await self._submit(work, leaves_visitors=leaves_visitors)
        return result

    def _submit(self, work: Receipt | Callable[[Cursor], Any], *, leaves_visitors: bool) -> asyncio.Future[Any]:
        if self._loop is None or not self._is_open:
            raise StoreUnavailable("the writer is not running")
        if self._jobs.qsize() >= QUEUE_LIMIT:
            raise StoreUnavailable("more is waiting to be written than the database takes")
        is_receipt = isinstance(work, Receipt)
        job = _Job(work, self._loop.create_future(), time.monotonic(), is_receipt, leaves_visitors)
        if is_receipt:
            self._unanswered.append(job)
        self._jobs.put(job)
        return job.done

    def _look(self) -> None:
        """Receipts that have waited too long are refused, and written no more if no transaction has them yet.

        Only receipts: whoever hands in a function does not know what has become of it, and some must know.
        """
        assert self._loop is not None  # noqa: S101 - start() calls it
        since_s = time.monotonic() - PATIENCE_S
        old = takewhile(lambda job: job.since_s < since_s, self._unanswered)
        late = [job for job in old if not job.done.done()]
        for job in late:
            job.work = _nothing  # lets go of what is in it: the request no longer counts in what all have in hand
            job.done.set_exception(StoreUnavailable(f"not on disk within {PATIENCE_S:g} s"))
        if late and not self._is_late:
            log.error("the database takes longer than %g s for a write: requests are told to come again", PATIENCE_S)
        self._is_late = bool(late)
        if self._thread.is_alive():
            self._loop.call_later(LOOK_S, self._loop.call_soon, self._look)  # after the answers that wait to be given

    def _run(self) -> None:
        assert self._loop is not None  # noqa: S101 - start() came before
        is_open = True
        try:
            while is_open or self._left:
                batch, is_open = self._collect(is_open)
                if sum(job.is_receipt for job in batch) >= BUSY:
                    self._busy_until_s = time.monotonic() + BUSY_S
                if batch:
                    self._finish(batch, self._commit(batch))
                if self.is_busy and is_open:
                    self._let_arrive()
        finally:
            self._is_open = False
            try:
                self._let_go()
                self._engine.dispose()
                if self._checkpointer:
                    self._checkpointer.stop()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has closed, and nobody waits any more
                    self._loop.call_soon_threadsafe(self._ended.set)

    def _let_arrive(self) -> None:
        """The event loop has read all that was waiting for it: under load, many a beacon more for the next commit.

        A commit costs much the same however much is in it, and while it is made, the loop and this thread fight for the
        interpreter. An idle writer never waits; a busy one for rounds of the loop, until some bring nothing.
        """
        assert self._loop is not None  # noqa: S101 - start() came before any job
        arrived = threading.Event()
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._watch, -1, QUIET_ROUNDS, time.monotonic() + MOST_WAIT_S, arrived)
            arrived.wait(MOST_WAIT_S)

    def _watch(self, seen: int, quiet_rounds: int, until_s: float, arrived: threading.Event) -> None:
        """Runs on the loop, once a round: so the writer is woken once, however many rounds that takes."""
        assert self._loop is not None  # noqa: S101 - only the loop calls it
        waiting = self._jobs.qsize()
        quiet_rounds = QUIET_ROUNDS if waiting > seen else quiet_rounds - 1
        if quiet_rounds and time.monotonic() < until_s:
            self._loop.call_soon(self._watch, waiting, quiet_rounds, until_s, arrived)
        else:
            arrived.set()

    def _collect(self, is_open: bool) -> tuple[list[_Job], bool]:
        """All that waits now, at least one job; False with it when no more will come."""
        batch, self._left = self._left, []
        with contextlib.suppress(queue.Empty):
            while is_open and len(batch) < BATCH_LIMIT:
                job = self._jobs.get_nowait() if batch else self._jobs.get()
                if job is None:
                    return batch, False
                batch.append(job)
        return batch, is_open

    def _commit(self, batch: Sequence[_Job]) -> list[Any]:
        """One result a job, after the commit; a failure is returned as the exception itself."""
        try:
            started_s = time.perf_counter()
            results = self._persist(batch)
            COMMIT_SECONDS.observe(time.perf_counter() - started_s)
            COMMIT_JOBS.observe(len(batch))
            self._tell(None)
            return results
        except StoreUnavailable as error:
            COMMIT_FAILURES.inc()
            self._tell(error)
            return [StoreUnavailable(str(error)) for _ in batch]
        except Exception as error:  # one job's fault must not take its neighbours down: halving finds it
            if len(batch) > 1:
                middle = len(batch) // 2
                return self._commit(batch[:middle]) + self._commit(batch[middle:])
            log.exception("a write failed")
            return [error]

    def _persist(self, batch: Sequence[_Job]) -> list[Any]:
        """The batch is on disk, if need be at a later try."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(TryAgain):
                return self._transact(batch)
        return self._transact(batch)

    def _transact(self, batch: Sequence[_Job]) -> list[Any]:
        connection = self._connect()
        try:
            with only_unavailable(self._engine):
                results = _work(begin(self._engine, connection), batch, self._known)
                connection.commit()
        except BaseException as error:
            self._known.clear()
            self._undo(connection, is_sound=isinstance(error, TryAgain) or not isinstance(error, StoreUnavailable))
            raise
        if self._checkpointer:
            self._checkpointer.look(connection)
        return results

    def _connect(self) -> PoolProxiedConnection:
        """The thread's connection, opened if need be. Raises: StoreUnavailable, which is no reason to insist."""
        try:
            with only_unavailable(self._engine):
                self._connection = self._connection or self._engine.raw_connection()
                return self._connection
        except TryAgain as error:
            raise StoreUnavailable(str(error)) from error

    def _undo(self, connection: PoolProxiedConnection, *, is_sound: bool) -> None:
        """Nothing of the transaction is left; a connection that may be at fault is not used again."""
        try:
            connection.rollback()
        except Exception:
            is_sound = False
        if not is_sound:
            self._let_go()

    def _let_go(self) -> None:
        """The thread's connection is closed: the next transaction starts on a fresh one."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _tell(self, error: StoreUnavailable | None) -> None:
        """The log has a line when writing begins to fail and one when it works again, however many jobs that meets."""
        if error and not self._is_failing:
            log.error("the database takes no writes: %s", error)
        elif self._is_failing and not error:
            log.warning("the database takes writes again")
        self._is_failing = error is not None

    def _finish(self, batch: Sequence[_Job], results: Sequence[Any]) -> None:
        """What has run is answered, and what has not is the first of the next transaction."""
        assert self._loop is not None  # noqa: S101 - start() came before any job
        self._left = [job for job, result in zip(batch, results, strict=True) if result is _LATER]
        try:
            self._loop.call_soon_threadsafe(self._resolve, batch, results)
        except RuntimeError:
            log.warning("%d writes were committed after the event loop had closed", len(batch) - len(self._left))

    def _resolve(self, batch: Sequence[_Job], results: Sequence[Any]) -> None:
        for job, result in zip(batch, results, strict=True):
            if job.is_receipt:
                self._unanswered.popleft()
            if result is _LATER or job.done.done():  # nobody waits for it any more
                continue
            if isinstance(result, BaseException):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)


def _work(cursor: Cursor, batch: Sequence[_Job], known: Known) -> list[Any]:
    """Receipts first, all at once; then each function in order, beside receipts no more than there is time for."""
    works = [job.work for job in batch]  # read once: the event loop may let go of one at any time
    receipts = [work for work in works if isinstance(work, Receipt)]
    known.begin(cursor)
    recorded = iter(record_all(cursor, receipts, known) if receipts else ())
    until_s = time.perf_counter() + FUNCTIONS_S if receipts else math.inf
    results: list[Any] = []
    for job, work in zip(batch, works, strict=True):
        if isinstance(work, Receipt):
            results.append(next(recorded))
        elif time.perf_counter() < until_s:
            results.append(work(cursor))
            if not job.leaves_visitors:
                known.clear()
        else:
            results.append(_LATER)
    return results


def _nothing(_cursor: Cursor) -> None:
    """What is left to do for a receipt that was refused."""

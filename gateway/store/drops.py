"""Drops: events that were deliberately not kept, counted in memory and written down every few seconds.

Owned by `gateway.store.Store`. What is dropped costs no write of its own; what a killed process had not yet written
down is lost, and so is what the database refuses: it is a count, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.errors import StoreUnavailable
from gateway.store.rollups import HOUR_MS, add_drops
from gateway.store.sql import Cursor

FLUSH_S = 10.0


class Drops:
    """`run` does a writer's work. Used on the event loop alone."""

    def __init__(self, run: Callable[[Callable[[Cursor], None]], Awaitable[None]]) -> None:
        self._run = run
        self._counts: Counter[tuple[str, int, str, str]] = Counter()
        self._flushing: asyncio.Task[None] | None = None

    def note(self, store_id: str, source: str, reason: str, at_ms: int, events: int) -> None:
        """So many events more were dropped; it will be written down within `FLUSH_S`."""
        if events:
            self._counts[store_id, at_ms - at_ms % HOUR_MS, source, reason] += events
            if self._flushing is None:
                self._flushing = asyncio.create_task(self._flush_soon(), name="drops")

    async def _flush_soon(self) -> None:
        await asyncio.sleep(FLUSH_S)
        self._flushing = None
        await self.flush()

    async def flush(self) -> None:
        """All that was noted is written down, or lost."""
        counts, self._counts = self._counts, Counter()
        if counts:
            with contextlib.suppress(StoreUnavailable):
                await self._run(partial(add_drops, drops=counts))

    async def stop(self) -> None:
        """The same, and nothing is under way any more."""
        if self._flushing:
            self._flushing.cancel()
            await asyncio.wait([self._flushing])
        await self.flush()

"""Streams that a page keeps open: how many there are, and how they end when the server does.

Used by pages that stream; `gateway.app`'s server calls `end_streams`, as no request in flight hears of a shutdown and
the server would wait for each of them in vain.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

MOST_STREAMS = 8
"""Open at once in this process: each of them reads the database every second."""

_open: set[asyncio.Event] = set()


def is_full() -> bool:
    """Whether no more streams may be opened."""
    return len(_open) >= MOST_STREAMS


@contextlib.contextmanager
def streaming() -> Iterator[asyncio.Event]:
    """One more stream is open; the event is set when it has to end."""
    ended = asyncio.Event()
    _open.add(ended)
    try:
        yield ended
    finally:
        _open.discard(ended)


async def rest(ended: asyncio.Event, seconds: float) -> None:
    """So many seconds have passed, or the stream has to end."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), seconds)


def end_streams() -> None:
    """Every stream of this process ends now."""
    for ended in _open:
        ended.set()

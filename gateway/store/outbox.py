"""Claims, settles and frees what is to be sent. Each function is one act inside a writer's transaction.

Called through `gateway.store.Store` by `gateway.delivery`. An event leaves the outbox only with a fate; a lease ended
without a settlement means that its process died, and nobody knows whether TikTok got the event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw, Struct

from gateway.store import sql
from gateway.store.endings import count_ends
from gateway.store.receipt import Claimed, Settlement
from gateway.store.rollups import count_failures
from gateway.store.sql import Cursor

LEASE_MS = 15_000
"""How long a claim holds. Source: contract 4.6, a dead process frees its events within 15 s."""


STEP, STEP_BESIDE = 500, 100
"""Events claimed or settled in one transaction; and while beacons wait for the same commits, of which none should take
much longer than others. Smaller steps cost more: a backlog alone drains a fifth faster in the large ones (measured)."""


def claim(cursor: Cursor, store_id: str, pixel_code: str, lease: str, now_ms: int, limit: int) -> str:
    """Up to `limit` due events of one pixel, the oldest first, leased under this name until now + 15 s.

    Shape: JSON for `to_claimed`, which need not keep the writer.
    """
    cursor.execute(sql.FIND_DUE, (store_id, pixel_code, now_ms, limit))
    ids = cursor.fetchone()[0]
    if ids == "[]":
        return "[]"
    cursor.execute(sql.CLAIM, (store_id, ids))
    found = cursor.fetchone()[0]
    cursor.execute(sql.LEASE, (lease, now_ms + LEASE_MS, now_ms, store_id, ids))
    return f"[{found or ''}]"


class _Row(Struct, frozen=True, gc=False, array_like=True):
    """One event in the order of `sql.CLAIM`."""

    due_ms: int
    id: str
    body: Raw
    ip: str | None
    expires_ms: int
    attempts: int
    maybe_sent_ms: int | None
    is_withdrawn: bool


_decode = msgspec.json.Decoder(list[_Row]).decode
_to_due_ms = attrgetter("due_ms")


def to_claimed(found: str) -> list[Claimed]:
    """The events that `claim` found, the oldest first."""
    return [
        Claimed(row.id, row.body, row.ip, row.expires_ms, row.attempts, row.maybe_sent_ms, row.is_withdrawn)
        for row in sorted(_decode(found), key=_to_due_ms)
    ]


def renew(cursor: Cursor, store_id: str, lease: str, ids: Sequence[str], now_ms: int) -> set[str]:
    """Those of these events that are still held under this lease are held until now + 15 s; which they are."""
    cursor.execute(sql.RENEW, (now_ms + LEASE_MS, store_id, _to_json(ids), lease))
    return {row[0] for row in cursor.fetchall()}


def settle(cursor: Cursor, store_id: str, lease: str, settlements: Sequence[Settlement]) -> None:
    """Each event has its fate and has left the outbox, or is due again; what TikTok answered is in `attempts`.

    Events of one request mostly share their settlement, so there are few statements however many events. Of an event
    that was erased meanwhile nothing is kept, not even that it was sent.
    """
    ends: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    backs: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    tries: defaultdict[tuple[Any, ...], list[str]] = defaultdict(list)
    for one in settlements:
        if one.fate:
            ends[_to_end(one)].append(one.id)
        else:
            backs[_to_back(one)].append(one.id)
        if one.verdict:
            tries[_to_try(one)].append(one.id)
    for end, ended in ends.items():
        ids = _to_json(ended)
        count_ends(cursor, store_id, ids, end[0], end[2])
        cursor.execute(sql.SETTLE_EVENTS, (*end, store_id, ids))
        cursor.execute(sql.LEAVE_OUTBOX, (store_id, ids))
    for back, returned in backs.items():
        cursor.execute(sql.PUT_BACK, (*back, store_id, _to_json(returned), lease))
    for answer, tried in tries.items():
        cursor.execute(sql.ADD_ATTEMPTS, (*answer, store_id, _to_json(tried)))
    count_failures(cursor, store_id, settlements)


_to_end = attrgetter("fate", "reason", "at_ms", "maybe_sent_ms")
_to_back = attrgetter("due_ms", "attempts", "maybe_sent_ms")
_to_try = attrgetter("at_ms", "verdict", "http_status", "code", "message", "request_id")


def _to_json(ids: Iterable[str]) -> str:
    return msgspec.json.encode(list(ids)).decode()


def free_leases(cursor: Cursor, now_ms: int) -> None:
    """Everything a dead process had claimed is due now. Only for the one process that owns the database.

    A start waits for this, and must not read a backlog of a million rows: two searches in the index for each pixel.
    """
    for lane in _find_lanes(cursor):
        cursor.execute(sql.FREE_LEASES, (now_ms, *lane, now_ms))


def _find_lanes(cursor: Cursor) -> Iterator[tuple[str, str]]:
    """Each store and pixel of whom anything waits."""
    lane = ("", "")
    while True:
        cursor.execute(sql.FIND_LANE, lane)
        if not (found := cursor.fetchone()):
            return
        yield found
        lane = (found[0], found[1] + "\0")  # the next text after the code: past all of its rows at once


def hasten(cursor: Cursor, store_id: str, pixel_code: str, now_ms: int, longest_ms: int) -> None:
    """What of one pixel would wait longer than so is due when a lease of now would end.

    It was written by a clock that was ahead; whoever still holds a lease on it keeps that as long as any other.
    """
    cursor.execute(sql.HASTEN, (now_ms + LEASE_MS, store_id, pixel_code, now_ms + longest_ms))


def is_due(cursor: Cursor, store_id: str, pixel_code: str, now_ms: int) -> bool:
    """Whether anything of this pixel may be sent now."""
    cursor.execute(sql.IS_DUE, (store_id, pixel_code, now_ms))
    return cursor.fetchone() is not None

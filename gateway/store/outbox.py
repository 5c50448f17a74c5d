"""Claims, settles and frees what is to be sent. Each function is one act inside a writer's transaction.

Called through `gateway.store.Store` by `gateway.delivery`. An event leaves the outbox only with a fate; a lease ended
without a settlement means that its process died, and nobody knows whether TikTok got the event.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from gateway.store import rows, sql
from gateway.store.endings import count_ends
from gateway.store.receipt import Claimed, Settlement
from gateway.store.rollups import count_failures
from gateway.store.sql import Cursor

LEASE_MS = 15_000
"""How long a claim holds. Source: contract 4.6, a dead process frees its events within 15 s."""


STEP = 250
"""Events claimed or settled in one transaction: a beacon that waits for it waits a few milliseconds."""


def claim(
    cursor: Cursor, store_id: str, pixel_code: str, lease: str, now_ms: int, limit: int
) -> Sequence[Sequence[Any]]:
    """Up to `limit` due events of one pixel, the oldest first, leased under this name until now + 15 s.

    Shape: rows for `to_claimed`, which takes longer than all the rest and need not keep the writer.
    """
    cursor.execute(sql.FIND_DUE, (store_id, pixel_code, now_ms, limit))
    ids = _to_json(row[0] for row in cursor.fetchall())
    cursor.execute(sql.CLAIM, (store_id, ids))
    found = cursor.fetchall()
    if found:
        cursor.execute(sql.LEASE, (lease, now_ms + LEASE_MS, now_ms, store_id, ids))
    return found


def to_claimed(found: Sequence[Sequence[Any]]) -> list[Claimed]:
    """The events of these rows."""
    return [
        Claimed(
            id=row[0],
            event=rows.to_event(row[1], row[2]),
            expires_ms=row[3],
            attempts=row[4],
            maybe_sent_ms=row[5],
            is_withdrawn=rows.to_bool(row[6]) is False,
        )
        for row in found
    ]


def renew(cursor: Cursor, store_id: str, lease: str, ids: Sequence[str], now_ms: int) -> None:
    """Those of these events that are still held under this lease are held until now + 15 s."""
    cursor.execute(sql.RENEW, (now_ms + LEASE_MS, store_id, _to_json(ids), lease))


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
            ends[one.fate, one.reason, one.at_ms, one.maybe_sent_ms].append(one.id)
        else:
            backs[one.due_ms, one.attempts, one.maybe_sent_ms].append(one.id)
        if one.verdict:
            tries[one.at_ms, one.verdict, one.http_status, one.code, one.message, one.request_id].append(one.id)
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


def _to_json(ids: Iterable[str]) -> str:
    return json.dumps(list(ids))


def free_leases(cursor: Cursor, now_ms: int) -> None:
    """Everything a dead process had claimed is due now. Only for the one process that owns the database."""
    cursor.execute(sql.FREE_LEASES, (now_ms,))


def hasten(cursor: Cursor, store_id: str, pixel_code: str, now_ms: int, longest_ms: int) -> None:
    """What of one pixel would wait longer than so is due when a lease of now would end.

    It was written by a clock that was ahead; whoever still holds a lease on it keeps that as long as any other.
    """
    cursor.execute(sql.HASTEN, (now_ms + LEASE_MS, store_id, pixel_code, now_ms + longest_ms))


def is_due(cursor: Cursor, store_id: str, pixel_code: str, now_ms: int) -> bool:
    """Whether anything of this pixel may be sent now."""
    cursor.execute(sql.IS_DUE, (store_id, pixel_code, now_ms))
    return cursor.fetchone() is not None

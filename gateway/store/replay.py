"""Puts events that were rejected, or have expired, back into the outbox. One act inside a writer's transaction.

Called by `gateway.ops.replay`, which has made sure that none of them could count twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.store import sql
from gateway.store.endings import uncount_ends
from gateway.store.sql import Cursor

_ENDED = """
    SELECT id, pixel_code, maybe_sent_ms FROM events
    WHERE store_id = ? AND id IN (SELECT value FROM json_each(?)) AND fate IN ('rejected', 'expired')"""
_REOPEN = """
    UPDATE events SET fate = NULL, reason = NULL, settled_ms = NULL, expires_ms = ? WHERE store_id = ? AND id = ?"""


def requeue(cursor: Cursor, store_id: str, expires_ms: Mapping[str, int], now_ms: int) -> int:
    """Those of these events that still stand as ended without TikTok are due now, and count as waiting; how many.

    Shape: `expires_ms` says until when each may be sent, by its row's id.
    """
    cursor.execute(_ENDED, (store_id, json.dumps(list(expires_ms))))
    ended = cursor.fetchall()
    if not ended:
        return 0
    uncount_ends(cursor, store_id, json.dumps([row[0] for row in ended]))
    cursor.executemany(_REOPEN, [(expires_ms[row[0]], store_id, row[0]) for row in ended])
    waiting = [(store_id, id_, pixel_code, now_ms, 0, None, maybe_sent_ms) for id_, pixel_code, maybe_sent_ms in ended]
    cursor.insert(sql.ADD_OUTBOX, waiting)
    return len(ended)

"""Which troubles are open, and which process tells them: all processes of an installation share these rows.

Each process notes the troubles it sees; one of them takes what is to be told, and notes when somebody was. Called by
`gateway.delivery.alerts`. A cause is a word of ours, with the pixel's code behind it where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, exists, select

from gateway.store.sql import Cursor
from gateway.store.tables import alerts, webhooks

DAY_MS = 86_400_000

OVER_AFTER_MS = 180_000
"""A trouble that no process has seen for so long is over: one look without it, or a restart, ends nothing."""

CLAIM_MS = 45_000
"""How long a process has to tell what it took, before another may."""

Trouble = tuple[str, str]
"""store_id and cause; what concerns the whole installation has an empty store_id."""

_NOTE = """
    INSERT INTO alerts (store_id, cause, seen_ms, due_ms) VALUES (?, ?, ?, 0)
    ON CONFLICT (store_id, cause) DO UPDATE SET seen_ms = excluded.seen_ms"""

_DROP_UNTOLD = "DELETE FROM alerts WHERE told_ms IS NULL AND seen_ms < ?"

_TAKE = """
    UPDATE alerts SET due_ms = ?
    WHERE due_ms <= ? AND (told_ms IS NULL OR seen_ms < ?)
    RETURNING store_id, cause, told_ms"""

_NOTE_TOLD = "UPDATE alerts SET told_ms = ?, due_ms = 0 WHERE store_id = ? AND cause = ?"
_CLOSE = "DELETE FROM alerts WHERE store_id = ? AND cause = ?"


class News(Struct, frozen=True):
    """A trouble that nobody was told of yet, or the end of one that somebody was."""

    trouble: Trouble
    is_over: bool


def note_troubles(cursor: Cursor, troubles: Iterable[Trouble], now_ms: int) -> None:
    """These are open, and were seen now."""
    for trouble in troubles:
        cursor.execute(_NOTE, (*trouble, now_ms))


def take_news(cursor: Cursor, now_ms: int) -> list[News]:
    """All that is to be told now; it is nobody else's to tell for `CLAIM_MS`. What ended untold is forgotten."""
    over_ms = now_ms - OVER_AFTER_MS
    cursor.execute(_DROP_UNTOLD, (over_ms,))
    cursor.execute(_TAKE, (now_ms + CLAIM_MS, now_ms, over_ms))
    return [News((store_id, cause), told_ms is not None) for store_id, cause, told_ms in cursor.fetchall()]


def note_told(cursor: Cursor, news: News, now_ms: int) -> None:
    """Somebody was told of the trouble; or of its end, and it is closed."""
    if news.is_over:
        cursor.execute(_CLOSE, news.trouble)
    else:
        cursor.execute(_NOTE_TOLD, (now_ms, *news.trouble))


def find_troubles(connection: Connection) -> list[Trouble]:
    """All that are open."""
    query = select(alerts.c.store_id, alerts.c.cause).order_by(alerts.c.store_id, alerts.c.cause)
    return [(row.store_id, row.cause) for row in connection.execute(query)]


def find_webhook_days(connection: Connection, store_id: str, now_ms: int) -> set[int]:
    """On which of the last eight days, counted back in spans of 24 hours from 0, any webhook came."""

    def is_heard(day: int) -> bool:
        end_ms = now_ms - day * DAY_MS
        mine = (webhooks.c.store_id == store_id, webhooks.c.received_ms.between(end_ms - DAY_MS + 1, end_ms))
        return bool(connection.scalar(select(exists().where(*mine))))

    return {day for day in range(8) if is_heard(day)}

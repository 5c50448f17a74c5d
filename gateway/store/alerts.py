"""Which troubles are open, and which process tells them: all processes of an installation share these rows.

Each process notes the troubles it sees, finds what is to be told, claims one piece of news after the other, and notes
when somebody was told. Called by `gateway.delivery.alerts`. A cause is a word of ours, with the pixel's code behind it
where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection, exists, select

from gateway.store.sql import Cursor
from gateway.store.tables import alerts, webhooks

DAY_MS = 86_400_000

OVER_AFTER_MS = 180_000
"""A trouble that no process has seen for so long may be over: one look without it, or a restart, ends nothing."""

CLAIM_MS = 45_000
"""How long a process has to tell what it claimed, before another may."""

Trouble = tuple[str, str]
"""store_id and cause; what concerns the whole installation has an empty store_id."""

Verdicts = Mapping[Trouble, bool | None]
"""Every trouble that there may be in an installation, and whether it is open; None where a process cannot tell."""

_NOTE = """
    INSERT INTO alerts (store_id, cause, seen_ms, due_ms) VALUES (?, ?, ?, 0)
    ON CONFLICT (store_id, cause) DO UPDATE SET seen_ms = excluded.seen_ms"""

_FIND = "SELECT store_id, cause, told_ms, seen_ms FROM alerts WHERE due_ms <= ? AND (told_ms IS NULL OR seen_ms < ?)"
_CLAIM = """
    UPDATE alerts SET due_ms = ?
    WHERE store_id = ? AND cause = ? AND due_ms <= ? AND (told_ms IS NULL OR seen_ms < ?)
    RETURNING told_ms"""

_NOTE_TOLD = "UPDATE alerts SET told_ms = ?, due_ms = 0 WHERE store_id = ? AND cause = ?"
_CLOSE = "DELETE FROM alerts WHERE store_id = ? AND cause = ?"


class News(Struct, frozen=True):
    """A trouble that nobody was told of yet, or the end of one that somebody was."""

    trouble: Trouble
    is_over: bool


def note_verdicts(cursor: Cursor, verdicts: Verdicts, now_ms: int) -> list[News]:
    """What is open was seen now; all that this process may tell, if it claims it.

    The end of a trouble is told by a process that knows of it: one that merely sees nothing cannot say that it is over.
    What ended untold is forgotten, and so is what the configuration has no more.
    """
    for trouble, is_open in verdicts.items():
        if is_open:
            cursor.execute(_NOTE, (*trouble, now_ms))
    over_ms = now_ms - OVER_AFTER_MS
    cursor.execute(_FIND, (now_ms, over_ms))
    news = []
    for store_id, cause, told_ms, seen_ms in cursor.fetchall():
        trouble = store_id, cause
        if seen_ms < over_ms and (told_ms is None or trouble not in verdicts):
            cursor.execute(_CLOSE, trouble)
        elif told_ms is None or verdicts[trouble] is False:
            news.append(News(trouble, is_over=told_ms is not None))
    return news


def claim_news(cursor: Cursor, news: News, now_ms: int) -> bool:
    """Whether this is still to be told, and nobody else's to tell for `CLAIM_MS`."""
    cursor.execute(_CLAIM, (now_ms + CLAIM_MS, *news.trouble, now_ms, now_ms - OVER_AFTER_MS))
    claimed = cursor.fetchone()
    return claimed is not None and (claimed[0] is not None) is news.is_over


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

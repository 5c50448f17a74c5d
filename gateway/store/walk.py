"""Walks through a store's events in pages, the newest first: for lists, exports and replays. Changes nothing.

A page is a short read, and the next one starts where it ended, so that a walk through millions of events holds no
transaction open and never more than a page in memory.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, and_, func, select

from gateway.model.dossier import EventDossier
from gateway.model.outcome import Fate
from gateway.store.dossiers import EVENT_COLUMNS, read_attempts, to_event_dossier
from gateway.store.tables import events, outbox

PAGE = 1000


class Wanted(Struct, frozen=True):
    """Which events are meant; all that is said must hold.

    `fates`: empty for any, with None for what is on its way. `code` is TikTok's, of the last attempt. `ids` are of
    events or of rows. Units: `since_ms` is when they were received, Unix milliseconds.
    """

    fates: tuple[Fate | None, ...] = ()
    event: str | None = None
    since_ms: int = 0
    code: int | None = None
    ids: tuple[str, ...] = ()


class Page(Struct, frozen=True):
    """Some of what is wanted. `before`: where the next page starts, None after the last; `seen`: rows looked at."""

    events: tuple[EventDossier, ...]
    before: str | None
    seen: int


def read_page(connection: Connection, store_id: str, wanted: Wanted, before: str = "g", size: int = PAGE) -> Page:
    """The wanted among the next `size` events. Shape: `before` is an id; "g" comes after every one."""
    rows = connection.execute(
        select(events.c.id, events.c.event_id, events.c.event, events.c.received_ms, events.c.fate)
        .where(events.c.store_id == store_id, events.c.id < before)
        .order_by(events.c.id.desc())
        .limit(size)
    ).all()
    is_last = len(rows) < size or all(row.received_ms < wanted.since_ms for row in rows)
    found = read_events(connection, store_id, [row.id for row in rows if _is_wanted(row, wanted)])
    if wanted.code is not None:
        found = [one for one in found if one.attempts and one.attempts[-1].code == wanted.code]
    return Page(tuple(found), None if is_last else rows[-1].id, len(rows))


def _is_wanted(row: Any, wanted: Wanted) -> bool:
    return (
        row.received_ms >= wanted.since_ms
        and (not wanted.fates or row.fate in wanted.fates)
        and wanted.event in (None, row.event)
        and (not wanted.ids or row.id in wanted.ids or row.event_id in wanted.ids)
    )


def read_events(connection: Connection, store_id: str, ids: Collection[str]) -> list[EventDossier]:
    """These events, the newest first."""
    waiting = and_(outbox.c.store_id == events.c.store_id, outbox.c.id == events.c.id)
    rows = connection.execute(
        select(*EVENT_COLUMNS, outbox.c.due_ms)
        .outerjoin_from(events, outbox, waiting)
        .where(events.c.store_id == store_id, events.c.id.in_(ids))
        .order_by(events.c.id.desc())
    ).all()
    attempts = read_attempts(connection, store_id, [row.id for row in rows])
    return [to_event_dossier(row, attempts.get(row.id, ())) for row in rows]


def find_rows(connection: Connection, store_id: str, ids: Collection[str]) -> list[str]:
    """The row ids of these events, which are named by either of their ids; the newest first."""
    query = select(events.c.id).where(events.c.store_id == store_id)
    named = {*connection.scalars(query.where(events.c.event_id.in_(ids)))}
    return sorted(named | {*connection.scalars(query.where(events.c.id.in_(ids)))}, reverse=True)


def count_events(connection: Connection, store_id: str) -> int:
    """How many events this store has: exact, and read from an index."""
    count: int = connection.scalar(select(func.count(events.c.id)).where(events.c.store_id == store_id)) or 0
    return count

"""Finds a visitor's events by when they were there, so that no event is written to a place of its visitor's own.

An index over events by visitor has a page for each: it was more than half of what a commit under load wrote
(bench/README.md, 28). A visit is written once for all events of some 65 s, the time in which their ids begin alike.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_

from gateway.store.sql import Cursor, Insert
from gateway.store.tables import events, visits

DIGITS = 8
"""Of an id, which is a UUIDv7: its first 12 are the milliseconds. Fewer would make rarer visits, and more events to
look through for each. Source: RFC 9562, 5.7."""

_PAST = "g"
"""Behind a span, this is past all ids that begin with it: they are hexadecimal, and so sort alike everywhere."""

ADD_VISITS = Insert(visits, ("store_id", "visitor_id", "span"), "ON CONFLICT (store_id, visitor_id, span) DO NOTHING")

_FIND = f"""
    SELECT e.id, e.fate FROM visits t CROSS JOIN events e
    WHERE t.store_id = ? AND t.visitor_id = ? AND e.store_id = t.store_id AND e.id >= t.span
      AND e.id < t.span || '{_PAST}' AND e.visitor_id = t.visitor_id"""  # noqa: S608 - no input in it
"""A CROSS JOIN is what SQLite takes in the order that it is written in. Source: sqlite.org/optoverview.html, 8.3."""
WAITING = f"""
    SELECT e.id FROM visits t CROSS JOIN outbox o CROSS JOIN events e
    WHERE t.store_id = v.store_id AND t.visitor_id = v.id AND o.store_id = t.store_id AND o.id >= t.span
      AND o.id < t.span || '{_PAST}' AND e.store_id = o.store_id AND e.id = o.id
      AND e.visitor_id = t.visitor_id"""  # noqa: S608 - no input in it
"""The events of a visitor `v` that are still to be sent: the outbox has few to look through of an old visit."""
_FORGET = f"""
    DELETE FROM visits WHERE store_id = ? AND (visitor_id, span) IN (
        SELECT visitor_id, span FROM visits WHERE store_id = ? AND span < coalesce(
            (SELECT substr(min(id), 1, {DIGITS}) FROM events WHERE store_id = ?), '{_PAST}')
        ORDER BY span LIMIT ?)"""  # noqa: S608 - no input in it


def to_span(id_: str) -> str:
    """The span of time that an event of this id came in."""
    return id_[:DIGITS]


def note_visits(cursor: Cursor, seen: Iterable[tuple[str, str, str]]) -> None:
    """These events' visitors can be told their events. Shape: a store, a visitor, an event's id each.

    In one order on every node, so that two never wait in a circle.
    """
    found = {(store_id, visitor_id, to_span(id_)) for store_id, visitor_id, id_ in seen}
    cursor.insert(ADD_VISITS, sorted(found))


def find_events(cursor: Cursor, store_id: str, visitor_id: str) -> list[tuple[str, str | None]]:
    """All events of this visitor: each one's id and fate."""
    cursor.execute(_FIND, (store_id, visitor_id))
    return list(cursor.fetchall())


def belong() -> ColumnElement[bool]:
    """Whether a row of `events` is of a row of `visits`."""
    return and_(
        events.c.store_id == visits.c.store_id,
        events.c.id >= visits.c.span,
        events.c.id < visits.c.span + _PAST,
        events.c.visitor_id == visits.c.visitor_id,
    )


def forget_visits(cursor: Cursor, store_id: str, limit: int) -> int:
    """Up to `limit` visits from before the oldest event that is kept are gone."""
    cursor.execute(_FORGET, (store_id, store_id, store_id, limit))
    return cursor.rowcount

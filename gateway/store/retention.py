"""Forgets what is old, a few rows at a time. Each function is one act inside a writer's transaction, or finds the next.

Called by `gateway.ops.retention` through `gateway.store.Store`. What waits in the outbox is never touched: an event
goes only with a fate, and a visitor only when nothing of theirs waits.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, or_, select

from gateway.model.outcome import Fate
from gateway.store import outbox, rows
from gateway.store.receipt import Settlement
from gateway.store.sql import THESE, Cursor
from gateway.store.tables import events, visitors
from gateway.store.tables import outbox as outbox_table
from gateway.store.visits import WAITING

NO_PIXEL = "its pixel is no longer configured"

_OLD_VISITORS = f"""
    SELECT id FROM visitors v WHERE store_id = ? AND last_seen_ms < ? AND NOT EXISTS ({WAITING})
    ORDER BY last_seen_ms LIMIT ?"""  # noqa: S608 - no input in it
_NEXT_EVENTS = "SELECT id, received_ms, fate FROM events WHERE store_id = ? AND id > ? ORDER BY id LIMIT ?"
_OLD_WEBHOOKS = "SELECT id FROM webhooks WHERE store_id = ? AND received_ms < ? ORDER BY received_ms LIMIT ?"
_STRANDED = """
    SELECT o.id, o.maybe_sent_ms FROM outbox o JOIN events e ON e.store_id = o.store_id AND e.id = o.id
    WHERE o.store_id = ? AND o.pixel_code = ? AND e.expires_ms < ? LIMIT ?"""
_OF_THESE = "WHERE store_id = ? AND visitor_id IN (SELECT value FROM json_each(?))"


class Step(Struct, frozen=True):
    """One step of a walk. `after` is where the next begins, None when there is nothing more to do."""

    done: int
    after: str | None = None


def find_stores(connection: Connection) -> list[str]:
    """The stores that anything is kept of, configured or not; each is one look into an index."""
    found: list[str] = []
    for column in (visitors.c.store_id, events.c.store_id):
        newest = ""
        while newest := connection.scalar(select(column).where(column > newest).order_by(column).limit(1)) or "":
            found.append(newest)
    return list(dict.fromkeys(found))


def forget_visitors(cursor: Cursor, store_id: str, before_ms: int, limit: int) -> int:
    """Up to `limit` visitors not seen since are gone, with what leads back to them; their orders are nobody's."""
    cursor.execute(_OLD_VISITORS, (store_id, before_ms, limit))
    these = (store_id, json.dumps([row[0] for row in cursor.fetchall()]))
    cursor.execute(f"DELETE FROM links {_OF_THESE}", these)  # noqa: S608 - no input in it
    cursor.execute(f"UPDATE orders SET visitor_id = NULL {_OF_THESE}", these)  # noqa: S608 - no input in it
    cursor.execute(f"DELETE FROM visitors {THESE}", these)  # noqa: S608 - no input in it
    return cursor.rowcount


def forget_events(cursor: Cursor, store_id: str, before_ms: int, after: str, limit: int) -> Step:
    """Of the next `limit` events those that ended and came before this are gone, with all that was tried with them."""
    cursor.execute(_NEXT_EVENTS, (store_id, after, limit))
    found = cursor.fetchall()
    old = [(id_, fate) for id_, received_ms, fate in found if received_ms < before_ms]
    these = (store_id, json.dumps([id_ for id_, fate in old if fate]))
    cursor.execute(f"DELETE FROM attempts {THESE}", these)  # noqa: S608 - no input in it
    cursor.execute(f"DELETE FROM events {THESE}", these)  # noqa: S608 - no input in it
    return Step(cursor.rowcount, found[-1][0] if old else None)


def forget_webhooks(cursor: Cursor, store_id: str, before_ms: int, limit: int) -> int:
    """Up to `limit` ids of webhooks that came before this are gone."""
    cursor.execute(_OLD_WEBHOOKS, (store_id, before_ms, limit))
    these = (store_id, json.dumps([row[0] for row in cursor.fetchall()]))
    cursor.execute(f"DELETE FROM webhooks {THESE}", these)  # noqa: S608 - no input in it
    return cursor.rowcount


# -- Addresses and user agents


class Devices(Struct, frozen=True):
    """Events that still tell an address or a user agent. `after` as in `Step`; `settled_to`: all before have ended."""

    ids: tuple[str, ...]
    after: str | None
    settled_to: str


def find_event_devices(connection: Connection, store_id: str, before_ms: int, after: str, limit: int) -> Devices:
    """Which of the next `limit` events ended, came before this and still tell of a device."""
    has_device = or_(events.c.ip.is_not(None), events.c.body.contains('"user_agent":'))
    page = connection.execute(
        select(events.c.id, events.c.received_ms, events.c.fate, has_device.label("has_device"))
        .where(events.c.store_id == store_id, events.c.id > after)
        .order_by(events.c.id)
        .limit(limit)
    ).all()
    old = [row for row in page if row.received_ms < before_ms]
    settled_to = after
    for row in old:
        if row.fate is None:
            break
        settled_to = row.id
    ids = tuple(row.id for row in old if row.fate and row.has_device)
    return Devices(ids, page[-1].id if old else None, settled_to)


def strip_events(cursor: Cursor, store_id: str, ids: Sequence[str]) -> int:
    """These events tell neither address nor user agent any more."""
    cursor.execute(f"SELECT id, body FROM events {THESE}", (store_id, json.dumps(ids)))  # noqa: S608 - no input in it
    bare = []
    for id_, body in cursor.fetchall():
        event = rows.to_event(body, None)
        event = structs.replace(event, user=structs.replace(event.user, user_agent=None))
        bare.append((rows.from_event(event)[0], store_id, id_))
    cursor.executemany("UPDATE events SET ip = NULL, body = ? WHERE store_id = ? AND id = ?", bare)
    return len(bare)


def find_visitor_devices(
    connection: Connection, store_id: str, before_ms: int, since_ms: int, limit: int
) -> tuple[list[str], int]:
    """Visitors last seen from `since_ms` on, before `before_ms`, who still have a device; when the last was seen."""
    seen = visitors.c.last_seen_ms
    told: ColumnElement[bool] = or_(visitors.c.ip.is_not(None), visitors.c.user_agent.is_not(None))
    found = connection.execute(
        select(visitors.c.id, seen)
        .where(visitors.c.store_id == store_id, seen >= since_ms, seen < before_ms, told)
        .order_by(seen)
        .limit(limit)
    ).all()
    return [row.id for row in found], found[-1].last_seen_ms if found else before_ms


def strip_visitors(cursor: Cursor, store_id: str, before_ms: int, ids: Collection[str]) -> int:
    """Those of these visitors who have not come back meanwhile have neither address nor user agent any more."""
    cursor.execute(
        f"UPDATE visitors SET ip = NULL, user_agent = NULL {THESE} AND last_seen_ms < ?",  # noqa: S608 - no input in it
        (store_id, json.dumps(list(ids)), before_ms),
    )
    return cursor.rowcount


# -- What nobody will ever send


def find_lanes(connection: Connection) -> list[tuple[str, str]]:
    """The stores and pixels that anything waits for."""
    query = select(outbox_table.c.store_id, outbox_table.c.pixel_code).distinct()
    return [(row.store_id, row.pixel_code) for row in connection.execute(query)]


def expire_stranded(cursor: Cursor, store_id: str, pixel_code: str, now_ms: int, limit: int) -> int:
    """Up to `limit` events that wait for a pixel that is gone, longer than any event may wait, have expired."""
    cursor.execute(_STRANDED, (store_id, pixel_code, now_ms, limit))
    ended = [
        Settlement(id_, now_ms, Fate.EXPIRED, NO_PIXEL, maybe_sent_ms=maybe_sent_ms)
        for id_, maybe_sent_ms in cursor.fetchall()
    ]
    outbox.settle(cursor, store_id, "", ended)
    return len(ended)

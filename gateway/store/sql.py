"""The statements of the hot path, as SQL one can read, run through the driver's own cursor.

SQLite takes this text as it is. For PostgreSQL `gateway.store.postgresql` puts it in other words where it must: the
placeholder `?`, lists of ids as `IN (SELECT value FROM json_each(?))`, and locks on what is read to be changed. Binding
through SQLAlchemy costs more than the insert itself (measured: three times as much), so Core builds the schema and the
reports, not these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Table

from gateway.store.tables import events, links, outbox, visitors

VISITOR = tuple(column.name for column in visitors.columns)
EVENT = tuple(column.name for column in events.columns)
OUTBOX = tuple(column.name for column in outbox.columns)
LINK = tuple(column.name for column in links.columns)


THESE = "WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))"
"""Those of a store's rows whose ids are in a JSON list."""


class Cursor(Protocol):
    """What of a driver's cursor is used by the hot path."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, statement: str, parameters: Sequence[Any], /) -> Any: ...
    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]], /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Sequence[Any]: ...
    def insert(self, into: Insert, rows: Sequence[Sequence[Any]], /) -> int:
        """The rows are inserted, in few steps however many; how many were taken."""
        ...


class Insert(NamedTuple):
    """An INSERT that takes any number of rows: into which table, which columns, and what stands behind the rows."""

    table: Table
    columns: tuple[str, ...]
    tail: str = ""

    @property
    def head(self) -> str:
        """What stands before the rows."""
        return f"INSERT INTO {self.table.name} ({', '.join(self.columns)})"


FIND_VISITOR = f"SELECT {', '.join(VISITOR)} FROM visitors WHERE store_id = ? AND id = ?"  # noqa: S608 - names of ours
FIND_VISITORS = f"""
    SELECT json_group_array(json_array({", ".join(VISITOR)})) FROM visitors
    WHERE (store_id, id) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?))"""  # noqa: S608 - names of ours
"""Many visitors in one step of the driver, as JSON: see `gateway.store.sqlite.Cursor`."""
ADD_VISITORS = Insert(visitors, VISITOR, "ON CONFLICT (store_id, id) DO NOTHING")
"""One that is there already is this very one: its commit was lost on the way back to us, and is made again."""
CHANGE_VISITOR = f"UPDATE visitors SET {', '.join(name + ' = ?' for name in VISITOR[2:])} WHERE store_id = ? AND id = ?"  # noqa: S608 - names of ours

FIND_LINK = "SELECT visitor_id, click_ms FROM links WHERE store_id = ? AND kind = ? AND digest = ?"
FIND_LINKS = """
    SELECT json_group_array(json_array(store_id, kind, digest, visitor_id, click_ms)) FROM links
    WHERE (store_id, kind, digest) IN (SELECT
        json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?))"""
ADD_LINKS = Insert(links, LINK, "ON CONFLICT (store_id, kind, digest) DO NOTHING")
PUT_LINKS = Insert(
    links,
    LINK,
    """
    ON CONFLICT (store_id, kind, digest) DO UPDATE
    SET visitor_id = excluded.visitor_id, click_ms = excluded.click_ms, linked_ms = excluded.linked_ms
    WHERE excluded.click_ms >= links.click_ms
      AND (excluded.visitor_id <> links.visitor_id OR excluded.click_ms > links.click_ms)""",
)
"""The newest click wins the anchor; a link that says nothing new is not written again."""

ADD_EVENTS = Insert(events, EVENT, "ON CONFLICT (store_id, pixel_code, event, event_id) DO NOTHING")
ADD_OUTBOX = Insert(outbox, OUTBOX)

FIND_TWIN_VISITOR = """
    SELECT visitor_id FROM events WHERE store_id = ? AND pixel_code = ? AND event = ? AND event_id = ?"""
FIND_EVENT = "SELECT 1 FROM events WHERE store_id = ? AND id = ?"
FIND_TWIN = """
    SELECT e.id, e.body, e.ip, e.expires_ms, e.traits, o.due_ms
    FROM events e LEFT JOIN outbox o ON o.store_id = e.store_id AND o.id = e.id
    WHERE e.store_id = ? AND e.pixel_code = ? AND e.event = ? AND e.event_id = ?"""
COUNT_DUPLICATE = """
    UPDATE events SET duplicates = duplicates + 1
    WHERE store_id = ? AND pixel_code = ? AND event = ? AND event_id = ?"""
"""Before its twin is found: from then on no other node changes that row."""
MERGE_EVENT = """
    UPDATE events SET body = ?, ip = ?, pixel = ?, occurred_ms = ?, expires_ms = ?,
        browser = ?, traits = ?, currency = ?, worth_e4 = ?
    WHERE store_id = ? AND id = ?"""
KEEP_WAITING = "UPDATE outbox SET due_ms = ? WHERE store_id = ? AND id = ? AND lease IS NULL"
"""Meets a row that nobody has claimed, and from then on nobody can until the merge is written."""

FIND_DUE = """
    SELECT json_group_array(id) FROM (
        SELECT id FROM outbox WHERE store_id = ? AND pixel_code = ? AND due_ms <= ? ORDER BY due_ms LIMIT ?) AS due"""
"""One pixel's oldest due events, as a JSON list. A leased one is due again when its lease ends, so a dead process frees
its own."""

CLAIM = """
    SELECT group_concat('[' || o.due_ms || ',"' || o.id || '",' || e.body
        || ',' || json_quote(e.ip) || ',' || e.expires_ms || ',' || o.attempts
        || ',' || coalesce(o.maybe_sent_ms || '', 'null')
        || ',' || CASE WHEN NOT v.marketing THEN 'true' ELSE 'false' END || ']', ',')
    FROM outbox o
    JOIN events e ON e.store_id = o.store_id AND e.id = o.id
    LEFT JOIN visitors v ON v.store_id = e.store_id AND v.id = e.visitor_id
    WHERE o.store_id = ? AND o.id IN (SELECT value FROM json_each(?))"""
"""What is due, read after it was found: by then no other node can add a twin's words to it.

One JSON text, in one step of the driver, and decoded in one as well. Our own ids need no quoting; an address, which
came from outside, does.
"""

LEASE = """
    UPDATE outbox SET lease = ?, due_ms = ?, attempts = attempts + 1, maybe_sent_ms = coalesce(maybe_sent_ms, ?)
    WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))"""
"""From here on the event may have reached TikTok, until its settlement says otherwise."""

FIND_LANE = """
    SELECT store_id, pixel_code FROM outbox WHERE (store_id, pixel_code) >= (?, ?)
    ORDER BY store_id, pixel_code LIMIT 1"""
FREE_LEASES = """
    UPDATE outbox SET lease = NULL, due_ms = ?
    WHERE store_id = ? AND pixel_code = ? AND due_ms > ? AND lease IS NOT NULL"""
"""Whose lease has ended is due without this: so of a long backlog only what is not due is looked at."""

PUT_BACK = """
    UPDATE outbox SET lease = NULL, due_ms = ?, attempts = ?, maybe_sent_ms = ?
    WHERE store_id = ? AND id IN (SELECT value FROM json_each(?)) AND lease = ?"""
RENEW = """
    UPDATE outbox SET due_ms = ? WHERE store_id = ? AND id IN (SELECT value FROM json_each(?)) AND lease = ?
    RETURNING id"""
LEAVE_OUTBOX = "DELETE FROM outbox WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))"
SETTLE_EVENTS = """
    UPDATE events SET fate = ?, reason = ?, settled_ms = ?, maybe_sent_ms = ?
    WHERE store_id = ? AND id IN (SELECT value FROM json_each(?)) AND fate IS NULL"""
ADD_ATTEMPTS = """
    INSERT INTO attempts (attempted_ms, verdict, http_status, code, message, request_id, store_id, id)
    SELECT ?, ?, CAST(? AS INTEGER), CAST(? AS INTEGER), ?, ?, store_id, id FROM events
    WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))
    ON CONFLICT (store_id, id, attempted_ms) DO NOTHING"""
"""Of these events, those that nobody has erased."""

HASTEN = "UPDATE outbox SET due_ms = ? WHERE store_id = ? AND pixel_code = ? AND due_ms > ?"

IS_DUE = "SELECT 1 FROM outbox WHERE store_id = ? AND pixel_code = ? AND due_ms <= ? LIMIT 1"

TOUCH = "UPDATE alembic_version SET version_num = version_num"
"""Changes nothing and yet has to be written: whoever wants to know whether the disk takes a write runs it."""

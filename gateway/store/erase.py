"""Erases people: everything that hangs on a visitor goes; what stays of an order says only that it was erased.

Called by `gateway.ops.erase` and by Shopify's privacy webhooks, through `gateway.store.Store`. One act per transaction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, Table, and_, false, func, or_, select, union

from gateway.model.outcome import Fate
from gateway.model.visitor import Identity
from gateway.store.endings import count_ends
from gateway.store.receipt import Anchor
from gateway.store.sql import THESE, Cursor
from gateway.store.tables import events, links, metadata, orders, visitors
from gateway.store.visits import find_events

SEARCHED = (visitors, events)
"""Where a person is looked for, row by row."""


class Erased(Struct, frozen=True):
    """How much was erased."""

    visitors: int = 0
    links: int = 0
    events: int = 0
    attempts: int = 0
    orders: int = 0

    def plus(self, other: Erased) -> Erased:
        """Both counts together."""
        pairs = zip(self.__struct_fields__, other.__struct_fields__, strict=True)
        return Erased(*(getattr(self, mine) + getattr(other, theirs) for mine, theirs in pairs))


class Searched(Struct, frozen=True):
    """Some rows were looked at. `found` are ids of visitors; `after` is where the next begin, None after the last."""

    found: frozenset[str]
    rows: int
    after: str | None


def find_linked(
    connection: Connection, store_id: str, anchors: Sequence[Anchor], order_ids: Sequence[str]
) -> frozenset[str]:
    """The ids of the visitors that these anchors and orders lead to.

    A link leads to one visitor alone, the one with the newest click, and a shared device may be somebody else's by now:
    who else is, or ever was, this person, `search` finds.
    """
    linked = [and_(links.c.kind == anchor.kind, links.c.digest == anchor.digest) for anchor in anchors]
    bought = orders.c.id.in_(order_ids) & orders.c.visitor_id.is_not(None)
    found = union(
        select(links.c.visitor_id).where(links.c.store_id == store_id, or_(false(), *linked)),
        select(orders.c.visitor_id).where(orders.c.store_id == store_id, bought),
    )
    return frozenset(connection.scalars(found))


def count_searched(connection: Connection, store_id: str) -> int:
    """How many rows `search` has to look at."""
    counts = (select(func.count()).select_from(table).where(table.c.store_id == store_id) for table in SEARCHED)
    return sum(connection.scalar(count) or 0 for count in counts)


def search(connection: Connection, store_id: str, identity: Identity, table: Table, after: str, limit: int) -> Searched:
    """Who among the next `limit` rows of one of the tables has one of these digests, or had."""
    rows = select(table.c.id).where(table.c.store_id == store_id, table.c.id > after).order_by(table.c.id)
    ids = connection.scalars(rows.limit(limit)).all()
    if not ids:
        return Searched(frozenset(), 0, None)
    who = table.c.visitor_id if table is events else table.c.id
    these = and_(table.c.store_id == store_id, table.c.id > after, table.c.id <= ids[-1], who.is_not(None))
    found = connection.scalars(select(who).distinct().where(these, _is_of(identity, table)))
    return Searched(frozenset(found), len(ids), ids[-1] if len(ids) == limit else None)


def _is_of(identity: Identity, table: Table) -> ColumnElement[bool]:
    digests = {name: digest for name, digest in structs.asdict(identity).items() if digest}
    if table is events:
        return or_(false(), *(events.c.body.contains(digest) for digest in digests.values()))
    return or_(false(), *(table.c[name] == digest for name, digest in digests.items()))


def erase_visitor(cursor: Cursor, store_id: str, visitor_id: str) -> Erased:
    """Nothing of this visitor is left but the bare numbers of their orders, marked so that they are not told again.

    The visitor goes first: another node at work for them ends that before, or finds nobody afterwards.
    """
    mine = (store_id, visitor_id)
    visitors = _delete(cursor, "DELETE FROM visitors WHERE store_id = ? AND id = ?", mine)
    found = find_events(cursor, store_id, visitor_id)
    count_ends(cursor, store_id, json.dumps([id_ for id_, fate in found if not fate]), Fate.WITHDRAWN, 0)
    these = (store_id, json.dumps([id_ for id_, _ in found]))
    attempts = _delete(cursor, f"DELETE FROM attempts {THESE}", these)  # noqa: S608 - no input in it
    _delete(cursor, f"DELETE FROM outbox {THESE}", these)  # noqa: S608 - no input in it
    events = _delete(cursor, f"DELETE FROM events {THESE}", these)  # noqa: S608 - no input in it
    _delete(cursor, "DELETE FROM visits WHERE store_id = ? AND visitor_id = ?", mine)
    links = _delete(cursor, "DELETE FROM links WHERE store_id = ? AND visitor_id = ?", mine)
    orders = _delete(
        cursor,
        "UPDATE orders SET visitor_id = NULL, reason = 'erased' WHERE store_id = ? AND visitor_id = ?",
        mine,
    )
    return Erased(visitors, links, events, attempts, orders)


def forget_orders(cursor: Cursor, store_id: str, order_ids: Sequence[str], now_ms: int) -> None:
    """These orders are never told, whether they were known before or not."""
    for order_id in order_ids:
        cursor.execute(
            """
            INSERT INTO orders (store_id, id, placed_ms, heard_ms, reason) VALUES (?, ?, ?, ?, 'erased')
            ON CONFLICT (store_id, id) DO UPDATE SET reason = 'erased', visitor_id = NULL""",
            (store_id, order_id, now_ms, now_ms),
        )


def erase_store(cursor: Cursor, store_id: str, limit: int) -> int:
    """Up to `limit` rows of each table of this store are gone; how many were. Call again until that is none."""
    erased = 0
    hours = (name for name in metadata.tables if name.endswith("_hours"))
    for table in (
        "attempts",
        "outbox",
        "events",
        "visits",
        "links",
        "orders",
        "reversals",
        "webhooks",
        "visitors",
        *hours,
    ):
        key = {"visits": "visitor_id", "links": "digest", "reversals": "order_id"}.get(
            table, "hour_ms" if table.endswith("_hours") else "id"
        )
        rows = f"SELECT {key} FROM {table} WHERE store_id = ? LIMIT ?"  # noqa: S608 - names of ours
        statement = f"DELETE FROM {table} WHERE store_id = ? AND {key} IN ({rows})"  # noqa: S608 - names of ours
        erased += _delete(cursor, statement, (store_id, store_id, limit))
    return erased


def note_erasure(cursor: Cursor, store_id: str, id_: str, named_by: str, erased: Erased, now_ms: int) -> None:
    """That this was erased, too, is on record under this id, with nothing of whose it was."""
    more = ", ".join(f"{name} = erasures.{name} + excluded.{name}" for name in Erased.__struct_fields__)
    cursor.execute(
        f"""
        INSERT INTO erasures (store_id, id, erased_ms, named_by, visitors, links, events, attempts, orders)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (store_id, id) DO UPDATE SET {more}""",  # noqa: S608 - names of ours
        (store_id, id_, now_ms, named_by, *structs.astuple(erased)),
    )


def _delete(cursor: Cursor, statement: str, parameters: Sequence[object]) -> int:
    cursor.execute(statement, parameters)
    return cursor.rowcount

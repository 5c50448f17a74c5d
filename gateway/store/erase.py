"""Erases people: everything that hangs on a visitor goes; what stays of an order says only that it was erased.

Called by `gateway.ops.erase` and by Shopify's privacy webhooks, through `gateway.store.Store`. One act per transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from gateway.store import sql
from gateway.store.receipt import Anchor
from gateway.store.sql import Cursor

_FIND_BUYER = "SELECT visitor_id FROM orders WHERE store_id = ? AND id = ? AND visitor_id IS NOT NULL"
_ON_EVENTS = "WHERE store_id = ? AND id IN (SELECT id FROM events WHERE store_id = ? AND visitor_id = ?)"


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


def find_people(cursor: Cursor, store_id: str, anchors: Iterable[Anchor], order_ids: Iterable[str]) -> list[str]:
    """The ids of all visitors that one of these anchors or orders leads to."""
    found: dict[str, None] = {}
    for anchor in anchors:
        cursor.execute(sql.FIND_LINK, (store_id, anchor.kind, anchor.digest))
        found.update((row[0], None) for row in cursor.fetchall())
    for order_id in order_ids:
        cursor.execute(_FIND_BUYER, (store_id, order_id))
        found.update((row[0], None) for row in cursor.fetchall())
    return list(found)


def erase_visitor(cursor: Cursor, store_id: str, visitor_id: str) -> Erased:
    """Nothing of this visitor is left but the bare numbers of their orders, marked so that they are not told again."""
    mine = (store_id, store_id, visitor_id)
    attempts = _delete(cursor, f"DELETE FROM attempts {_ON_EVENTS}", mine)  # noqa: S608 - no input in it
    _delete(cursor, f"DELETE FROM outbox {_ON_EVENTS}", mine)  # noqa: S608 - no input in it
    events = _delete(cursor, "DELETE FROM events WHERE store_id = ? AND visitor_id = ?", mine[1:])
    links = _delete(cursor, "DELETE FROM links WHERE store_id = ? AND visitor_id = ?", mine[1:])
    orders = _delete(
        cursor,
        "UPDATE orders SET visitor_id = NULL, reason = 'erased' WHERE store_id = ? AND visitor_id = ?",
        mine[1:],
    )
    visitors = _delete(cursor, "DELETE FROM visitors WHERE store_id = ? AND id = ?", mine[1:])
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
    for table in ("attempts", "outbox", "events", "links", "orders", "reversals", "webhooks", "visitors"):
        key = {"links": "digest", "reversals": "order_id"}.get(table, "id")
        rows = f"SELECT {key} FROM {table} WHERE store_id = ? LIMIT ?"  # noqa: S608 - names of ours
        statement = f"DELETE FROM {table} WHERE store_id = ? AND {key} IN ({rows})"  # noqa: S608 - names of ours
        erased += _delete(cursor, statement, (store_id, store_id, limit))
    return erased


def _delete(cursor: Cursor, statement: str, parameters: Sequence[object]) -> int:
    cursor.execute(statement, parameters)
    return cursor.rowcount

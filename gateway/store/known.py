"""Visitors who were here a moment ago, as they stand in the database: a page sends several beacons, one by one.

Kept by the writer of an SQLite database, which nobody else writes to; a node that shares PostgreSQL keeps nobody.
Used by `gateway.store.visitors`.
"""

from __future__ import annotations

from gateway.model.visitor import Visitor
from gateway.store.sql import Cursor

MOST = 2_048
"""Visitors at hand, of about a kilobyte each. When there are more, all go: that costs a read of each who comes back."""

VisitorKey = tuple[str, str]
"""store_id and the visitor's id."""


class Known:
    """At most so many visitors. Whoever changes one in another way than by `put` clears it; so does a failed commit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._visitors: dict[VisitorKey, Visitor] = {}
        self._version: int | None = None

    def begin(self, cursor: Cursor) -> None:
        """Nobody is known whom another connection may have changed: a shell, or a program beside the gateway.

        Source: sqlite.org/pragma.html, data_version (read 2026-11): it changes with every commit but our own.
        """
        if not self._most:
            return
        cursor.execute("PRAGMA data_version", ())
        version = cursor.fetchone()[0]
        if version != self._version:
            self.clear()
            self._version = version

    def get(self, key: VisitorKey) -> Visitor | None:
        """The visitor, if at hand."""
        return self._visitors.get(key)

    def put(self, key: VisitorKey, visitor: Visitor) -> None:
        """The visitor stands like this once the transaction is committed."""
        if not self._most:
            return
        if len(self._visitors) >= self._most:
            self._visitors.clear()
        self._visitors[key] = visitor

    def clear(self) -> None:
        """Nobody is known."""
        self._visitors.clear()

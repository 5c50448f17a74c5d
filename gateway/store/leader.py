"""Of several nodes that share a PostgreSQL one leads: it does what need be done but once, such as finding lost orders.

Asked through `gateway.store.Store`. Nothing is lost when two lead for a moment, and no order is told twice: that one
leads only saves the others the work.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, text

from gateway.store.database import is_sqlite, only_unavailable

LEADING = 0x746761746C
"""The advisory lock of the one that leads: any number that no other program uses here."""


class Leader:
    """Whether this process leads. The lock is a connection's: it ends with the process, however that ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def leads(self) -> bool:
        """Whether this process leads, from now on if nobody did; on SQLite it is alone. Raises: StoreUnavailable."""
        if is_sqlite(self._engine):
            return True
        try:
            with only_unavailable(self._engine):
                connection = self._connection or self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._connection = connection
                is_ours = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LEADING}))
        except BaseException:
            self.resign()
            raise
        if not is_ours:
            self.resign()
        return is_ours

    def resign(self) -> None:
        """Another may lead."""
        connection, self._connection = self._connection, None
        if connection:
            connection.invalidate()
            connection.close()

"""Reads the database from beside a running gateway, and cannot change it.

For commands that only look. On SQLite the file is opened read-only: such a connection never checkpoints, not even when
it is the last to close, so it has no part in what two connections can do to a WAL (architecture, Storage); it waits for
nobody and nobody waits for it. Source: sqlite.org/c3ref/open.html and wal.html, read-only databases (read 2026-11), and
`sqlite3WalCheckpoint`, which refuses when the WAL was opened read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text

from gateway.errors import StoreUnavailable
from gateway.store.database import newest_revision, only_unavailable, open_engine

T = TypeVar("T")


class Reader:
    """The database, to be read. Each `read` is one short transaction, so that a long report holds nothing up.

    Raises: StoreUnavailable when there is none yet, or it is of another version.
    """

    def __init__(self, url: str) -> None:
        self._engine = _open_engine(url)
        try:
            revision = self.read(_find_revision)
            if revision != newest_revision():
                raise StoreUnavailable(
                    "the database is of another version than this program: restart the gateway first"
                )
        except BaseException:
            self.close()
            raise

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` finds. Raises: StoreUnavailable."""
        with only_unavailable(self._engine), self._engine.connect() as connection:
            return work(connection)

    def close(self) -> None:
        """Nothing is open any more."""
        self._engine.dispose()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_engine(url: str) -> Engine:
    if not url.startswith("sqlite:"):
        return open_engine(url).execution_options(postgresql_readonly=True)
    path = Path(make_url(url).database or "")
    if not path.is_file():
        raise StoreUnavailable(f"there is no database at {path} yet: tag-gateway serve makes it")
    engine = create_engine(f"sqlite:///file:{quote(str(path.absolute()))}?mode=ro&uri=true", hide_parameters=True)
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA busy_timeout = 5000")


def _find_revision(connection: Connection) -> str | None:
    if "alembic_version" not in inspect(connection).get_table_names():
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()

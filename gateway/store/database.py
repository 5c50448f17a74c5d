"""Opens the database: SQLite with the pragmas durability needs, migrated to the newest schema, held by one process.

Called by `gateway.store.Store`. Source of the pragmas: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous
(read 2026-11): in WAL mode only synchronous=FULL makes a commit survive a power cut.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, make_url, text

from gateway.errors import StoreLocked, StoreUnavailable
from gateway.store.tables import metadata

BEGIN = "BEGIN IMMEDIATE"
"""How a writing transaction begins: it has the write lock at once, and never has to give up half-way."""

MIGRATIONS = Path(__file__).parent / "migrations"

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -4000",  # 4 MB a connection; the system caches the file itself
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


def open_engine(url: str) -> Engine:
    """An engine whose every SQLite connection is durable at commit. The database's folder exists afterwards."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreUnavailable("storage.url: this version stores in SQLite; write sqlite:///path/to/gateway.db")
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    engine = create_engine(parsed, connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"the database's folder {folder} cannot be made: {error.strerror}") from None


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver opens no transaction of its own; `_begin` and the writer do
    for pragma in PRAGMAS:
        connection.execute(pragma)


def _begin(connection: Any) -> None:
    connection.exec_driver_sql(BEGIN if connection.get_execution_options().get("writes") else "BEGIN")


@contextlib.contextmanager
def only_unavailable(engine: Engine) -> Iterator[None]:
    """Trouble of the database (disk, lock, corruption, no connection free) leaves this block as StoreUnavailable.

    A statement or value that is wrong is a defect of ours and leaves as what it is.
    """
    try:
        yield
    except (engine.dialect.loaded_dbapi.Error, exc.DBAPIError, exc.TimeoutError) as error:
        cause = getattr(error, "orig", error)
        if _is_defect(cause):
            raise
        raise StoreUnavailable(str(cause)) from error


def _is_defect(error: BaseException) -> bool:
    """Source: PEP 249, whose names every driver uses. SQLite calls a wrong statement operational too, with code 1."""
    names = {kind.__name__ for kind in type(error).__mro__}
    is_wrong = not names.isdisjoint({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})
    return is_wrong or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


def migrate(engine: Engine) -> None:
    """The database has the newest schema, whatever released version it had before.

    Raises: StoreUnavailable when it cannot be opened, or was written by a newer version.
    """
    with only_unavailable(engine):
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            revision = _find_revision(connection)
        if revision != newest_revision():
            _upgrade(engine)


def newest_revision() -> str:
    """The revision of the schema in `gateway.store.tables`."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _find_revision(connection: Connection) -> str | None:
    """The revision this database is of; an empty one gets the newest schema at once, which needs no Alembic."""
    tables = inspect(connection).get_table_names()
    if tables and "alembic_version" not in tables:
        raise StoreUnavailable("storage.url names a database with another program's tables; give the gateway its own")
    if not tables:
        metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": newest_revision()})
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(engine: Engine) -> None:
    """Alembic is imported only here: a gateway that is up to date need not hold it in memory."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = engine
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailable(f"the database is of a newer version than this program: {error}") from None


class Lock:
    """Holds a SQLite file for one gateway process; the kernel lets go of it however the process ends.

    Raises: StoreLocked when another process holds it, StoreUnavailable when its folder takes no file.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{self._path} cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise StoreLocked(
                f"{database} is in use by another gateway: SQLite takes one process; stop the other, or use PostgreSQL"
            ) from None

    def release(self) -> None:
        """Another process may take the file now."""
        os.close(self._file)

"""Opens the database and tells its trouble: SQLite or PostgreSQL, migrated to the newest schema.

Called by `gateway.store.Store` and its writer. What differs between the two is in `gateway.store.sqlite` and
`gateway.store.postgresql`; here is what they have in common.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, exc, inspect, text

from gateway.errors import StoreUnavailable
from gateway.store import postgresql, sqlite
from gateway.store.sql import TOUCH, Cursor
from gateway.store.tables import metadata

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

MOVING = "moving "
"""How the revision of a database begins that `gateway.store.copy` has not filled to the end."""


Tell = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is, and of how much."""

Follow = Callable[[], AbstractContextManager[Tell]]
"""Where an upgrade tells how far it is, while the block runs."""


class TryAgain(StoreUnavailable):
    """Nothing was written, or nobody knows whether it was; the same again may work at once.

    Another node was quicker, or the connection was lost. Doing what the writer does twice comes to doing it once.
    """


def open_engine(url: str, *, writes: bool = False) -> Engine:
    """An engine whose every connection is durable at commit. `writes`: it is the writer's own.

    Raises: StoreUnavailable when the URL names no database that the gateway can use.
    """
    kind = url.partition(":")[0]
    if kind == "sqlite":
        return sqlite.open_engine(url, writes=writes)
    if kind == "postgresql":
        return postgresql.open_engine(url, writes=writes)
    raise StoreUnavailable(
        "storage.url: write sqlite:///path/to/gateway.db or postgresql://user:password@host/database"
    )


def is_sqlite(engine: Engine) -> bool:
    """Whether one process has this database for itself."""
    return engine.dialect.name == "sqlite"


def begin(engine: Engine, connection: PoolProxiedConnection) -> Cursor:
    """A writing transaction has begun, or will with the first statement; PostgreSQL's driver sees to that."""
    cursor = _wrap(engine, connection)
    if is_sqlite(engine):
        cursor.execute(sqlite.BEGIN, ())
    return cursor


def open_cursor(connection: Connection) -> Cursor:
    """A cursor for the statements of `gateway.store.sql` on a reading connection."""
    return _wrap(connection.engine, connection.connection)


def _wrap(engine: Engine, connection: Any) -> Cursor:
    cursor: Cursor = connection.cursor(sqlite.Cursor) if is_sqlite(engine) else postgresql.Cursor(connection.cursor())
    return cursor


@contextlib.contextmanager
def only_unavailable(engine: Engine) -> Iterator[None]:
    """Trouble of the database (disk, lock, corruption, no connection free) leaves this block as StoreUnavailable.

    A statement or value that is wrong is a defect of ours and leaves as what it is.
    """
    try:
        yield
    except (engine.dialect.loaded_dbapi.Error, exc.DBAPIError, exc.TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        if _is_defect(cause):
            raise
        raise _to_trouble(engine, cause) from error


def _is_defect(error: BaseException) -> bool:
    """Source: PEP 249, whose names every driver uses."""
    names = {kind.__name__ for kind in type(error).__mro__}
    is_wrong = not names.isdisjoint({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})
    return (is_wrong and not postgresql.is_forbidden(error)) or sqlite.is_defect(error) or postgresql.is_defect(error)


def _to_trouble(engine: Engine, cause: BaseException) -> StoreUnavailable:
    if is_sqlite(engine):
        return StoreUnavailable(str(cause))
    trouble = TryAgain if postgresql.may_pass(cause) else StoreUnavailable
    return trouble(postgresql.to_reason(cause))


def migrate(engine: Engine, follow: Follow | None = None) -> None:
    """The database has the newest schema, whatever released version it had before. `follow`: else the log tells.

    Raises: StoreUnavailable when it cannot be opened, or was written by a newer version.
    """
    with only_unavailable(engine), _alone(engine):
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            revision = _find_revision(connection)
            connection.exec_driver_sql(TOUCH)  # a database that may only be read says so now
        if revision and revision.startswith(MOVING):
            raise StoreUnavailable("the database is only half moved here: run tag-gateway move again, it goes on")
        if revision != newest_revision():
            _upgrade(engine, revision, follow or _in_log)


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Of several nodes that start together one migrates, and the others wait; a SQLite file has one process anyway."""
    if is_sqlite(engine):
        yield
        return
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": postgresql.MIGRATING})
        yield


def newest_revision() -> str:
    """The revision of the schema in `gateway.store.tables`."""
    return _list_revisions()[-1]


def _list_revisions() -> list[str]:
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


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


def _upgrade(engine: Engine, revision: str | None, follow: Follow) -> None:
    """The schema is the newest: each migration is one transaction, so a killed one leaves the revision before it.

    Alembic is imported only here: a gateway that is up to date need not hold it in memory.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["engine"] = engine
    missing = sum(one > (revision or "") for one in _list_revisions())
    applied = itertools.count(1)
    started_s = time.monotonic()
    log.warning("bringing the database from revision %s to %s: a large one takes minutes", revision, newest_revision())
    try:
        with follow() as tell:
            config.attributes["tell"] = tell
            config.attributes["applied"] = lambda **_: tell("schema versions", next(applied), missing)
            command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailable(f"the database is of a newer version than this program: {error}") from None
    log.warning("the database is up to date, after %.1f s", time.monotonic() - started_s)


@contextlib.contextmanager
def _in_log() -> Iterator[Tell]:
    """The log has a line for every tenth."""
    told: dict[str, int] = {}

    def tell(what: str, done: int, total: int) -> None:
        tenth = done * 10 // total
        if tenth > told.get(what, 0):
            log.warning("%s: %d of %d", what, done, total)
        told[what] = tenth

    yield tell

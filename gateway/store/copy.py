"""Copies a SQLite database to PostgreSQL: it may stop anywhere and goes on from there, and a count of all ends it.

Called by `gateway.ops.move`, which keeps gateways off the SQLite file meanwhile. Until all is there, the target's
`alembic_version` names the copy instead of a revision: no gateway takes half a database for a whole one, and a copy
that was interrupted knows its own rows. They go over in the order of their keys, a page to a transaction, so how many
are there says where to go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Boolean, Column, ColumnElement, Connection, Integer, Table, case, func, inspect, select, text

from gateway.errors import CommandError, StoreUnavailable
from gateway.store.database import MOVING, newest_revision, only_unavailable, open_engine
from gateway.store.tables import metadata

PAGE = 5_000
"""Rows of one transaction: what an interruption costs, and what is in memory however many there are."""

_PRIME = 1_000_003
"""Numbers are added up by what they leave over of this: sums of times would outgrow SQLite's integers."""

_IN_USE = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'tag-gateway' AND pid <> pg_backend_pid()"""


def name_state(path: Path) -> str:
    """What a copy of this file as it is now is called; any write to the file makes it another one."""
    files = [file for file in (path, path.with_name(path.name + "-wal")) if file.exists()]
    stats = [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files) if stat.st_size]
    return MOVING + hashlib.sha256(f"{path.resolve()} {newest_revision()} {stats}".encode()).hexdigest()[:24]


def count_rows(connection: Connection, table: Table) -> int:
    """How many rows there are."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def read_pages(connection: Connection, table: Table, skip: int) -> Iterator[Sequence[Sequence[Any]]]:
    """All rows but the first so many, in the order of their keys."""
    query = select(table).order_by(*table.primary_key.columns).limit(-1).offset(skip)
    for page in connection.execute(query).partitions(PAGE):
        yield [tuple(row) for row in page]


def sum_up(connection: Connection, table: Table) -> list[int]:
    """How many rows there are, and of each column how many values and what they come to: equal where the rows are."""
    sums: list[ColumnElement[Any]] = [func.count()]
    for column in table.columns:
        sums += [func.count(column), func.sum(_weigh(column))]
    return [int(value or 0) for value in connection.execute(select(*sums).select_from(table)).one()]


def _weigh(column: Column[Any]) -> ColumnElement[Any]:
    """What one value counts for, in words that mean the same to both databases."""
    if isinstance(column.type, Boolean):
        return case((column, 1), else_=0)
    return column % _PRIME if isinstance(column.type, Integer) else func.length(column)


class Target:
    """A PostgreSQL database that becomes the copy of this name.

    Raises: CommandError when it holds anything else or is in use, StoreUnavailable when it cannot be reached.
    """

    def __init__(self, url: str, name: str) -> None:
        self._engine = open_engine(url)
        try:
            with only_unavailable(self._engine), self._engine.begin() as connection:
                _take(connection, name)
        except BaseException:
            self.close()
            raise

    def copy(self, source: Connection) -> Iterator[tuple[str, int]]:
        """Everything is here. Gives, page by page, a table's name and how many more of its rows are."""
        with only_unavailable(self._engine):
            for table in metadata.sorted_tables:
                with self._engine.connect() as connection:
                    there = count_rows(connection, table)
                yield table.name, there
                for page in read_pages(source, table, skip=there):
                    with self._engine.begin() as connection:
                        _add(connection, table, page)
                    yield table.name, len(page)

    def finish(self, source: Connection) -> None:
        """What is here has been compared with the source, and is a gateway's database. Raises: StoreUnavailable."""
        with only_unavailable(self._engine), self._engine.begin() as connection:
            for table in metadata.sorted_tables:
                if sum_up(connection, table) != sum_up(source, table):
                    raise StoreUnavailable(f"{table.name} is not what it was: empty the new database and move again")
            connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest_revision()})
            connection.execute(text("ANALYZE"))  # or the planner would know nothing of the rows for a while

    def close(self) -> None:
        """Nothing is open any more."""
        self._engine.dispose()


def _take(connection: Connection, name: str) -> None:
    """Every table is here, and either empty or as far as the copy of this name had come."""
    if connection.scalar(text(_IN_USE)):
        raise CommandError("a gateway, or another move, is using the new database: stop it first")
    tables = inspect(connection).get_table_names()
    revision = None
    if "alembic_version" in tables:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
    if revision == name:
        return
    if tables and not _is_ours(connection, revision or ""):
        raise CommandError("the new database holds data already, moved or another's: give the gateway an empty one")
    metadata.drop_all(connection)  # half a copy of what has changed since
    metadata.create_all(connection)
    connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:name)"), {"name": name})


def _is_ours(connection: Connection, revision: str) -> bool:
    """Whether nothing is lost with it: half a copy, or a gateway's database that nothing was ever written to."""
    is_unused = revision == newest_revision() and not any(count_rows(connection, one) for one in metadata.sorted_tables)
    return is_unused or revision.startswith(MOVING)


def _add(connection: Connection, table: Table, rows: Sequence[Sequence[Any]]) -> None:
    names = ", ".join(column.name for column in table.columns)
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([_to_value(value) for value in row])


def _to_value(value: Any) -> Any:
    """The value as PostgreSQL can hold it: no text goes on after a NUL, and SQLite counts none as longer either."""
    return value.partition("\0")[0] if isinstance(value, str) else value

"""SQLite: the pragmas that durability needs, and one process that holds the file.

Called by `gateway.store.database`. Source of the pragmas: sqlite.org/wal.html and sqlite.org/pragma.html, synchronous
(read 2026-11): in WAL mode only synchronous=FULL makes a commit survive a power cut.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

from gateway.errors import StoreLocked, StoreUnavailable
from gateway.store.sql import Insert

BEGIN = "BEGIN IMMEDIATE"
"""How a writing transaction begins: it has the write lock at once, and never has to give up half-way."""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA wal_autocheckpoint = 4000",
    "PRAGMA journal_size_limit = 67108864",
)


ROWS_AT_ONCE = 32
"""Rows of one INSERT. The driver keeps each length as a statement of its own, so there must not be many lengths."""


class Cursor(sqlite3.Cursor):
    """The driver's own cursor, which inserts many rows in few steps."""

    def insert(self, into: Insert, rows: Sequence[Sequence[Any]]) -> int:
        """The rows are inserted; how many were taken.

        Many in one statement, because the driver lets go of the interpreter's lock at every step, and a busy event loop
        gives it back late: row by row, the writer would mostly wait. A column that none of them fills is left out,
        because of each None the driver asks at length what it could be turned into.
        """
        taken = 0
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            columns, empty = _fill(part)
            values = list(chain.from_iterable(zip(*columns, strict=True)))
            self.execute(build_insert(into, empty, len(part)), values)
            taken += self.rowcount
        return taken


def _fill(rows: Sequence[Sequence[Any]]) -> tuple[list[tuple[Any, ...]], tuple[int, ...]]:
    """The columns that any of these rows fills, and the places of the others."""
    columns = list(zip(*rows, strict=True))
    unsure = [place for place, value in enumerate(rows[0]) if value is None]
    empty = tuple(place for place in unsure if columns[place].count(None) == len(rows))
    for place in reversed(empty):
        del columns[place]
    return columns, empty


@lru_cache(maxsize=512)
def build_insert(into: Insert, empty: tuple[int, ...], count: int) -> str:
    """The INSERT of so many rows, without the columns in these places."""
    columns = tuple(name for place, name in enumerate(into.columns) if place not in empty)
    marks = f"({', '.join('?' * len(columns))})"
    return f"{into._replace(columns=columns).head} VALUES {', '.join([marks] * count)} {into.tail}"


CACHE_KB, READING_CACHE_KB = 4_000, 1_000
"""What a connection keeps of the file in memory; the system caches the rest."""


def open_engine(url: str, *, writes: bool = False) -> Engine:
    """An engine whose every connection is durable at commit. The database's folder exists afterwards."""
    parsed = make_url(url)
    if parsed.database:
        _make_folder(Path(parsed.database).parent)
    engine = create_engine(parsed, connect_args={"check_same_thread": False}, hide_parameters=True)
    event.listen(engine, "connect", partial(_set_pragmas, CACHE_KB if writes else READING_CACHE_KB))
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"the database's folder {folder} cannot be made: {error.strerror}") from None


def _set_pragmas(cache_kb: int, connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver opens no transaction of its own; `_begin` and the writer do
    for pragma in (*PRAGMAS, f"PRAGMA cache_size = -{cache_kb}"):
        connection.execute(pragma)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(BEGIN if connection.get_execution_options().get("writes") else "BEGIN")


def is_defect(error: BaseException) -> bool:
    """SQLite calls a wrong statement operational, with code 1."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR


class Lock:
    """Holds a SQLite file for one gateway process; the kernel lets go of it however the process ends.

    Whatever symbolic links lead to the file, the lock is beside the file itself, as SQLite's own files are.
    Raises: StoreLocked when another process holds it, StoreUnavailable when its folder takes no file.
    """

    def __init__(self, database: Path) -> None:
        database = Path(os.path.realpath(database))
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

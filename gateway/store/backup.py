"""Copies a SQLite file, while a gateway writes to it too, and checks the copy.

Called by `gateway.ops.backup`. The source is opened read-only, like `gateway.store.reading`, and read in one
transaction: the copy is of one moment, and the gateway waits for nothing (its WAL grows meanwhile). Source:
sqlite.org/c3ref/backup_finish.html (read 2026-11); a backup inside an open read transaction is never begun anew.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from gateway.errors import StoreUnavailable

PAGES = 4096
"""Copied in one step: 16 MB, and progress is told after each."""

_MARK_WAITING = "UPDATE outbox SET lease = NULL, maybe_sent_ms = coalesce(maybe_sent_ms, ?)"


def copy_file(source: Path, copy: Path, sent_ms: int, tell: Callable[[int, int], None]) -> None:
    """The empty file `copy` holds what is committed, checked; what waits in it may have been sent since `sent_ms`.

    For the gateway goes on sending, and whoever goes back to the copy must not send it again when TikTok would count
    it twice (contract 4.4). `tell` hears how many pages remain, of how many. Raises: StoreUnavailable.
    """
    with _only_unavailable(), contextlib.closing(_open(source, "ro")) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with contextlib.closing(_open(copy, "rw")) as writing:
            reading.backup(writing, pages=PAGES, progress=lambda _, remaining, total: tell(remaining, total))
            writing.execute("PRAGMA journal_mode = DELETE")  # the copy is one file, whatever comes of it
            _check(writing, source)
            writing.execute(_MARK_WAITING, (sent_ms,))


def find_last_write_ms(path: Path) -> int:
    """When this database was last written to, as far as its files tell. Units: Unix milliseconds."""
    files = [file for file in (path, path.with_name(path.name + "-wal")) if file.exists()]
    return max(file.stat().st_mtime_ns for file in files) // 1_000_000


def _check(copy: sqlite3.Connection, source: Path) -> None:
    (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreUnavailable(f"{source} is damaged: {found}")
    tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
    if not {"alembic_version", "events", "outbox"} <= tables:
        raise StoreUnavailable(f"{source} is no database of the gateway's")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, isolation_level=None, timeout=5)


@contextlib.contextmanager
def _only_unavailable() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the database cannot be copied: {error}") from error

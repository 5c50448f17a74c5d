"""Brings what SQLite's log holds into the database itself, beside the writer, so that no commit has to wait for it.

SQLite does that by itself in the commit that makes the log long enough: 4,000 pages and an fsync, in which everybody
who waits for that commit waited 40 ms more (bench/README.md, 29). What is left for such a commit is what was written
since the last checkpoint. Source: sqlite.org/wal.html, 2.1 and 3.2 (read 2026-11): a passive checkpoint blocks nobody.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from typing import Any

from sqlalchemy import Engine

from gateway.store.database import is_sqlite

log = logging.getLogger(__name__)

_STAYS = "what was committed stays in the database's log for now: %s"

CHANGES = 5_000
"""Rows changed from one checkpoint to the next: some 800 beacons with their delivery, or 1,200 pages."""


class Checkpointer:
    """Given to the writer, which calls `look` after each commit. Does nothing for a database that is not SQLite."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine if is_sqlite(engine) else None
        self._seen = 0
        self._is_due = threading.Event()
        self._is_open = True
        self._thread: threading.Thread | None = None

    def look(self, connection: Any) -> None:
        """A checkpoint begins if enough was written over this connection, in a thread that the first one starts.

        Raises nothing: the commit has been made, and nobody may take it for one that failed.
        """
        if not self._engine:
            return
        changes: int = connection.total_changes
        if changes < self._seen:  # another connection than before
            self._seen = 0
        if changes - self._seen < CHANGES:
            return
        self._seen = changes
        self._is_due.set()
        if not self._thread:
            thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the system has no thread to give; the next commits ask again
                log.warning(_STAYS, error)
                return
            self._thread = thread

    def stop(self) -> None:
        """No checkpoint runs any more, and none will."""
        self._is_open = False
        self._is_due.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        assert self._engine is not None  # noqa: S101 - `look` starts it
        while self._is_due.wait() and self._is_open:
            self._is_due.clear()
            try:
                with closing(self._engine.raw_connection()) as connection:
                    connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error as error:  # a later commit does it, or tells everybody why it cannot
                log.warning(_STAYS, error)

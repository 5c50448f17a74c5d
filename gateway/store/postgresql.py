"""PostgreSQL: how to reach it, what it must promise, and the few statements that it takes in other words than SQLite.

Called by `gateway.store.database`; psycopg is imported only when a connection is opened. Several gateways share one
database: what another may be writing at this moment is locked by the rows themselves, and whoever is told to give way
(`may_pass`) does the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, NullPool, create_engine, text

from gateway.errors import StoreUnavailable
from gateway.store import sql
from gateway.store.tables import events

REACH = {
    "application_name": "tag-gateway",
    "client_encoding": "utf8",
    "target_session_attrs": "read-write",  # of several hosts, the one that is no standby
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",  # ms; a primary that vanished without a word is noticed after so long
}
"""What storage.url may say otherwise. Source: postgresql.org/docs/18/libpq-connect.html (read 2026-11)."""

_PROMISE = """
    SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false)"""
"""A commit is on the primary's disk, and on a synchronous standby's if there is one, whatever the server's default."""

_WRITER = """
    SELECT set_config('lock_timeout', '5s', false), set_config('idle_in_transaction_session_timeout', '10s', false)"""
"""A node that froze in the middle of a transaction loses its locks, and nobody waits for them for ever.

There is no statement_timeout: it would cut short the wait for a synchronous standby, and report that as a commit.
Source: postgresql.org/docs/18/warm-standby.html, synchronous replication (read 2026-11).
"""

MIGRATING = 0x7467617465
"""The advisory lock of whoever brings the schema up to date: any number that no other program uses here."""

_VISITOR = ", ".join(sql.VISITOR)
_IN_OTHER_WORDS: Mapping[str, str] = {
    sql.FIND_VISITOR: f"{sql.FIND_VISITOR} FOR NO KEY UPDATE",
    sql.FIND_VISITORS: f"""
        SELECT coalesce(json_agg(json_build_array({_VISITOR})), '[]')::text FROM (
            SELECT * FROM visitors
            WHERE (store_id, id) IN (SELECT value ->> 0, value ->> 1 FROM json_array_elements(?::json))
            ORDER BY store_id, id FOR NO KEY UPDATE) AS found""",  # noqa: S608 - names of ours
    sql.FIND_LINKS: """
        SELECT coalesce(json_agg(json_build_array(store_id, kind, digest, visitor_id, click_ms)), '[]')::text FROM links
        WHERE (store_id, kind, digest) IN (
            SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_array_elements(?::json))""",
    sql.FIND_DUE: sql.FIND_DUE.replace("json_group_array(id)", "coalesce(json_agg(id), '[]')::text").replace(
        "LIMIT ?", "LIMIT ? FOR UPDATE SKIP LOCKED"
    ),
    sql.CLAIM: sql.CLAIM.replace("group_concat", "string_agg").replace(
        "json_quote(e.ip)", "coalesce(to_json(e.ip)::text, 'null')"
    ),
    sql.ADD_ATTEMPTS: sql.ADD_ATTEMPTS.replace("ON CONFLICT", "FOR KEY SHARE ON CONFLICT"),
}
"""What is read to be changed is locked, visitors in one order on every node; what another node claims is passed by."""


@lru_cache(maxsize=1024)
def translate(statement: str) -> str:
    """The statement in PostgreSQL's words and with psycopg's placeholders."""
    words = _IN_OTHER_WORDS.get(statement, statement)
    words = words.replace(
        "IN (SELECT value FROM json_each(?))", "= ANY (ARRAY(SELECT json_array_elements_text(?::json)))"
    )
    return words.replace("%", "%%").replace("?", "%s")


_CASTS = {"VARCHAR": "text", "TEXT": "text", "BIGINT": "bigint", "INTEGER": "integer", "BOOLEAN": "boolean"}


@lru_cache(maxsize=64)
def build_insert(into: sql.Insert) -> str:
    """The INSERT of all the rows in one JSON array of arrays."""
    types = [_CASTS[str(into.table.columns[name].type)] for name in into.columns]
    values = ", ".join(f"(r ->> {place})::{type_}" for place, type_ in enumerate(types))
    return f"{into.head} SELECT {values} FROM jsonb_array_elements(%s::jsonb) AS r {into.tail}"  # noqa: S608 - names of ours


class Cursor:
    """A driver's cursor that takes the statements of `gateway.store.sql`."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.connection = cursor.connection
        self.fetchone = cursor.fetchone
        self.fetchall = cursor.fetchall

    @property
    def rowcount(self) -> int:
        """How many rows the last statement met."""
        count: int = self._cursor.rowcount
        return count

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """The statement has run."""
        return self._cursor.execute(translate(statement), parameters)

    def insert(self, into: sql.Insert, rows: Sequence[Sequence[Any]]) -> int:
        """The rows are inserted, sent as one JSON text; how many were taken.

        The driver reads each statement and turns each value into text, in Python: with one value in statements that
        never change there is next to nothing of that.
        """
        self._cursor.execute(build_insert(into), (msgspec.json.encode(rows).decode(),))
        return self.rowcount

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> Any:
        """The statement has run once for each of these."""
        return self._cursor.executemany(translate(statement), parameters)


def _narrow_checkouts() -> None:
    """`events_checkout` has as few rows here as on SQLite.

    The table itself cannot say so: it would load PostgreSQL's dialect for those who have SQLite.
    """
    [checkouts] = [index for index in events.indexes if index.name == "events_checkout"]
    checkouts.dialect_options["postgresql"]["where"] = checkouts.dialect_options["sqlite"]["where"]


def open_engine(url: str, *, writes: bool) -> Engine:
    """An engine whose every connection is durable at commit, on the one host of several that takes writes.

    The URL is libpq's own, several hosts included: SQLAlchemy never sees it. A writing engine keeps no connections; the
    writer holds its own, and throws it away when in doubt. Raises: StoreUnavailable when it is no such URL.
    """
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict

    try:
        parameters = REACH | conninfo_to_dict(url)
    except Error:
        raise StoreUnavailable("storage.url is no URL that PostgreSQL understands") from None
    _narrow_checkouts()
    pool: dict[str, Any] = {"poolclass": NullPool, "pool_reset_on_return": None} if writes else {"pool_pre_ping": True}
    return create_engine(
        "postgresql+psycopg://",
        creator=partial(_connect, parameters, writes=writes),
        use_native_hstore=False,
        hide_parameters=True,
        **pool,
    )


def _connect(parameters: Mapping[str, Any], *, writes: bool) -> Any:
    from psycopg import connect

    connection = connect(**parameters, autocommit=True)
    for settings in (_PROMISE, _WRITER) if writes else (_PROMISE,):
        connection.execute(settings)
    connection.set_autocommit(False)
    return connection


def find_skew(connection: Connection, clock: Callable[[], int]) -> tuple[int, int]:
    """How far the server's clock is ahead of this one, and by how much that may be wrong. Units: milliseconds."""
    connection.execute(text("SELECT 1"))  # opens the transaction, which takes an exchange of its own
    before_ms = clock()
    told_ms: int = connection.scalar(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")) or 0
    half_ms = abs(clock() - before_ms) // 2
    return told_ms - before_ms - half_ms, half_ms


def is_defect(error: BaseException) -> bool:
    """Whether nothing but other code or another value would help; too long for an index is 54000."""
    return (getattr(error, "sqlstate", None) or "").startswith("54")


def is_forbidden(error: BaseException) -> bool:
    """PostgreSQL counts missing rights among wrong statements (42501); an operator can mend them."""
    return getattr(error, "sqlstate", None) == "42501"


def may_pass(error: BaseException) -> bool:
    """Whether the same again may work at once: a deadlock, a conflict, or a connection that was lost.

    Source: postgresql.org/docs/18/errcodes-appendix.html (read 2026-11); libpq gives a lost connection no code.
    """
    code = getattr(error, "sqlstate", "") or ""
    if code in {"40001", "40P01", "57P01", "57P02", "57P03", "25P03"} or code.startswith("08"):
        return True
    return not code and type(error).__name__ == "OperationalError"


def to_reason(error: BaseException) -> str:
    """The error in one line, without the rows, values and addresses that the whole of it may name."""
    told: str | None = getattr(getattr(error, "diag", None), "message_primary", None)
    if told:
        return told
    _, is_unreached, why = str(error).rpartition("failed: ")
    return ("PostgreSQL cannot be reached: " if is_unreached else "") + why.partition("\n")[0]

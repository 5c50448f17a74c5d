"""Fills a SQLite database with very many visitors and waiting events, as copies of one of each that came in for real.

Used by the measures whose question is how much is there already. The copies differ in their ids alone, so whatever the
schema keeps of an event, a copy has it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.site import PRODUCT, SECRET, STORE, build_beacon, post_beacon, running_gateway
from gateway.intake.tokens import Tokens, VisitorToken
from gateway.store.sql import EVENT, LINK, OUTBOX, VISITOR, Cursor
from gateway.store.visits import ADD_VISITS

NOWHERE = "http://127.0.0.1:9"
CHUNK = 50_000
_MANY = "WITH RECURSIVE many(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM many WHERE n < ?)"
_ID = "printf('%s%020x', substr({0}, 1, 12), n)"
"""An id of the same millisecond as its model's, in the order of its number."""
_EVENT = f"events WHERE store_id = '{STORE}' AND event_id = 'model'"
_OF_MODEL = f"store_id = '{STORE}' AND {{}} = (SELECT visitor_id FROM {_EVENT})"


def make_models(folder: Path) -> None:
    """The database of this folder's installation holds one visitor, the model, with one waiting event."""
    with running_gateway(folder, NOWHERE, "--no-deliver") as gateway:
        post_beacon(gateway, build_beacon("model", first="model", ids={"first": "model", "cart": "model"}))


def fill(database: Path, *, visitors: int = 0, events: int = 0) -> None:
    """So many visitors, each with an anchor, and so many waiting events are there beside the models."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        cursor = connection.cursor()
        for start in range(0, max(visitors, events), CHUNK):
            cursor.execute("BEGIN")
            if start < visitors:
                add_visitors(cursor, start, min(start + CHUNK, visitors))
            if start < events:
                add_events(cursor, start, min(start + CHUNK, events))
            cursor.execute("COMMIT")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def count_settled(database: Path) -> int:
    """How many of the copies have met their fate: their ids stand before their model's, and all others behind it."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        statement = f"SELECT count(*) FROM events WHERE fate IS NOT NULL AND id < (SELECT id FROM {_EVENT})"
        [count] = connection.execute(statement).fetchone()
    return int(count)


def add_visitors(cursor: Cursor, start: int, end: int) -> None:
    """The visitors of these numbers are there, each found by an anchor too."""
    visitor = {"id": _ID.format("id")}
    _copy(cursor, "visitors", VISITOR, visitor, f"visitors WHERE {_OF_MODEL.format('id')}", start, end)
    link = {"digest": "printf('%s%024x', substr(digest, 1, 8), n)", "visitor_id": _ID.format("visitor_id")}
    _copy(cursor, "links", LINK, link, f"links WHERE kind = 'cart' AND {_OF_MODEL.format('visitor_id')}", start, end)


def add_events(cursor: Cursor, start: int, end: int) -> None:
    """The events of these numbers wait to be sent, and are due; each of its own visitor and one of 500 products."""
    number = "printf('%012x-%012x', n, n)"
    body = f"replace(body, '\"model\"', '\"' || {number} || '\"')"
    body = f"replace({body}, json_extract(body, '$.user.external_id[0]'), printf('%064x', n))"
    event = {
        "id": _ID.format("id"),
        "event_id": number,
        "visitor_id": _ID.format("visitor_id"),
        "body": f"replace({body}, '{PRODUCT}', {PRODUCT} + n % 500)",
    }
    _copy(cursor, "events", EVENT, event, _EVENT, start, end)
    waiting = {"id": _ID.format("id"), "due_ms": "0", "attempts": "0", "lease": "NULL", "maybe_sent_ms": "NULL"}
    _copy(cursor, "outbox", OUTBOX, waiting, _EVENT, start, end)
    visit = {"visitor_id": _ID.format("visitor_id")}
    theirs = f"visits WHERE {_OF_MODEL.format('visitor_id')}"
    _copy(cursor, "visits", ADD_VISITS.columns, visit, theirs, start, end)


def _copy(
    cursor: Cursor, table: str, columns: Sequence[str], changes: Mapping[str, str], model: str, start: int, end: int
) -> None:
    taken = ", ".join(changes.get(name, name) for name in columns)
    statement = f"{_MANY} INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM many, {model}"
    cursor.execute(statement, (start, end - 1))


def write_cookies(database: Path, path: Path, visitors: Sequence[int]) -> Path:
    """A file with the Cookie headers of the visitors of these numbers."""
    tokens = Tokens([SECRET])
    with contextlib.closing(sqlite3.connect(database)) as connection:
        statement = f"SELECT id, first_seen_ms FROM visitors WHERE {_OF_MODEL.format('id')}"
        model, first_ms = connection.execute(statement).fetchone()
    ids = [f"{model[:12]}{number:020x}" for number in visitors]
    signed = [
        (tokens.sign_visitor(STORE, VisitorToken(id_, first_ms)), tokens.sign_companion(STORE, id_)) for id_ in ids
    ]
    path.write_text("\n".join(f"_tgv={visitor}; _tgc={companion}" for visitor, companion in signed))
    return path

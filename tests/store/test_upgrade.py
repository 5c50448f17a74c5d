"""What an older version stored is all there after the migrations, in its order, and safe to replay."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from gateway.store.database import migrate
from tests.store.test_schema import open_empty, run_migrations

_EVENT = text("""
    INSERT INTO events (store_id, id, pixel_code, event, event_id, source, occurred_ms, received_ms, expires_ms,
        duplicates, body, fate)
    VALUES ('acme', :id, 'C0', 'Purchase', :id, 'beacon', 1, 5, 9, 2, '{}', :fate)""")
_ATTEMPT = text("""
    INSERT INTO attempts (store_id, id, attempted_ms, verdict) VALUES ('acme', :id, :at_ms, :verdict)""")


def test_events_keep_what_they_had_and_learn_what_may_have_been_sent(tmp_path: Path):
    """When an answer was missing is not known of old events, so the worst is taken for true."""
    engine = open_empty(tmp_path, "old")
    run_migrations(engine, "0004")
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        for id_, fate in (("d", None), ("c", "accepted"), ("b", "rejected"), ("a", "expired")):
            connection.execute(_EVENT, {"id": id_, "fate": fate})
        for at_ms, verdict in ((6, "snooze"), (7, "retry"), (8, "retry"), (9, "reject")):
            connection.execute(_ATTEMPT, {"id": "b", "at_ms": at_ms, "verdict": verdict})
    migrate(engine)
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT id, event_id, duplicates, fate, maybe_sent_ms, found_by FROM events ORDER BY rowid")
        ).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [
        ("d", "d", 2, None, None, None),
        ("c", "c", 2, "accepted", None, None),
        ("b", "b", 2, "rejected", 7, None),
        ("a", "a", 2, "expired", 5, None),
    ]

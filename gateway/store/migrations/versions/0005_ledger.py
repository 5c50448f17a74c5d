"""The ledger: events are found by their id and tell how they came; people by their email; erasures leave a proof."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.telling import tell

revision = "0005"
down_revision = "0004"

_ONCE = ["store_id", "event_id", "pixel_code", "event"]
_KEPT = (
    "store_id, id, pixel_code, event, event_id, visitor_id, source, pixel, occurred_ms, received_ms, expires_ms, "
    "duplicates, ip, body, fate, reason, settled_ms, browser, traits, currency, worth_e4"
)
_MAYBE_SENT = """
    UPDATE events SET maybe_sent_ms = coalesce(
        (SELECT min(a.attempted_ms) FROM attempts a
         WHERE a.store_id = events.store_id AND a.id = events.id AND a.verdict = 'retry'), received_ms)
    WHERE fate IN ('rejected', 'expired')"""
"""The outbox has forgotten it: at worst such an event was sent when it came, and is never replayed too late."""
_AT_ONCE = 10_000
_HAS_EMAIL = sa.text("email IS NOT NULL")


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_events()
    else:
        _change_events()
    op.create_index("visitors_email", "visitors", ["store_id", "email"], sqlite_where=_HAS_EMAIL)
    _create_erasures()
    op.execute(_MAYBE_SENT)


def _rebuild_events() -> None:
    """SQLite changes no constraint of a table that is there: the rows move to a new one, in their order."""
    op.drop_index("events_visitor", "events")
    op.rename_table("events", "events_0003")
    op.create_table(
        "events",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pixel_code", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("visitor_id", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("pixel", sa.String(), nullable=True),
        sa.Column("occurred_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("fate", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.Column("browser", sa.String(), nullable=True),
        sa.Column("traits", sa.Integer(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("worth_e4", sa.BigInteger(), nullable=True),
        *_new_columns(),
        sa.PrimaryKeyConstraint("store_id", "id"),
        sa.UniqueConstraint(*_ONCE, name="events_once"),
    )
    _move_events(op.get_bind())
    op.drop_table("events_0003")
    op.create_index("events_visitor", "events", ["store_id", "visitor_id"], unique=False)


def _move_events(connection: sa.Connection) -> None:
    """In steps, so that it can be followed, and interrupted: SQLite lets nobody stop a single statement."""
    after, done = 0, 0
    total = connection.execute(sa.text("SELECT count(*) FROM events_0003")).scalar_one()
    find = sa.text("SELECT max(n) FROM (SELECT rowid n FROM events_0003 WHERE rowid > :after ORDER BY 1 LIMIT :limit)")
    move = sa.text(f"""
        INSERT INTO events ({_KEPT}) SELECT {_KEPT} FROM events_0003
        WHERE rowid > :after AND rowid <= :last ORDER BY rowid""")  # noqa: S608 - names of ours
    while last := connection.execute(find, {"after": after, "limit": _AT_ONCE}).scalar():
        done += connection.execute(move, {"after": after, "last": last}).rowcount
        after = last
        tell("events moved", done, total)


def _change_events() -> None:
    for column in _new_columns():
        op.add_column("events", column)
    op.drop_constraint("events_once", "events")
    op.create_unique_constraint("events_once", "events", _ONCE)


def _new_columns() -> tuple[sa.Column[int], sa.Column[str], sa.Column[str]]:
    return (
        sa.Column("maybe_sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("found_by", sa.String(), nullable=True),
        sa.Column("consent_source", sa.String(), nullable=True),
    )


def _create_erasures() -> None:
    counts = ("visitors", "links", "events", "attempts", "orders")
    op.create_table(
        "erasures",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("erased_ms", sa.BigInteger(), nullable=False),
        sa.Column("named_by", sa.String(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
        sa.PrimaryKeyConstraint("store_id", "id"),
        sqlite_with_rowid=False,
    )

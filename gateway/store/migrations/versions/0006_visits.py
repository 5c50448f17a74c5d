"""A visitor's events are found by their visits; the index over them, a place of its own for each event, is gone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.telling import tell

revision = "0006"
down_revision = "0005"

_AT_ONCE = 10_000
_STARTS_CHECKOUT = sa.text("event = 'InitiateCheckout'")


def upgrade() -> None:
    op.create_table(
        "visits",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("visitor_id", sa.String(), nullable=False),
        sa.Column("span", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "visitor_id", "span"),
        sqlite_with_rowid=False,
    )
    op.create_index("visits_span", "visits", ["store_id", "span"])
    _fill_visits(op.get_bind())
    op.create_index(
        "events_checkout", "events", ["store_id", "visitor_id"],
        sqlite_where=_STARTS_CHECKOUT, postgresql_where=_STARTS_CHECKOUT,
    )  # fmt: skip
    op.drop_index("events_visitor", "events")


def _fill_visits(connection: sa.Connection) -> None:
    """In steps, so that it can be followed, and interrupted: SQLite lets nobody stop a single statement."""
    store_id, after, done = "", "", 0
    total = connection.execute(sa.text("SELECT count(*) FROM events")).scalar_one()
    find = sa.text("""
        SELECT store_id, id FROM events WHERE (store_id, id) > (:store_id, :after)
        ORDER BY store_id, id LIMIT 1 OFFSET :skip""")
    last = sa.text("SELECT store_id, id FROM events ORDER BY store_id DESC, id DESC LIMIT 1")
    fill = sa.text("""
        INSERT INTO visits (store_id, visitor_id, span)
        SELECT DISTINCT store_id, visitor_id, substr(id, 1, 8) FROM events
        WHERE (store_id, id) > (:store_id, :after) AND (store_id, id) <= (:last_store_id, :last)
          AND visitor_id IS NOT NULL
        ON CONFLICT (store_id, visitor_id, span) DO NOTHING""")
    while done < total:
        here = {"store_id": store_id, "after": after}
        end = connection.execute(find, here | {"skip": _AT_ONCE - 1}).one_or_none() or connection.execute(last).one()
        connection.execute(fill, here | {"last_store_id": end[0], "last": end[1]})
        store_id, after = end
        done = min(total, done + _AT_ONCE)
        tell("events looked at", done, total)

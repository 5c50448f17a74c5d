"""The spine: visitors, links, events, outbox, attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("attempted_ms", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("store_id", "id", "attempted_ms"),
        sqlite_with_rowid=False,
    )
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
        sa.PrimaryKeyConstraint("store_id", "id"),
        sa.UniqueConstraint("store_id", "pixel_code", "event", "event_id", name="events_once"),
    )
    op.create_index("events_visitor", "events", ["store_id", "visitor_id"], unique=False)
    op.create_table(
        "links",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("visitor_id", sa.String(), nullable=False),
        sa.Column("click_ms", sa.BigInteger(), nullable=False),
        sa.Column("linked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "kind", "digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("links_visitor", "links", ["store_id", "visitor_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("pixel_code", sa.String(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.String(), nullable=True),
        sa.Column("maybe_sent_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("store_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("outbox_due", "outbox", ["store_id", "pixel_code", "due_ms"], unique=False)
    op.create_table(
        "visitors",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("first_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("ttclid", sa.Text(), nullable=True),
        sa.Column("click_ms", sa.BigInteger(), nullable=True),
        sa.Column("ttp", sa.Text(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("marketing", sa.Boolean(), nullable=True),
        sa.Column("analytics", sa.Boolean(), nullable=True),
        sa.Column("sale_of_data", sa.Boolean(), nullable=True),
        sa.Column("consent_source", sa.String(), nullable=True),
        sa.Column("consent_ms", sa.BigInteger(), nullable=True),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("store_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("visitors_last_seen", "visitors", ["store_id", "last_seen_ms"], unique=False)

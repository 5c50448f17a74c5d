"""Orders, reversals and webhooks: what Shopify told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("visitor_id", sa.String(), nullable=True),
        sa.Column("placed_ms", sa.BigInteger(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("store_id", "id"),
    )
    op.create_index("orders_name", "orders", ["store_id", "name"], unique=False)
    op.create_index("orders_placed", "orders", ["store_id", "placed_ms"], unique=False)
    op.create_index("orders_visitor", "orders", ["store_id", "visitor_id"], unique=False)
    op.create_table(
        "reversals",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("occurred_ms", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.String(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("store_id", "order_id", "kind", "occurred_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhooks",
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("webhooks_received", "webhooks", ["store_id", "received_ms"], unique=False)

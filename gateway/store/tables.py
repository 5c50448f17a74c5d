"""The schema: visitors, links, events, outbox, attempts, orders, reversals, webhooks. SQLAlchemy Core, no ORM.

Every primary key starts with `store_id`, so that a database can later be split by store. Times are Unix milliseconds.
Our own ids are UUIDv7 in 32 hex digits: neighbours in time are neighbours in the index, which keeps inserts cheap.
Migrations in `gateway.store.migrations` build exactly this; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

visitors = Table(
    "visitors",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("first_seen_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Column("ttclid", Text),
    Column("click_ms", BigInteger),
    Column("ttp", Text),
    Column("email", String),
    Column("phone", String),
    Column("external_id", String),
    Column("marketing", Boolean),
    Column("analytics", Boolean),
    Column("sale_of_data", Boolean),
    Column("consent_source", String),
    Column("consent_ms", BigInteger),
    Column("ip", String),
    Column("user_agent", Text),
    Index("visitors_last_seen", "store_id", "last_seen_ms"),
    sqlite_with_rowid=False,
)
"""One row a visitor: the newest click, the person last seen, the consent in force."""

links = Table(
    "links",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("visitor_id", String, nullable=False),
    Column("click_ms", BigInteger, nullable=False),
    Column("linked_ms", BigInteger, nullable=False),
    Index("links_visitor", "store_id", "visitor_id"),
    sqlite_with_rowid=False,
)
"""The ways back to a visitor: keyed digests of anchors (cart, checkout, client, customer, email, phone, first)."""

events = Table(
    "events",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("pixel_code", String, nullable=False),
    Column("event", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("visitor_id", String),
    Column("source", String, nullable=False),
    Column("pixel", String),
    Column("occurred_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("ip", String),
    Column("body", Text, nullable=False),
    Column("fate", String),
    Column("reason", Text),
    Column("settled_ms", BigInteger),
    UniqueConstraint("store_id", "pixel_code", "event", "event_id", name="events_once"),
    Index("events_visitor", "store_id", "visitor_id"),
)
"""Every event taken in, once a pixel: what is sent and the audit trail. `body` is the Event as JSON, without the ip."""

outbox = Table(
    "outbox",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("pixel_code", String, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease", String),
    Column("maybe_sent_ms", BigInteger),
    Index("outbox_due", "store_id", "pixel_code", "due_ms"),
    sqlite_with_rowid=False,
)
"""What is still to be sent: a narrow row for each event without a fate. `due_ms` is also when a lease ends.

`maybe_sent_ms` is the first attempt whose answer nobody knows; the 48-hour rule counts from it.
"""

attempts = Table(
    "attempts",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("attempted_ms", BigInteger, primary_key=True),
    Column("verdict", String, nullable=False),
    Column("http_status", Integer),
    Column("code", Integer),
    Column("message", Text),
    Column("request_id", String),
    sqlite_with_rowid=False,
)
"""Each time an event was sent: what TikTok answered. `id` is the event's."""

orders = Table(
    "orders",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("name", String),
    Column("visitor_id", String),
    Column("placed_ms", BigInteger, nullable=False),
    Column("heard_ms", BigInteger, nullable=False),
    Column("value", String),
    Column("currency", String),
    Column("reason", String),
    Index("orders_name", "store_id", "name"),
    Index("orders_placed", "store_id", "placed_ms"),
    Index("orders_visitor", "store_id", "visitor_id"),
)
"""Every order that Shopify or a browser's Purchase told, with no personal data; only Shopify knows its name and value.

`reason`: why no Purchase was queued for it; NULL when one was.
"""

reversals = Table(
    "reversals",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("order_id", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("occurred_ms", BigInteger, primary_key=True),
    Column("amount", String),
    Column("currency", String),
    sqlite_with_rowid=False,
)
"""Refunds and cancellations, for the merchant's own account: TikTok documents no reversal."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("topic", String, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Index("webhooks_received", "store_id", "received_ms"),
    sqlite_with_rowid=False,
)
"""The ids of the webhooks taken, so that a repeated delivery is answered and not worked on again."""

"""The schema: visitors, links, events, visits, outbox, attempts, orders, reversals, webhooks, erasures, alerts, hours.

SQLAlchemy Core, no ORM.
Every primary key starts with `store_id`, so that a database can later be split by store. Times are Unix milliseconds.
Our own ids are UUIDv7 in 32 hex digits: neighbours in time are neighbours in the index, which keeps inserts cheap.
Migrations in `gateway.store.migrations` build exactly this; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

_HAS_EMAIL = text("email IS NOT NULL")
_STARTS_CHECKOUT = text("event = 'InitiateCheckout'")

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
    Column("landing", String),
    Column("cookie_ms", BigInteger),
    Index("visitors_last_seen", "store_id", "last_seen_ms"),
    Index("visitors_email", "store_id", "email", sqlite_where=_HAS_EMAIL),
    sqlite_with_rowid=False,
)
"""One row a visitor: the newest click, the person last seen, the consent in force.

`landing`: how they came to the first page seen; `cookie_ms`: when their cookie was last counted in `cookie_hours`.
"""

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
    Column("browser", String),
    Column("traits", Integer),
    Column("currency", String),
    Column("worth_e4", BigInteger),
    Column("maybe_sent_ms", BigInteger),
    Column("found_by", String),
    Column("consent_source", String),
    UniqueConstraint("store_id", "event_id", "pixel_code", "event", name="events_once"),
    Index("events_checkout", "store_id", "visitor_id", sqlite_where=_STARTS_CHECKOUT),
)
"""Every event taken in, once a pixel: what is sent and the audit trail. `body` is the Event as JSON, without the ip.

`maybe_sent_ms`: as in the outbox, kept when the event left it. `found_by`: how its visitor was found. `consent_source`:
who told the consent in force when it was taken; NULL when nobody had, empty when whoever did gave no name.
`browser`, `traits`, `currency` and `worth_e4` are what is counted of it: see `gateway.store.traits`.
"""

visits = Table(
    "visits",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("visitor_id", String, primary_key=True),
    Column("span", String, primary_key=True),
    Index("visits_span", "store_id", "span"),
    sqlite_with_rowid=False,
)
"""When a visitor's events came: `span` is how their ids begin, some 65 s each (`gateway.store.visits`)."""

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
    Column("fate", String),
    Index("orders_name", "store_id", "name"),
    Index("orders_placed", "store_id", "placed_ms", "reason", "fate"),
    Index("orders_visitor", "store_id", "visitor_id"),
)
"""Every order that Shopify or a browser's Purchase told, with no personal data; only Shopify knows its name and value.

`reason`: why no Purchase was queued for it; NULL when one was. `fate`: how that one ended, accepted if any pixel's was.
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

erasures = Table(
    "erasures",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("erased_ms", BigInteger, nullable=False),
    Column("named_by", String, nullable=False),
    Column("visitors", Integer, nullable=False),
    Column("links", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("orders", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""That a person was erased, when, and how much of them there was: a proof with nothing of the person in it.

`named_by`: by which kinds of name, such as `email`; never the name itself.
"""


alerts = Table(
    "alerts",
    metadata,
    Column("store_id", String, primary_key=True),
    Column("cause", String, primary_key=True),
    Column("seen_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("told_ms", BigInteger),
    sqlite_with_rowid=False,
)
"""Troubles that are open now, seen last at `seen_ms` by any process; the empty store's are the whole installation's.

`due_ms` keeps other processes from telling one as well while this one does; `told_ms` is NULL until somebody was told.
"""


def _hours(name: str, keys: tuple[str, ...], *counted: Column[Any]) -> Table:
    """What happened in one hour (UTC, by its first millisecond), in rows of few: numbers alone, no person in them.

    `slot` keeps the nodes that write to one database off each other's rows; whoever reads adds them up.
    """
    return Table(
        name,
        metadata,
        Column("store_id", String, primary_key=True),
        Column("hour_ms", BigInteger, primary_key=True),
        *(Column(key, String, primary_key=True) for key in keys),
        Column("slot", Integer, primary_key=True, autoincrement=False),
        *counted,
        sqlite_with_rowid=False,
    )


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


COUNTED_FLOW = (
    "received", "merged", "late",
    "accepted", "rejected", "expired", "withdrawn", "not_sent",
    "in_2s", "in_5s", "in_15s", "in_1m", "in_5m", "in_1h", "in_6h", "in_48h", "in_more",
    "browser", "ttclid", "ttp", "email", "phone", "external_id", "ip", "user_agent",
    "no_browser", "from_tiktok", "landing_unseen", "no_click", "unknown",
)  # fmt: skip

flow_hours = _hours("flow_hours", ("pixel_code", "event", "source"), *map(_count, COUNTED_FLOW))
"""Events by the hour they were received in: how many came, how they ended, how long TikTok's acceptance took.

`merged` and `late`: twins that filled a waiting event, and that came when it had left. The delays (`in_…`, each without
the shorter ones) and all that follows them count accepted events alone. `event` is a standard name, or `other`.
"""

COUNTED_ROUTES = ("fired", "blocked", "absent", "no_browser", "off", "unknown")

recovered_hours = _hours(
    "recovered_hours",
    ("pixel_code", "browser", "currency"),
    *(_count(name) for route in COUNTED_ROUTES for name in (route, f"{route}_purchases", f"{route}_e4")),
)
"""Accepted events by what became of the Pixel's copy: how many, how many of them purchases, and what these were worth.

Units: `…_e4` ten-thousandths of the currency, which is empty for everything without a worth.
"""

COUNTED_COOKIES = (
    "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8_14", "d15_30", "d31_90", "d91_400",
    "by_companion", "by_anchor",
)  # fmt: skip

cookie_hours = _hours("cookie_hours", ("browser",), *map(_count, COUNTED_COOKIES))
"""Visitors who came back, each once a day (UTC): how many days old their cookie was, or what found them without it."""

drop_hours = _hours("drop_hours", ("source", "reason"), _count("events"))
"""Events of beacons, and webhooks, that were deliberately not kept, by their reason; nearly exact."""

failure_hours = _hours(
    "failure_hours",
    ("pixel_code", "verdict", "code"),
    _count("events"),
    Column("last_ms", BigInteger, nullable=False),
    Column("message", Text),
    Column("request_id", String),
)
"""Sendings of an event that were not accepted, by TikTok's code; the newest example's message and request.

`code` is TikTok's, else `http_` and the status, `no_answer`, or `not_tried` for what the gateway kept back itself.
"""

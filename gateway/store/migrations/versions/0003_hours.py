"""Hours: what the dashboard's figures are read from, counted once more of all events that are there.

Of old events it is not known how their visitor landed, so a missing click id has no reason; every duplicate counts as
merged; cookies and drops were not counted at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.model.browser import read_agent
from gateway.store.migrations.telling import tell

revision = "0003"
down_revision = "0002"

_HOUR = "{0} - {0} % 3600000"
_STANDARD = (
    "AddPaymentInfo", "AddToCart", "AddToWishlist", "ApplicationApproval", "CompleteRegistration", "Contact",
    "CustomizeProduct", "Download", "FindLocation", "InitiateCheckout", "Lead", "Pageview", "Purchase", "Schedule",
    "Search", "StartTrial", "SubmitApplication", "Subscribe", "ViewContent",
)  # fmt: skip
_FATES = ("accepted", "rejected", "expired", "withdrawn", "not_sent")
_DELAYS = {
    "in_2s": 2, "in_5s": 5, "in_15s": 15, "in_1m": 60, "in_5m": 300, "in_1h": 3600, "in_6h": 21_600, "in_48h": 172_800,
}  # fmt: skip
_TRAITS = (
    "browser", "ttclid", "ttp", "email", "phone", "external_id", "ip", "user_agent",
    "no_browser", "from_tiktok", "landing_unseen", "no_click", "unknown",
)  # fmt: skip
_FLOW = ("received", "merged", "late", *_FATES, *_DELAYS, "in_more", *_TRAITS)
_COOKIES = (
    "d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8_14", "d15_30", "d31_90", "d91_400",
    "by_companion", "by_anchor",
)  # fmt: skip
_ROUTES = ("fired", "blocked", "absent", "no_browser", "off", "unknown")
_RECOVERED = tuple(name for route in _ROUTES for name in (route, f"{route}_purchases", f"{route}_e4"))
_AT_ONCE = 2000


def upgrade() -> None:
    for table, column in _new_columns():
        op.add_column(table, column)
    op.drop_index("orders_placed", "orders")
    op.create_index("orders_placed", "orders", ["store_id", "placed_ms", "reason", "fate"], unique=False)
    _create_tables()
    connection = op.get_bind()
    _mark_events(connection)
    statements = (_count_flow(), _count_recovered(), _COUNT_FAILURES, _END_ORDERS)
    for number, statement in enumerate(statements, 1):
        connection.exec_driver_sql(statement.replace("%", "%%") if connection.dialect.name != "sqlite" else statement)
        tell("reports counted", number, len(statements))


def _new_columns() -> Iterator[tuple[str, sa.Column[Any]]]:
    yield "events", sa.Column("browser", sa.String(), nullable=True)
    yield "events", sa.Column("traits", sa.Integer(), nullable=True)
    yield "events", sa.Column("currency", sa.String(), nullable=True)
    yield "events", sa.Column("worth_e4", sa.BigInteger(), nullable=True)
    yield "orders", sa.Column("fate", sa.String(), nullable=True)
    yield "visitors", sa.Column("landing", sa.String(), nullable=True)
    yield "visitors", sa.Column("cookie_ms", sa.BigInteger(), nullable=True)


def _create_tables() -> None:
    _create("flow_hours", ("pixel_code", "event", "source"), *map(_count, _FLOW))
    _create("recovered_hours", ("pixel_code", "browser", "currency"), *map(_count, _RECOVERED))
    _create("cookie_hours", ("browser",), *map(_count, _COOKIES))
    _create("drop_hours", ("source", "reason"), _count("events"))
    _create(
        "failure_hours",
        ("pixel_code", "verdict", "code"),
        _count("events"),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
    )


def _create(name: str, keys: Sequence[str], *counted: sa.Column[Any]) -> None:
    op.create_table(
        name,
        sa.Column("store_id", sa.String(), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        *(sa.Column(key, sa.String(), nullable=False) for key in keys),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        *counted,
        sa.PrimaryKeyConstraint("store_id", "hour_ms", *keys, "slot"),
        sqlite_with_rowid=False,
    )


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _mark_events(connection: sa.Connection) -> None:
    """Every event has its browser, its traits and, being a Purchase, its worth."""
    after, done = ("", ""), 0
    total = connection.execute(sa.text("SELECT count(*) FROM events")).scalar_one()
    find = sa.text("""
        SELECT store_id, id, event, source, ip, body FROM events
        WHERE store_id > :store OR (store_id = :store AND id > :id) ORDER BY store_id, id LIMIT :limit""")
    mark = sa.text("""
        UPDATE events SET browser = :browser, traits = :traits, currency = :currency, worth_e4 = :worth_e4
        WHERE store_id = :store AND id = :id""")
    while rows := connection.execute(find, {"store": after[0], "id": after[1], "limit": _AT_ONCE}).all():
        connection.execute(mark, [{"store": row.store_id, "id": row.id, **_to_marks(row)} for row in rows])
        after, done = (rows[-1].store_id, rows[-1].id), done + len(rows)
        tell("events read again", done, total)


def _to_marks(row: Any) -> dict[str, Any]:
    body = json.loads(row.body)
    user = body.get("user") or {}
    keys = [user.get(name) for name in ("ttclid", "ttp", "email", "phone", "external_id")]
    bits = [row.source in ("beacon", "pixel"), *keys, row.ip, user.get("user_agent")]
    traits = sum(1 << bit for bit, value in enumerate(bits) if value)
    if not user.get("ttclid"):
        traits |= 1 << _TRAITS.index("unknown")
    said = (body.get("properties") or {}) if row.event == "Purchase" else {}
    value = said.get("value")
    return {
        "browser": read_agent(user.get("user_agent") or "").browser.value,
        "traits": traits,
        "currency": said.get("currency") if value is not None else None,
        "worth_e4": int((Decimal(str(value)) * 10_000).to_integral_value()) if value is not None else None,
    }


def _count_flow() -> str:
    accepted = "CASE WHEN fate = 'accepted' THEN {} ELSE 0 END"
    delay = "settled_ms - received_ms"
    counts = ["count(*)", "sum(duplicates)", "0"]
    counts += [f"sum(CASE WHEN fate = '{fate}' THEN 1 ELSE 0 END)" for fate in _FATES]
    longer = f"{delay} >= -1"
    for limit_s in _DELAYS.values():
        within = f"{longer} AND {delay} <= {limit_s * 1000}"
        counts.append(f"sum({accepted.format(f'CASE WHEN {within} THEN 1 ELSE 0 END')})")
        longer = f"{delay} > {limit_s * 1000}"
    counts.append(f"sum({accepted.format(f'CASE WHEN {longer} THEN 1 ELSE 0 END')})")
    counts += [f"sum({accepted.format(f'(traits >> {bit}) & 1')})" for bit in range(len(_TRAITS))]
    names = ", ".join(f"'{name}'" for name in _STANDARD)
    return f"""
        INSERT INTO flow_hours (store_id, hour_ms, pixel_code, event, source, slot, {", ".join(_FLOW)})
        SELECT store_id, {_HOUR.format("received_ms")}, pixel_code,
            CASE WHEN event IN ({names}) THEN event ELSE 'other' END, source, 0, {", ".join(counts)}
        FROM events GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - names of ours


def _count_recovered() -> str:
    route = """CASE WHEN pixel IS NOT NULL THEN pixel WHEN traits & 1 = 1 THEN 'unknown' ELSE 'no_browser' END"""
    counts = []
    for name in _ROUTES:
        of_this = f"sum(CASE WHEN {route} = '{name}' THEN {{}} ELSE 0 END)"
        purchase = "CASE WHEN event = 'Purchase' THEN 1 ELSE 0 END"
        counts += [of_this.format(counted) for counted in ("1", purchase, "coalesce(worth_e4, 0)")]
    return f"""
        INSERT INTO recovered_hours (store_id, hour_ms, pixel_code, browser, currency, slot, {", ".join(_RECOVERED)})
        SELECT store_id, {_HOUR.format("received_ms")}, pixel_code, browser, coalesce(currency, ''), 0,
            {", ".join(counts)}
        FROM events WHERE fate = 'accepted' AND source <> 'test' GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - names of ours


_CODE = """CASE WHEN a.code IS NOT NULL THEN CAST(a.code AS VARCHAR) WHEN a.http_status > 0
    THEN 'http_' || CAST(a.http_status AS VARCHAR) ELSE 'no_answer' END"""

_COUNT_FAILURES = f"""
    INSERT INTO failure_hours
        (store_id, hour_ms, pixel_code, verdict, code, slot, events, last_ms, message, request_id)
    SELECT a.store_id, {_HOUR.format("a.attempted_ms")}, e.pixel_code, a.verdict, {_CODE}, 0,
        count(*), max(a.attempted_ms), max(a.message), max(a.request_id)
    FROM attempts a JOIN events e ON e.store_id = a.store_id AND e.id = a.id
    WHERE a.verdict <> 'accepted' GROUP BY 1, 2, 3, 4, 5"""  # noqa: S608 - names of ours

_END_ORDERS = """
    UPDATE orders SET fate = (
        SELECT min(e.fate) FROM events e
        WHERE e.store_id = orders.store_id AND e.event = 'Purchase' AND e.event_id = 'purchase_' || orders.id)
    WHERE reason IS NULL"""
"""The first in the alphabet is `accepted`, which counts more than what another pixel said."""

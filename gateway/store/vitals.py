"""How a store is doing, in a few numbers for the doctor and the dashboard.

Changes nothing; looks at few rows however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, func, select

from gateway.model.event import Source
from gateway.model.outcome import Dropped
from gateway.store.backlog import find_oldest_ms
from gateway.store.tables import drop_hours, flow_hours, orders, recovered_hours, visitors, webhooks

WEEK_MS = 7 * 86_400_000
_BROWSERS = (Source.BEACON, Source.PIXEL)
NEWEST = 20
"""So many visitors, those seen last, show whether addresses come."""


class Vitals(Struct, frozen=True):
    """What a store's tables say.

    Units: Unix milliseconds; None for what never was. `oldest_ms` is when the longest waiting event came in.
    `are_webhooks_refused` is what the function of that name finds.
    Shape: `orders` counts the last seven days' by why no Purchase was queued, those with one under the empty text.
    `visitors` are at most `NEWEST`, and `located` those of them whose address is known. Of the last seven days' events
    `taken` came from browsers and were kept, `unconsented` were dropped for want of consent; of those that TikTok
    accepted, the browser's Pixel `fired` or was `blocked`.
    """

    oldest_ms: int | None = None
    last_webhook_ms: int | None = None
    orders: Mapping[str, int] = {}
    are_webhooks_refused: bool = False
    visitors: int = 0
    located: int = 0
    taken: int = 0
    unconsented: int = 0
    fired: int = 0
    blocked: int = 0


def find_vitals(connection: Connection, store_id: str, now_ms: int) -> Vitals:
    """The numbers as they are now."""
    counts = (
        select(func.coalesce(orders.c.reason, ""), func.count())
        .where(orders.c.store_id == store_id, orders.c.placed_ms >= now_ms - WEEK_MS)
        .group_by(orders.c.reason)
    )
    newest = select(visitors.c.ip).where(visitors.c.store_id == store_id)
    ips = list(connection.scalars(newest.order_by(visitors.c.last_seen_ms.desc()).limit(NEWEST)))
    return Vitals(
        oldest_ms=find_oldest_ms(connection, store_id),
        last_webhook_ms=_find_last_webhook_ms(connection, store_id),
        are_webhooks_refused=are_webhooks_refused(connection, store_id),
        orders={row[0]: row[1] for row in connection.execute(counts)},
        visitors=len(ips),
        located=sum(ip is not None for ip in ips),
        taken=_count(connection, store_id, now_ms, flow_hours.c.received, flow_hours.c.source.in_(_BROWSERS)),
        unconsented=_count(connection, store_id, now_ms, drop_hours.c.events, drop_hours.c.reason == Dropped.CONSENT),
        fired=_count(connection, store_id, now_ms, recovered_hours.c.fired),
        blocked=_count(connection, store_id, now_ms, recovered_hours.c.blocked),
    )


def _count(
    connection: Connection, store_id: str, now_ms: int, counted: Column[int], *where: ColumnElement[bool]
) -> int:
    """What this column of a table of hours comes to in the last seven days."""
    table = counted.table.c
    since = (table.store_id == store_id, table.hour_ms >= now_ms - WEEK_MS)
    return int(connection.scalar(select(func.sum(counted)).where(*since, *where)) or 0)


def are_webhooks_refused(connection: Connection, store_id: str) -> bool:
    """Whether one in the shop's name had a wrong signature, in an hour that began after the last good one came."""
    unsigned = (drop_hours.c.store_id == store_id, drop_hours.c.reason == Dropped.SIGNATURE)
    refused_ms = connection.scalar(select(func.max(drop_hours.c.hour_ms)).where(*unsigned))
    return refused_ms is not None and refused_ms > (_find_last_webhook_ms(connection, store_id) or 0)


def _find_last_webhook_ms(connection: Connection, store_id: str) -> int | None:
    found: int | None = connection.scalar(
        select(func.max(webhooks.c.received_ms)).where(webhooks.c.store_id == store_id)
    )
    return found

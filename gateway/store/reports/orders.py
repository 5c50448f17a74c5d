"""Orders: Shopify's orders against accepted Purchases, per day, and for each gap the reason.

Read from the orders themselves, over an index that holds all it needs: what becomes of an order changes, and a count
kept beside it would have to be changed back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, func, select

from gateway.model.outcome import Fate
from gateway.store.reports.scope import HOUR_MS, Scope, share
from gateway.store.tables import orders

WAITING = "waiting"


class Orders(Struct, frozen=True):
    """Orders that Shopify or a browser's Purchase told, by what became of them.

    `accepted`: TikTok accepted the Purchase for one pixel at least; `waiting`: it is queued and has no fate yet.
    Shape: `gaps` is keyed by `gateway.model.conversion.Reason`, why none was queued, or by the Fate it ended with
    instead; the greatest first. All of these add up to `known`. Orders nobody told of yet are what reconciling finds.
    """

    known: int = 0
    accepted: int = 0
    waiting: int = 0
    gaps: Mapping[str, int] = {}

    @property
    def accepted_share(self) -> float | None:
        """Of all known, between 0 and 1; None without any."""
        return share(self.accepted, self.known)


class OrderStep(Struct, frozen=True):
    """One day or hour, by when the orders were placed. `begins_at` is in the scope's zone."""

    begins_at: datetime
    orders: Orders


class OrderReport(Struct, frozen=True):
    """What became of the orders placed in the scope's time."""

    total: Orders
    steps: tuple[OrderStep, ...]


def report_orders(connection: Connection, scope: Scope) -> OrderReport:
    """The orders of this scope's stores. Orders belong to stores: its pixels make no difference."""
    hour = (orders.c.placed_ms - orders.c.placed_ms % HOUR_MS).label("hour_ms")
    query = (
        select(hour, orders.c.reason, orders.c.fate, func.count())
        .where(orders.c.store_id.in_(scope.store_ids))
        .where(orders.c.placed_ms >= scope.since_ms - scope.since_ms % HOUR_MS, orders.c.placed_ms < scope.until_ms)
        .group_by(hour, orders.c.reason, orders.c.fate)
    )
    by_step: dict[datetime, Counter[str]] = {begin: Counter() for begin in scope.steps()}
    for hour_ms, reason, fate, count in connection.execute(query):
        by_step.setdefault(scope.step_of(hour_ms), Counter())[_to_end(reason, fate)] += count
    steps = tuple(OrderStep(begin, _to_orders(ends)) for begin, ends in sorted(by_step.items()))
    return OrderReport(_to_orders(sum(by_step.values(), Counter())), steps)


def _to_end(reason: str | None, fate: str | None) -> str:
    """What TikTok accepted is accepted, whatever Shopify told of the order since."""
    return fate if fate == Fate.ACCEPTED else reason or fate or WAITING


def _to_orders(ends: Counter[str]) -> Orders:
    gaps = {end: count for end, count in ends.most_common() if end not in (Fate.ACCEPTED, WAITING)}
    return Orders(ends.total(), ends[Fate.ACCEPTED], ends[WAITING], gaps)

"""Overview: is it healthy, at a glance. Events and purchases over time by outcome, drops, delay, what waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, case, func, select

from gateway.store import backlog
from gateway.store.reports.scope import Scope, share
from gateway.store.rollups import DELAYS
from gateway.store.tables import drop_hours, flow_hours

_FLOW = ("received", "merged", "late", "accepted", "rejected", "expired", "withdrawn", "not_sent")
_PURCHASE = case((flow_hours.c.event == "Purchase", 1), else_=0)


class Flow(Struct, frozen=True):
    """Events received in some time, and how they have ended since, by the fates of `gateway.model.outcome`.

    `merged`: twins that came another way and filled in a waiting event; `late`: twins that came when it had left.
    Neither is in `received`.
    """

    received: int = 0
    merged: int = 0
    late: int = 0
    accepted: int = 0
    rejected: int = 0
    expired: int = 0
    withdrawn: int = 0
    not_sent: int = 0

    @property
    def waiting(self) -> int:
        """Those of `received` that have no fate yet."""
        return self.received - self.accepted - self.rejected - self.expired - self.withdrawn - self.not_sent

    @property
    def accepted_share(self) -> float | None:
        """Of those that have ended; None while none has."""
        return share(self.accepted, self.received - self.waiting)


class FlowStep(Struct, frozen=True):
    """One day or hour. `begins_at` is in the scope's zone."""

    begins_at: datetime
    events: Flow
    purchases: Flow


class Delay(Struct, frozen=True):
    """Accepted events by how long after receipt TikTok accepted them: up to `within_s`, and not in the step before.

    `within_s` None: longer than all the others.
    """

    within_s: int | None
    accepted: int


class Pending(Struct, frozen=True):
    """What waits to be sent at this moment, whatever the scope's time. Purchases held for their webhook are among them.

    `is_more`: there are `count` or more. `oldest_ms`: when the oldest of all was received.
    """

    count: int = 0
    is_more: bool = False
    oldest_ms: int | None = None


class OverviewReport(Struct, frozen=True):
    """`events` counts all of them, the purchases among them. Shape: `by_pixel` is keyed by store and pixel code;
    `drops` by source and reason, counting events of beacons that were deliberately not kept.
    """

    events: Flow
    purchases: Flow
    steps: tuple[FlowStep, ...]
    by_event: Mapping[str, Flow]
    by_source: Mapping[str, Flow]
    by_pixel: Mapping[tuple[str, str], Flow]
    delays: tuple[Delay, ...]
    drops: Mapping[tuple[str, str], int]
    pending: Pending


def report_overview(connection: Connection, scope: Scope) -> OverviewReport:
    """The overview of this scope. Two readings of its hours, however many events were in them."""
    kinds = _read_kinds(connection, scope)
    return OverviewReport(
        events=_add(kinds),
        purchases=_add([row for row in kinds if row.event == "Purchase"]),
        steps=_read_steps(connection, scope),
        by_event=_add_by(kinds, lambda row: row.event),
        by_source=_add_by(kinds, lambda row: row.source),
        by_pixel=_add_by(kinds, lambda row: (row.store_id, row.pixel_code)),
        delays=tuple(Delay(limit_s, sum(getattr(row, name) for row in kinds)) for name, limit_s in DELAYS.items()),
        drops=_read_drops(connection, scope),
        pending=find_pending(connection, scope),
    )


def report_totals(connection: Connection, scope: Scope) -> tuple[Flow, Flow]:
    """All events of this scope, and the purchases among them: what another time is compared with."""
    kinds = _read_kinds(connection, scope)
    return _add(kinds), _add([row for row in kinds if row.event == "Purchase"])


def _read_kinds(connection: Connection, scope: Scope) -> Sequence[Row[Any]]:
    """The sums of the whole time for each store, pixel, event and source."""
    kind = [flow_hours.c[name] for name in ("store_id", "pixel_code", "event", "source")]
    sums = [func.sum(flow_hours.c[name]).label(name) for name in (*_FLOW, *DELAYS)]
    return connection.execute(select(*kind, *sums).where(*scope.covers(flow_hours)).group_by(*kind)).all()


def _read_steps(connection: Connection, scope: Scope) -> tuple[FlowStep, ...]:
    purchase = _PURCHASE.label("purchase")
    sums = [func.sum(flow_hours.c[name]).label(name) for name in _FLOW]
    hour = flow_hours.c.hour_ms
    found = connection.execute(select(hour, purchase, *sums).where(*scope.covers(flow_hours)).group_by(hour, purchase))
    counts: defaultdict[tuple[datetime, int], list[Row[Any]]] = defaultdict(list)
    for row in found:
        counts[scope.step_of(row.hour_ms), row.purchase].append(row)
    return tuple(
        FlowStep(begin, _add(counts[begin, 0] + counts[begin, 1]), _add(counts[begin, 1])) for begin in scope.steps()
    )


def _add(rows: Sequence[Row[Any]]) -> Flow:
    return Flow(*(int(sum(getattr(row, name) for row in rows)) for name in _FLOW))


def _add_by(rows: Sequence[Row[Any]], key: Any) -> dict[Any, Flow]:
    """By key, the one with most events first."""
    groups: defaultdict[Hashable, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    flows = {name: _add(group) for name, group in groups.items()}
    return dict(sorted(flows.items(), key=lambda item: -item[1].received))


def _read_drops(connection: Connection, scope: Scope) -> dict[tuple[str, str], int]:
    kind = (drop_hours.c.source, drop_hours.c.reason)
    query = select(*kind, func.sum(drop_hours.c.events)).where(*scope.covers(drop_hours)).group_by(*kind)
    return {(source, reason): int(count) for source, reason, count in connection.execute(query)}


def find_pending(connection: Connection, scope: Scope) -> Pending:
    """What waits to be sent now. Bounded, however long the queue is."""
    total = sum(backlog.count_pending(connection, store_id, *scope.pixel_codes) for store_id in scope.store_ids)
    oldest = [backlog.find_oldest_ms(connection, store_id, *scope.pixel_codes) for store_id in scope.store_ids]
    most = backlog.MOST_COUNTED
    return Pending(min(total, most), total >= most, min(filter(None, oldest), default=None))

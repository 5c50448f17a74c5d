"""Match keys: how many accepted events carried each, and for a missing click id the reason as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select

from gateway.store.reports.scope import Scope, share
from gateway.store.tables import drop_hours, flow_hours
from gateway.store.traits import KEYS, ClickGap

MEANINGS: Mapping[ClickGap, str] = {
    ClickGap.NO_BROWSER: "No browser ever reported this buyer: an express checkout, or an order the shop alone knows.",
    ClickGap.FROM_TIKTOK: "Came from TikTok without a click id: stripped on the way, or a link that is no ad's.",
    ClickGap.LANDING_UNSEEN: "First met in mid-visit: consent came after the landing, or nothing led back to them.",
    ClickGap.NO_CLICK: "The landing was seen and had no click id: another channel, a search, the address typed in.",
    ClickGap.UNKNOWN: "How this visitor landed was not noted: met by an older version, or on `/go` without a click id.",
}
"""What each gap means, in words for the merchant."""


class Coverage(Struct, frozen=True):
    """Of `accepted` events so many `carried` each match key; those without a click id by their reason in `gaps`.

    Shape: `carried` has every name of `KEYS`, `gaps` every ClickGap; the gaps and `carried["ttclid"]` add up to
    `accepted`, but for events that are older than this count.
    """

    accepted: int
    carried: Mapping[str, int]
    gaps: Mapping[ClickGap, int]

    def share(self, key: str) -> float | None:
        """How much of the accepted carried this key, between 0 and 1; None without any."""
        return share(self.carried[key], self.accepted)


class CoverageStep(Struct, frozen=True):
    """One day or hour, by when the events were received. `begins_at` is in the scope's zone."""

    begins_at: datetime
    coverage: Coverage


class MatchKeyReport(Struct, frozen=True):
    """`by_event` has the events accepted, the most frequent first. `refused`: events of beacons that were not even kept
    because their visitor had given no consent; they are in nothing else here.
    """

    total: Coverage
    by_event: Mapping[str, Coverage]
    steps: tuple[CoverageStep, ...]
    refused: int


def report_match_keys(connection: Connection, scope: Scope, event: str | None = None) -> MatchKeyReport:
    """The coverage in this scope; with `event`, `total` and `steps` are of events of this name alone."""
    by_event = _read(connection, scope, "event", None)
    by_hour = _read(connection, scope, "hour_ms", event)
    by_step: dict[datetime, list[list[int]]] = {}
    for hour_ms, counts in by_hour.items():
        by_step.setdefault(scope.step_of(hour_ms), []).append(counts)
    ranked = sorted(by_event.items(), key=lambda item: -item[1][0])
    return MatchKeyReport(
        total=_add(list(by_hour.values())),
        by_event={name: _add([counts]) for name, counts in ranked if counts[0]},
        steps=tuple(CoverageStep(begin, _add(by_step.get(begin, []))) for begin in scope.steps()),
        refused=_count_refused(connection, scope),
    )


def _read(connection: Connection, scope: Scope, by: str, event: str | None) -> dict[Any, list[int]]:
    """The sums of accepted, of each key and of each gap, in this order."""
    names = ("accepted", *KEYS, *ClickGap)
    query = select(flow_hours.c[by], *(func.sum(flow_hours.c[name]) for name in names))
    query = query.where(*scope.covers(flow_hours), *([flow_hours.c.event == event] if event else []))
    return {row[0]: [int(count) for count in row[1:]] for row in connection.execute(query.group_by(flow_hours.c[by]))}


def _add(rows: list[list[int]]) -> Coverage:
    accepted, *counts = [sum(column) for column in zip(*rows, strict=True)] or [0] * (1 + len(KEYS) + len(ClickGap))
    gaps = counts[len(KEYS) :]
    return Coverage(accepted, dict(zip(KEYS, counts, strict=False)), dict(zip(ClickGap, gaps, strict=True)))


def _count_refused(connection: Connection, scope: Scope) -> int:
    query = select(func.sum(drop_hours.c.events)).where(*scope.covers(drop_hours), drop_hours.c.reason == "consent")
    return int(connection.scalar(query) or 0)

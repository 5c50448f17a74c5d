"""Recovered: what the browser's Pixel could not send and TikTok accepted from us. The dashboard prints `MEANINGS`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from gateway.store.reports.scope import Scope
from gateway.store.tables import recovered_hours
from gateway.store.traits import Route

RECOVERED = (Route.BLOCKED, Route.ABSENT, Route.NO_BROWSER)
"""The Pixel did not send these, so without the gateway TikTok would not know of them."""

MEANINGS: Mapping[Route, str] = {
    Route.FIRED: "The browser handed it to a Pixel that had loaded. Whether TikTok got that copy, no browser tells.",
    Route.BLOCKED: "The page has the Pixel, but its library did not load: a blocker, the network, the browser itself.",
    Route.ABSENT: "The page that reported it had no Pixel.",
    Route.NO_BROWSER: "The shop alone told of it: no browser had reported it when it was sent.",
    Route.OFF: "The Pixel is switched off for this store, so it was never meant to send it: not counted as recovered.",
    Route.UNKNOWN: "A browser reported it and did not say what became of the Pixel's copy: not counted as recovered.",
}
"""What each route means, in words for the merchant."""


class Tally(Struct, frozen=True):
    """Accepted events. `purchases` are among `events`; `worth` is that of the purchases, by currency, exact.

    Purchases whose value nobody told add nothing to it.
    """

    events: int = 0
    purchases: int = 0
    worth: Mapping[str, Decimal] = {}


class Part(Struct, frozen=True):
    """What was recovered of all that TikTok accepted."""

    accepted: Tally
    recovered: Tally


class PartStep(Struct, frozen=True):
    """One day or hour, by when the events were received. `begins_at` is in the scope's zone."""

    begins_at: datetime
    part: Part


class RecoveredReport(Struct, frozen=True):
    """Shape: `by_route` has every route, `by_browser` those seen, the one with most events first; keys of `by_browser`
    are `gateway.model.browser.Browser`'s. Test events are left out.
    """

    total: Part
    by_route: Mapping[Route, Tally]
    by_browser: Mapping[str, Part]
    steps: tuple[PartStep, ...]


def report_recovered(connection: Connection, scope: Scope) -> RecoveredReport:
    """What was recovered in this scope."""
    rows = _read(connection, scope, "browser", {**_SETS, **{route.value: (route,) for route in Route}})
    by_browser = {name: _to_part(group) for name, group in _group(rows, lambda row: row.browser).items()}
    hours = _read(connection, scope, "hour_ms", _SETS)
    by_step = _group(hours, lambda row: scope.step_of(row.hour_ms))
    return RecoveredReport(
        total=_to_part(rows),
        by_route={route: _add(rows, route.value) for route in Route},
        by_browser=dict(sorted(by_browser.items(), key=lambda item: -item[1].accepted.events)),
        steps=tuple(PartStep(begin, _to_part(by_step.get(begin, []))) for begin in scope.steps()),
    )


_SETS: Mapping[str, Iterable[Route]] = {"accepted": tuple(Route), "recovered": RECOVERED}


def _read(connection: Connection, scope: Scope, by: str, sets: Mapping[str, Iterable[Route]]) -> Sequence[Row[Any]]:
    """The sums of each set of routes, by this and by currency."""
    kind = (recovered_hours.c[by], recovered_hours.c.currency)
    sums = [
        func.sum(reduce(add, (recovered_hours.c[f"{route}{suffix}"] for route in routes))).label(f"{name}{suffix}")
        for name, routes in sets.items()
        for suffix in ("", "_purchases", "_e4")
    ]
    return connection.execute(select(*kind, *sums).where(*scope.covers(recovered_hours)).group_by(*kind)).all()


def _group(rows: Iterable[Row[Any]], key: Callable[[Row[Any]], Hashable]) -> dict[Any, list[Row[Any]]]:
    groups: defaultdict[Hashable, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


def _to_part(rows: Sequence[Row[Any]]) -> Part:
    return Part(_add(rows, "accepted"), _add(rows, "recovered"))


def _add(rows: Sequence[Row[Any]], name: str) -> Tally:
    """What these rows say of one set of routes."""
    worth: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        if row.currency:
            worth[row.currency] += int(getattr(row, f"{name}_e4"))
    return Tally(
        events=int(sum(getattr(row, name) for row in rows)),
        purchases=int(sum(getattr(row, f"{name}_purchases") for row in rows)),
        worth={currency: Decimal(e4) / 10_000 for currency, e4 in sorted(worth.items()) if e4},
    )

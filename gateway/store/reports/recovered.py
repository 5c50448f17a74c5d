"""Recovered: what the browser's Pixel could not send and TikTok accepted from us. The dashboard prints `MEANINGS`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from gateway.store.reports.scope import Scope, share
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

    @property
    def event_share(self) -> float | None:
        """Of all accepted events, between 0 and 1; None without any."""
        return share(self.recovered.events, self.accepted.events)

    @property
    def purchase_share(self) -> float | None:
        """Of all accepted purchases."""
        return share(self.recovered.purchases, self.accepted.purchases)


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
    rows = _read(connection, scope, "browser")
    browsers: defaultdict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        browsers[row.browser].append(row)
    by_browser = {name: _to_part(group) for name, group in browsers.items()}
    by_time: defaultdict[datetime, list[Row[Any]]] = defaultdict(list)
    for row in _read(connection, scope, "hour_ms"):
        by_time[scope.step_of(row.hour_ms)].append(row)
    return RecoveredReport(
        total=_to_part(rows),
        by_route={route: _add(rows, (route,)) for route in Route},
        by_browser=dict(sorted(by_browser.items(), key=lambda item: -item[1].accepted.events)),
        steps=tuple(PartStep(begin, _to_part(by_time[begin])) for begin in scope.steps()),
    )


def _read(connection: Connection, scope: Scope, by: str) -> Sequence[Row[Any]]:
    """The sums of every route, by this and by currency."""
    kind = (recovered_hours.c[by], recovered_hours.c.currency)
    names = (name for route in Route for name in (route.value, f"{route}_purchases", f"{route}_e4"))
    sums = [func.sum(recovered_hours.c[name]).label(name) for name in names]
    return connection.execute(select(*kind, *sums).where(*scope.covers(recovered_hours)).group_by(*kind)).all()


def _to_part(rows: Sequence[Row[Any]]) -> Part:
    return Part(_add(rows, tuple(Route)), _add(rows, RECOVERED))


def _add(rows: Sequence[Row[Any]], routes: Sequence[Route]) -> Tally:
    """What these rows say of these routes."""
    worth: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        worth[row.currency] += int(sum(getattr(row, f"{route}_e4") for route in routes))
    return Tally(
        events=int(sum(getattr(row, route) for row in rows for route in routes)),
        purchases=int(sum(getattr(row, f"{route}_purchases") for row in rows for route in routes)),
        worth={currency: Decimal(e4) / 10_000 for currency, e4 in sorted(worth.items()) if currency and e4},
    )

"""Cookies: how old the visitor cookies of those who come back really are, per browser, and how many were lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, select

from gateway.store.reports.scope import Scope
from gateway.store.rollups import AGES
from gateway.store.tables import cookie_hours

MEANING = (
    "Each visitor who comes back on a later day (UTC) is counted once that day. With their cookie: by how many days "
    "ago it was first set. Without: by what led back to them all the same. Whoever lost everything comes as a new "
    "visitor and cannot be counted, so the losses shown are the fewest there can be."
)
"""What the figures mean, in words for the merchant."""


class Age(Struct, frozen=True):
    """Visitors whose cookie was this old. Units: days since it was first set, from and to, both included."""

    from_days: int
    to_days: int
    visitors: int


class Returns(Struct, frozen=True):
    """Visitors who came back, each once a day.

    `by_companion`: without the visitor cookie, found by the signed value that scripts can read; `by_anchor`: without
    either, found by a cart, a checkout or Shopify's client id.
    """

    ages: tuple[Age, ...]
    by_companion: int
    by_anchor: int

    @property
    def with_cookie(self) -> int:
        """Those who brought their cookie."""
        return sum(age.visitors for age in self.ages)

    @property
    def lost(self) -> int:
        """Those who had lost it and were found all the same."""
        return self.by_companion + self.by_anchor

    @property
    def oldest_days(self) -> int | None:
        """The age that no returning cookie was beyond, as far as its step tells; None without any."""
        return max((age.to_days for age in self.ages if age.visitors), default=None)


class ReturnStep(Struct, frozen=True):
    """One day or hour. `begins_at` is in the scope's zone."""

    begins_at: datetime
    returns: Returns


class CookieReport(Struct, frozen=True):
    """Shape: keys of `by_browser` are `gateway.model.browser.Browser`'s, the one with most visitors first."""

    total: Returns
    by_browser: Mapping[str, Returns]
    steps: tuple[ReturnStep, ...]


def report_cookies(connection: Connection, scope: Scope) -> CookieReport:
    """The cookies of those who came back in this scope. Cookies belong to stores: its pixels make no difference."""
    by_browser = _read(connection, scope, "browser")
    by_step: dict[datetime, list[list[int]]] = {}
    for hour_ms, counts in _read(connection, scope, "hour_ms").items():
        by_step.setdefault(scope.step_of(hour_ms), []).append(counts)
    return CookieReport(
        total=_add(list(by_browser.values())),
        by_browser={name: _add([counts]) for name, counts in sorted(by_browser.items(), key=lambda one: -sum(one[1]))},
        steps=tuple(ReturnStep(begin, _add(by_step.get(begin, []))) for begin in scope.steps()),
    )


def _read(connection: Connection, scope: Scope, by: str) -> dict[Any, list[int]]:
    key = cookie_hours.c[by]
    sums = [func.sum(cookie_hours.c[name]) for name in (*AGES, "by_companion", "by_anchor")]
    query = select(key, *sums).where(*scope.covers(cookie_hours)).group_by(key)
    return {row[0]: [int(count) for count in row[1:]] for row in connection.execute(query)}


def _add(rows: Sequence[Sequence[int]]) -> Returns:
    *ages, by_companion, by_anchor = [sum(column) for column in zip(*rows, strict=True)] or [0] * (len(AGES) + 2)
    first_days = [0, *(last + 1 for last in AGES.values())]
    return Returns(tuple(map(Age, first_days, AGES.values(), ages)), by_companion, by_anchor)

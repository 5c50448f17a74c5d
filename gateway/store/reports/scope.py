"""Scope: which stores, pixels and time a report is about, and how its hours become days of the merchant's time zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct
from sqlalchemy import ColumnElement, Table

HOUR_MS = 3_600_000


class Scope(Struct, frozen=True):
    """What a report is about: what happened from `since_ms` to before `until_ms`.

    Units: Unix milliseconds; hours are counted whole, by where they begin. Shape: no `pixel_codes` means every pixel;
    `zone` is an IANA name. In a zone that is half an hour off, an hour belongs to the day it begins in.
    """

    store_ids: tuple[str, ...]
    since_ms: int
    until_ms: int
    pixel_codes: tuple[str, ...] = ()
    zone: str = "UTC"
    by_hour: bool = False
    by_week: bool = False

    def covers(self, table: Table) -> Iterator[ColumnElement[bool]]:
        """The conditions under which a row of an hours table belongs to this."""
        yield table.c.store_id.in_(self.store_ids)
        yield table.c.hour_ms >= self.since_ms - self.since_ms % HOUR_MS
        yield table.c.hour_ms < self.until_ms
        if self.pixel_codes and "pixel_code" in table.c:
            yield table.c.pixel_code.in_(self.pixel_codes)

    def step_of(self, at_ms: int) -> datetime:
        """When the day of this instant begins in the scope's zone; with `by_hour` its hour, with `by_week` its week."""
        begin = _begin(at_ms - at_ms % HOUR_MS, self.zone, self.by_hour)
        return begin - timedelta(days=begin.weekday()) if self.by_week else begin

    def steps(self) -> list[datetime]:
        """When every day, hour or week of this scope begins, empty ones too; at most one more than the time has."""
        begins: dict[datetime, None] = {}
        for at_ms in range(self.since_ms - self.since_ms % HOUR_MS, self.until_ms, HOUR_MS):
            begins[self.step_of(at_ms)] = None
        return list(begins)


@lru_cache(maxsize=32_768)
def _begin(hour_ms: int, zone: str, by_hour: bool) -> datetime:
    local = datetime.fromtimestamp(hour_ms // 1000, UTC).astimezone(ZoneInfo(zone))
    if by_hour:
        return local
    day = local.replace(hour=0, minute=0, second=0, fold=0)
    return day + timedelta(0)


def share(part: int, whole: int) -> float | None:
    """Between 0 and 1; None of nothing."""
    return part / whole if whole else None

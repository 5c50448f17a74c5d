"""Numbers, money and times as the dashboard says them. Pure; used by templates as filters, and by charts.

Numbers are grouped with a narrow no-break space, which nobody takes for a decimal mark, and decimals follow a point.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

THIN = "\u202f"
UTC_ZONE = ZoneInfo("UTC")
NOTHING = "\u2013"

_DECIMALS = {0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF", 3: "BHD IQD JOD KWD LYD OMR TND"}
_PLACES = {code: places for places, codes in _DECIMALS.items() for code in codes.split()}
"""Source: ISO 4217, minor units (list one, read 2026-11). Every other currency has two."""

_LONGEST_ZONE = 64
_AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


class Moment(NamedTuple):
    """A time for `<time datetime="…">`: `iso` for machines, `day` and `clock` for people, in `zone`."""

    iso: str
    day: str
    clock: str
    zone: str


def to_count(number: float) -> str:
    """1 234 567, to the last piece."""
    return f"{number:,.0f}".replace(",", THIN)


def to_compact(number: float) -> str:
    """1.2 M: three figures at most, for tiles and axes."""
    for size, mark in ((1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= size * 0.9995:
            scaled = number / (size if mark != "k" else 1e3)
            return f"{scaled:.3g}{THIN}{mark}"
    return f"{number:,.4g}".replace(",", THIN) if abs(number) < 1000 else to_count(number)


def to_share(part: float, whole: float) -> str:
    """42.1 %; of nothing there is no share."""
    return f"{100 * part / whole:.1f}{THIN}%" if whole else NOTHING


def to_money(amount: Decimal | str | float | None, currency: str) -> str:
    """1 234.50 EUR, with as many decimals as the currency has; amounts of two currencies are never added."""
    if amount is None:
        return NOTHING
    rounded = Decimal(str(amount)).quantize(Decimal(1).scaleb(-_PLACES.get(currency, 2)), ROUND_HALF_UP)
    return f"{rounded:,f}".replace(",", THIN) + f"\u00a0{currency}"


def to_moment(at_ms: int, zone: ZoneInfo) -> Moment:
    """The time in this zone. Units: `at_ms` in Unix milliseconds."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return Moment(at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", at.tzname() or "UTC")


def to_ago(at_ms: int, now_ms: int) -> str:
    """3 minutes ago."""
    passed_s = max(0, now_ms - at_ms) // 1000
    for size_s, unit in _AGES:
        if count := passed_s // size_s:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def parse_zone(name: str) -> ZoneInfo:
    """The time zone of this name, as a cookie claims it; UTC for what is none."""
    try:
        return ZoneInfo(name[:_LONGEST_ZONE])
    except (ZoneInfoNotFoundError, ValueError, OSError):  # an OSError where the name is a folder's
        return UTC_ZONE


def choose_zone(cookies: Mapping[str, str]) -> ZoneInfo:
    """The browser's time zone, which our script has noted in a cookie, unless the reader has asked for UTC."""
    return UTC_ZONE if cookies.get("utc") == "1" else parse_zone(cookies.get("zone", "UTC").replace("%2F", "/"))

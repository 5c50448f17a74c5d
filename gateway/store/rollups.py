"""Counts by the hour, in the transaction that writes what they count: so they are exact, and reading them is cheap.

`Tally` collects what the receipts of one transaction add, for `gateway.store.record`; how events ended is counted by
`gateway.store.endings` and here, for `gateway.store.outbox`; drops come from `Store`. `gateway.store.reports` reads.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from gateway.model.browser import read_agent
from gateway.model.names import PAGE_VIEW, STANDARD_EVENTS
from gateway.model.outcome import Fate
from gateway.model.visitor import Sighting
from gateway.store.receipt import FoundBy, Settlement
from gateway.store.sql import Cursor, Insert
from gateway.store.tables import cookie_hours, drop_hours, flow_hours

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

SLOT = random.randrange(16)  # noqa: S311 - no secret
"""This process's own rows of every hour: nodes that share a database seldom wait for each other's counts."""

DELAYS: Mapping[str, int | None] = {
    "in_2s": 2, "in_5s": 5, "in_15s": 15, "in_1m": 60, "in_5m": 300, "in_1h": 3600, "in_6h": 21_600, "in_48h": 172_800,
    "in_more": None,
}  # fmt: skip
"""The columns for how long after its receipt an event was accepted, each with the seconds it ends at."""

AGES: Mapping[str, int] = {
    "d0": 0, "d1": 1, "d2": 2, "d3": 3, "d4": 4, "d5": 5, "d6": 6, "d7": 7,
    "d8_14": 14, "d15_30": 30, "d31_90": 90, "d91_400": 400,
}  # fmt: skip
"""The columns for how old a returning cookie was, each with its last day."""

NAMES = STANDARD_EVENTS | {PAGE_VIEW}
"""Events counted by name. A store's own names are `other`: a page could make up any number of them."""


def adding(table: Table, *counted: str) -> Insert:
    """An INSERT that adds to the row that is there."""
    keys = [column.name for column in table.primary_key]
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in counted)
    return Insert(table, (*keys, *counted), f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}")


_RECEIVED = ("received", "merged", "late", *(fate.value for fate in Fate))
_ADD_FLOW = adding(flow_hours, *_RECEIVED)
_RETURNED = (*AGES, "by_companion", "by_anchor")
_ADD_COOKIES = adding(cookie_hours, *_RETURNED)
_ADD_DROPS = adding(drop_hours, "events")


class Tally:
    """What one transaction adds to the hours. Keys are taken in order, so that two nodes never wait in a circle."""

    def __init__(self) -> None:
        self._flow: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
        self._cookies: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)

    def count_events(self, rows: Iterable[Sequence[Any]], what: str) -> None:
        """So many events more of this kind. Shape: rows in the order of `sql.EVENT`; `what` is one of `_RECEIVED`."""
        kinds = Counter([(row[0], row[9] - row[9] % HOUR_MS, row[2], row[3], row[6]) for row in rows])
        for (store_id, hour_ms, pixel_code, event, source), count in kinds.items():
            self._flow[store_id, hour_ms, pixel_code, to_counted_name(event), source, SLOT][what] += count

    def count_return(self, store_id: str, found_by: FoundBy, seen: Sighting) -> None:
        """A known visitor came back on another day, with their cookie or without."""
        if seen.cookie_first_ms:
            what = to_age((seen.at_ms - seen.cookie_first_ms) // DAY_MS)
        else:
            what = "by_companion" if found_by is FoundBy.SIGNED else "by_anchor"
        browser = read_agent(seen.user_agent or "").browser
        self._cookies[store_id, seen.at_ms - seen.at_ms % HOUR_MS, browser, SLOT][what] += 1

    def write(self, cursor: Cursor) -> None:
        """All of it is in the hours."""
        add_counts(cursor, _ADD_FLOW, _RECEIVED, self._flow)
        add_counts(cursor, _ADD_COOKIES, _RETURNED, self._cookies)


def to_counted_name(event: str) -> str:
    """The name that an event is counted under."""
    return event if event in NAMES else "other"


def add_counts(
    cursor: Cursor, into: Insert, columns: Sequence[str], counts: Mapping[tuple[Any, ...], Mapping[str, int]]
) -> None:
    """These counts are added to the rows of their keys, in the keys' order: two nodes never wait in a circle."""
    if counts:
        cursor.insert(into, [(*key, *(counts[key].get(name, 0) for name in columns)) for key in sorted(counts)])


def to_age(days: int) -> str:
    """The column for a cookie this old."""
    return next((name for name, last in AGES.items() if days <= last), "d91_400")


def add_drops(cursor: Cursor, drops: Mapping[tuple[str, int, str, str], int]) -> None:
    """These events were dropped. Shape: keyed by store, hour, source and reason."""
    if drops:
        cursor.insert(_ADD_DROPS, [(*key, SLOT, drops[key]) for key in sorted(drops)])


_COUNTED = frozenset({Fate.REJECTED, Fate.EXPIRED})
"""Fates that are failures though nothing was sent; the others were somebody's wish."""

_ADD_FAILURES = f"""
    INSERT INTO failure_hours
        (store_id, hour_ms, pixel_code, verdict, code, slot, events, last_ms, message, request_id)
    SELECT store_id, ?, pixel_code, ?, ?, {SLOT}, count(*), ?, ?, ? FROM events
    WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))
    GROUP BY store_id, pixel_code ORDER BY pixel_code
    ON CONFLICT (store_id, hour_ms, pixel_code, verdict, code, slot) DO UPDATE SET
        events = failure_hours.events + excluded.events, last_ms = excluded.last_ms,
        message = excluded.message, request_id = excluded.request_id"""  # noqa: S608 - a number of ours


def count_failures(cursor: Cursor, store_id: str, settlements: Iterable[Settlement]) -> None:
    """Each sending that TikTok did not accept is counted by its code, and what was kept back as not tried."""
    groups: defaultdict[tuple[int, str, str], list[Settlement]] = defaultdict(list)
    for one in settlements:
        if kind := _find_kind(one):
            groups[one.at_ms - one.at_ms % HOUR_MS, *kind].append(one)
    for (hour_ms, verdict, code), failed in sorted(groups.items()):
        last = failed[-1]
        example = (last.at_ms, last.message if last.verdict else last.reason, last.request_id)
        ids = json.dumps([one.id for one in failed])
        cursor.execute(_ADD_FAILURES, (hour_ms, verdict, code, *example, store_id, ids))


def _find_kind(one: Settlement) -> tuple[str, str] | None:
    if one.verdict is None:
        return (one.fate, "not_tried") if one.fate in _COUNTED else None
    if one.verdict == "accepted":
        return None
    if one.code is not None:
        return one.verdict, str(one.code)
    return one.verdict, f"http_{one.http_status}" if one.http_status else "no_answer"

"""What the fake has accepted, and what of it counts: TikTok's deduplication, told by a clock that tests can turn.

Called by `server` for each accepted event. Source: deduplication rules of the Events API (spec 5, read 2026-09).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

MERGE_S = 300
FORGET_S = 48 * 3600

Key = tuple[str, str, str]
"""Pixel code, event name, event id."""

Fate = Literal["counted", "merged", "dropped", "test"]


class Recorded(Struct, frozen=True):
    """One accepted event, as received. Units: `received_s` Unix seconds of the fake's clock.

    `outcome`: counted as a conversion · merged into its twin of at most 5 minutes ago · dropped as its later twin ·
    test, which is never counted.
    """

    key: Key
    outcome: Fate
    received_s: float
    test_event_code: str | None
    event: msgspec.Raw

    def decode(self) -> dict[str, Any]:
        """The event as received."""
        event: dict[str, Any] = msgspec.json.decode(self.event)
        return event


class Ledger:
    """Accepted events in order, the newest `keep` of them, and how often each counted."""

    def __init__(self, keep: int) -> None:
        self.records: deque[Recorded] = deque(maxlen=keep)
        self.counts: Counter[Key] = Counter()
        self._first_s: dict[Key, float] = {}

    def record(self, key: Key, raw: bytes, now_s: float, test_event_code: str | None = None) -> Fate:
        """The event is on record, and counted unless it is a test or a twin of one that was."""
        outcome: Fate = "test" if test_event_code else self._count(key, now_s)
        self.records.append(Recorded(key, outcome, now_s, test_event_code, msgspec.Raw(raw)))
        return outcome

    def clear(self) -> None:
        """Nothing was ever accepted."""
        self.records.clear()
        self.counts.clear()
        self._first_s.clear()

    def find_counted(self) -> list[dict[str, Any]]:
        """The conversions TikTok sees, each with what its merged twins added."""
        counted: list[dict[str, Any]] = []
        latest: dict[Key, dict[str, Any]] = {}
        for record in tuple(self.records):
            if record.outcome == "counted":
                latest[record.key] = record.decode()
                counted.append(latest[record.key])
            elif record.outcome == "merged" and record.key in latest:
                fill(latest[record.key], record.decode())
        return counted

    def _count(self, key: Key, now_s: float) -> Fate:
        first_s = self._first_s.get(key)
        if first_s is None or now_s - first_s > FORGET_S:
            self._first_s[key] = now_s
            self.counts[key] += 1
            return "counted"
        return "merged" if now_s - first_s <= MERGE_S else "dropped"


def fill(first: dict[str, Any], twin: Mapping[str, Any]) -> None:
    """What `first` lacked is taken from its twin; what it said stands."""
    for name, value in twin.items():
        mine = first.setdefault(name, value)
        if isinstance(mine, dict) and isinstance(value, dict):
            fill(mine, value)

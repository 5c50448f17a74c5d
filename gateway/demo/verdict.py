"""Whether TikTok accepted exactly what the shoppers did, and whether who refused left no trace. Pure but for the files.

Fed by `script` (what is expected) and the fake's ledger (what came); its sentences are shown by `report`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from gateway.demo.fake_tiktok import Recorded

Key = tuple[str, str]
"""Event name and event id."""

KEY_NAMES = {
    "ttclid": "the click id",
    "ttp": "the _ttp cookie",
    "email": "the email's digest",
    "ip": "the address",
    "user_agent": "the user agent",
}
"""The match keys the demo looks at, as TikTok spells them, and as a sentence does."""


class Expected(Struct, frozen=True):
    """An event that TikTok must accept once. `keys` are the match keys it must carry, value for value."""

    who: str
    event: str
    event_id: str
    keys: dict[str, str]

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return (self.event, self.event_id)


def find_differences(expected: Sequence[Expected], records: Sequence[Recorded]) -> list[str]:
    """A sentence for each way in which TikTok's record differs from what the shoppers did; none when all is well."""
    counts = Counter(record.key[1:] for record in records)
    accepted = {record.key[1:]: record.decode() for record in records}
    known = {one.key for one in expected}
    sentences = [sentence for one in expected for sentence in _judge(one, counts[one.key], accepted.get(one.key))]
    return sentences + [
        f"{event} {event_id} was accepted, and nobody did that"
        for event, event_id in counts
        if (event, event_id) not in known
    ]


def _judge(one: Expected, count: int, event: dict[str, Any] | None) -> Iterator[str]:
    """What is wrong with one expected event."""
    name = f"{one.who}'s {one.event} {one.event_id}"
    if event is None:
        yield f"{name} was not accepted"
        return
    if count > 1:
        yield f"{name} was accepted {count} times"
    for key, wanted in one.keys.items():
        if wanted not in read_key(event, key):
            yield f"{name} came {'with another value for' if read_key(event, key) else 'without'} {KEY_NAMES[key]}"


def read_key(event: dict[str, Any], key: str) -> list[str]:
    """The values of one match key of an event as TikTok got it; digests may come alone or as a list."""
    value = event["user"].get(key, [])
    return value if isinstance(value, list) else [value]


def find_traces(folder: Path, marks: Sequence[str]) -> list[str]:
    """A sentence for each file below `folder` in which one of these texts can be read."""
    needles = [mark.encode() for mark in marks]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        f"{path.name} holds what a visitor who refused had said"
        for path in files
        if any(needle in path.read_bytes() for needle in needles)
    ]

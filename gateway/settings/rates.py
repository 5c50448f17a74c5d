"""Rates: so many requests in so long, as an operator writes it. Checked by `gateway.settings.values`, kept by
`gateway.web.limiter`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_RATE = re.compile(
    r"([1-9]\d{0,8})\s*(?:/|\bper\b)\s*([1-9]\d{0,4})?\s*(second|minute|hour|day)s?", re.ASCII | re.IGNORECASE
)
_UNITS_S = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class Rate(NamedTuple):
    """At most so many in a window of so many seconds."""

    most: int
    window_s: int


def parse_rate(text: str) -> Rate:
    """The rate that this says: 50/second, 1000 per hour, 300/5 minutes. Raises: ValueError when it says none."""
    said = _RATE.fullmatch(text.strip())
    if not said:
        raise ValueError("must be a rate such as 50/second or 1000/minute")
    most, many, unit = said.groups(default="1")
    return Rate(int(most), int(many) * _UNITS_S[unit.lower()])

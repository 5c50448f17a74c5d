"""When to try again."""

from __future__ import annotations

import random

BASE_S = 1.0
CAP_S = 300.0
"""Source: TikTok spec 3.1 and 3.3: a throttled minute clears within 5 minutes, so no wait need be longer."""


def backoff_s(failures: int, chance: random.Random) -> float:
    """A wait between nothing and 1 s, 2 s, 4 s … 5 min after so many failures in a row (full jitter).

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter", read 2026-11: full jitter spreads retries best.
    """
    return chance.uniform(0, min(CAP_S, BASE_S * 2 ** min(failures, 20)))

"""What time it is, the same for all parts of a process."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Unix milliseconds of this machine."""
    return time.time_ns() // 1_000_000

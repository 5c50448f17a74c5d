"""Ingest beside a million visitors and a million waiting events, in turns with the same on a nearly empty database.

Both gateways run on one core and deliver what comes in; the million waits for later, as after an outage. The beacons
are of visitors from all over the million. At last the million becomes due, and memory is measured while it leaves.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.backlog import count_settled, fill, make_models, write_cookies
from bench.load import Burst, find_wrk, fire
from bench.site import Server, running_gateway, running_tiktok
from bench.table import Measured, Plot, Row, progress, run_alone
from gateway.delivery.retry import CAP_S

SPREAD, PEAK_MB = 0.20, 150.0
COOKIES = 2_000
WAIT_MS = int(CAP_S * 1000)
"""The longest that a lane puts anything off: what would wait longer counts as dated by a clock that was ahead."""


class Turn(NamedTuple):
    """A burst at each gateway. Units: CPU µs per beacon, delivery included."""

    empty: Burst
    full: Burst
    empty_cpu_us: float
    full_cpu_us: float


def measure(quick: bool) -> Measured:
    """Ingest with a million visitors and a million waiting events, against a nearly empty database."""
    find_wrk()
    count, turns, seconds = (100_000, 3, 1.0) if quick else (1_000_000, 10, 2.0)
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        empty, full = folder / "empty", folder / "full"
        cookies = [prepare(empty, COOKIES, 0), prepare(full, count, count)]
        size_mb = (full / "gateway.db").stat().st_size / 1e6
        progress(f"{count:,} visitors and {count:,} waiting events: {size_mb:,.0f} MB")
        tiktok = stack.enter_context(running_tiktok(folder))
        put_off(full, time.time_ns() // 1_000_000 + WAIT_MS)
        with running_gateway(empty, tiktok.url) as first, running_gateway(full, tiktok.url) as second:
            taken = [take_turn(first, second, cookies, seconds) for _ in range(turns)]
            waiting_mb = second.process.peak_mb
        if left := count_settled(full / "gateway.db"):
            raise RuntimeError(f"{left:,} events of the backlog came due during the turns, which took too long")
        leaving_mb = measure_leaving(full, tiktok, cookies[1], seconds * 5)
    return report(taken, count, size_mb, waiting_mb, leaving_mb)


def prepare(folder: Path, visitors: int, events: int) -> Path:
    """The installation has so many visitors and waiting events; the cookies of some visitors."""
    make_models(folder)
    database = folder / "gateway.db"
    fill(database, visitors=visitors, events=events)
    return write_cookies(database, folder / "cookies", range(0, visitors, visitors // COOKIES))


def put_off(folder: Path, due_ms: int) -> None:
    """Everything that waits is due at this time. No gateway runs."""
    with contextlib.closing(sqlite3.connect(folder / "gateway.db")) as connection, connection:
        connection.execute("UPDATE outbox SET due_ms = ?", (due_ms,))


def take_turn(empty: Server, full: Server, cookies: Sequence[Path], seconds: float) -> Turn:
    """A burst at each gateway, with both at rest before and after."""
    bursts, cpu_us = [], []
    for gateway, of_these in ((empty, cookies[0]), (full, cookies[1])):
        for one in (empty, full):
            one.process.wait_idle()
        before_s = gateway.process.cpu_s
        burst = fire(gateway.url, seconds, of_these)
        gateway.process.wait_idle()
        bursts.append(burst)
        cpu_us.append((gateway.process.cpu_s - before_s) / burst.requests * 1e6)
    progress(f"empty {cpu_us[0]:.0f} µs, full {cpu_us[1]:.0f} µs a beacon")
    return Turn(*bursts, *cpu_us)


def measure_leaving(folder: Path, tiktok: Server, cookies: Path, seconds: float) -> float:
    """Peak memory of a gateway whose whole backlog is due, while beacons come in as fast as they are answered."""
    put_off(folder, 0)
    with running_gateway(folder, tiktok.url) as gateway:
        fire(gateway.url, seconds, cookies)
        return gateway.process.peak_mb


def report(turns: Sequence[Turn], count: int, size_mb: float, waiting_mb: float, leaving_mb: float) -> Measured:
    """The figures as medians of the turns."""
    ratio = median(turn.full_cpu_us / turn.empty_cpu_us for turn in turns)
    empty_us, full_us = median(turn.empty_cpu_us for turn in turns), median(turn.full_cpu_us for turn in turns)
    errors = sum(turn.full.errors for turn in turns)
    peak_mb = max(waiting_mb, leaving_mb)
    rows = [
        Row(
            f"CPU of a beacon beside {count:,} waiting events and {count:,} visitors, against an empty store",
            f"{ratio:.2f}-fold ({full_us:.0f} and {empty_us:.0f} µs; {errors} errors)",
            f"within {SPREAD:.0%}", ratio <= 1 + SPREAD,
        ),
        Row(
            f"peak memory with {count:,} waiting events: at rest, and leaving under full load",
            f"{waiting_mb:.0f} MB and {leaving_mb:.0f} MB", f"≤ {PEAK_MB:g} MB", peak_mb <= PEAK_MB,
        ),
        Row("on disk, for a visitor with an anchor and a waiting event", f"{size_mb * 1e6 / count:,.0f} bytes"),
    ]  # fmt: skip
    figures = {
        "ratio": ratio, "empty_cpu_us": empty_us, "full_cpu_us": full_us, "peak_mb": peak_mb,
        "bytes_per_event_and_visitor": size_mb * 1e6 / count,
    }  # fmt: skip
    series = {"nearly empty": [t.empty_cpu_us for t in turns], f"{count:,} of each": [t.full_cpu_us for t in turns]}
    labels = [str(number + 1) for number in range(len(turns))]
    return Measured("full", rows, figures, Plot("CPU of a beacon, turn by turn", "µs", labels, series))


if __name__ == "__main__":
    run_alone(measure)

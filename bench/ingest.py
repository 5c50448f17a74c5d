"""The beacon path against a bare uvicorn app, in turns on the same core of the same run.

Both servers are up all the time; bursts go to one and the other in turn, the gateway delivering meanwhile to a fake
TikTok on the other core. What counts is the ratio of a round's two bursts: absolute figures change with the machine.
Then both get the same load, half of what the gateway can take: a queue that is always full, as in a burst, tells how
long the queue is, and little of how long a visitor waits.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.load import Burst, find_wrk, fire
from bench.site import Server, running_bare, running_gateway, running_tiktok, write_cookies
from bench.table import Measured, Plot, Row, progress, run_alone

RATIO, AIM, P99, PEAK_MB = 0.25, 0.35, 4.0, 100.0


class Turn(NamedTuple):
    """One burst at each server. Units: `*_cpu_us` server CPU per request, the gateway's with its delivery."""

    bare: Burst
    gateway: Burst
    bare_cpu_us: float
    gateway_cpu_us: float

    @property
    def ratio(self) -> float:
        """The gateway's requests a second as a share of the bare app's."""
        return self.gateway.rps / self.bare.rps


def measure(quick: bool) -> Measured:
    """Ingest on SQLite: requests a second and their times against a bare app, and memory at full load."""
    find_wrk()
    bursts, seconds = (3, 1.0) if quick else (24, 2.0)
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        tiktok = stack.enter_context(running_tiktok(folder))
        bare = stack.enter_context(running_bare(folder))
        gateway = stack.enter_context(running_gateway(folder, tiktok.url))
        cookies = write_cookies(gateway, folder / "cookies")
        full = take_turns("full load", bursts, bare, gateway, lambda url: fire(url, seconds, cookies))
        rate = median(turn.gateway.rps for turn in full) / 2
        half = take_turns(
            f"{rate:.0f} requests/s each", max(3, bursts // 3), bare, gateway,
            lambda url: fire(url, seconds * 2, cookies, rate),
        )  # fmt: skip
        return report(full, half, gateway.process.peak_mb, *count_events(folder / "gateway.db"))


def take_turns(what: str, count: int, bare: Server, gateway: Server, load: Callable[[str], Burst]) -> list[Turn]:
    """So many turns, the load coming from `load`."""
    turns = []
    for number in range(count):
        turns.append(take_turn(bare, gateway, load))
        progress(
            f"{what} {number + 1}/{count}: bare {turns[-1].bare.rps:,.0f}/s, gateway {turns[-1].gateway.rps:,.0f}/s"
        )
    return turns


def take_turn(bare: Server, gateway: Server, load: Callable[[str], Burst]) -> Turn:
    """A burst at the bare app, then one at the gateway; each starts when the gateway has come to rest."""
    bursts, cpu_us = [], []
    for server in (bare, gateway):
        gateway.process.wait_idle()
        before_s = server.process.cpu_s
        burst = load(server.url)
        gateway.process.wait_idle()
        bursts.append(burst)
        cpu_us.append((server.process.cpu_s - before_s) / burst.requests * 1e6)
    return Turn(*bursts, *cpu_us)


def count_events(database: Path, patience_s: float = 5.0) -> tuple[int, int]:
    """How many events the gateway stored, and how many of them TikTok accepted: the last ones linger for a second."""
    until_s = time.monotonic() + patience_s
    while (counted := _count(database))[0] > counted[1] and time.monotonic() < until_s:
        time.sleep(0.1)
    return counted


def _count(database: Path) -> tuple[int, int]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        statement = "SELECT count(*), count(*) FILTER (WHERE fate = 'accepted') FROM events"
        stored, accepted = connection.execute(statement).fetchone()
    return stored, accepted


def report(full: Sequence[Turn], half: Sequence[Turn], peak_mb: float, stored: int, accepted: int) -> Measured:
    """The figures as medians of the turns."""
    ratios = sorted(turn.ratio for turn in full)
    ratio, rps = median(ratios), median(turn.gateway.rps for turn in full)
    bare_rps, cpu_us = median(turn.bare.rps for turn in full), median(turn.gateway_cpu_us for turn in full)
    p99_ms, bare_p99_ms = (median(burst.p99_ms for burst in some) for some in _part(half))
    full_p99_ms, full_bare_p99_ms = (median(burst.p99_ms for burst in some) for some in _part(full))
    half_rps, half_bare_rps = (median(burst.rps for burst in some) for some in _part(half))
    bare_cpu_us = median(turn.bare_cpu_us for turn in full)
    cpu_ratio = median(turn.bare_cpu_us / turn.gateway_cpu_us for turn in full)
    errors = sum(turn.gateway.errors for turn in (*full, *half))
    answered = sum(turn.gateway.requests for turn in (*full, *half))
    p99_ratio = full_p99_ms / full_bare_p99_ms
    rows = [
        Row(
            "ingest on SQLite, delivery running, as a share of a bare uvicorn 204",
            f"{ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}; {rps:,.0f} of {bare_rps:,.0f} requests/s)",
            f"≥ {RATIO}, aim {AIM}", ratio >= RATIO,
        ),
        Row(
            "p99 of the same bursts, 64 connections that never pause",
            f"{full_p99_ms:.0f} ms, {p99_ratio:.1f}-fold of {full_bare_p99_ms:.0f} ms",
            f"≤ {P99:g}-fold", p99_ratio <= P99,
        ),
        Row(
            f"p99 with {rps / 2:,.0f} requests/s asked of each, half of the gateway's capacity",
            f"{p99_ms:.1f} ms at {half_rps:,.0f}/s, against {bare_p99_ms:.1f} ms at {half_bare_rps:,.0f}/s "
            "of an app that stores nothing",
        ),
        Row(
            "CPU of the bare app's request, as a share of a beacon's with its delivery",
            f"{cpu_ratio:.2f} ({bare_cpu_us:.0f} of {cpu_us:.0f} µs)",
        ),
        Row("peak memory at full load", f"{peak_mb:.0f} MB", f"≤ {PEAK_MB:g} MB", peak_mb <= PEAK_MB),
        Row(
            "answered beacons, of which stored, of which at TikTok",
            f"{answered:,}, {stored:,}, {accepted:,}; {errors} errors",
            "all", stored >= answered and accepted == stored and not errors,
        ),
    ]  # fmt: skip
    figures = {
        "beacons_per_s": rps, "ratio": ratio, "cpu_us": cpu_us, "bare_cpu_us": bare_cpu_us, "cpu_ratio": cpu_ratio,
        "p99_ms": p99_ms, "bare_p99_ms": bare_p99_ms, "peak_mb": peak_mb,
    }  # fmt: skip
    labels = [str(number + 1) for number in range(len(full))]
    series = {"bare uvicorn": [t.bare.rps for t in full], "gateway": [t.gateway.rps for t in full]}
    return Measured("ingest", rows, figures, Plot("Requests a second, turn by turn", "requests/s", labels, series))


def _part(turns: Sequence[Turn]) -> tuple[list[Burst], list[Burst]]:
    """The gateway's bursts, and the bare app's."""
    return [turn.gateway for turn in turns], [turn.bare for turn in turns]


if __name__ == "__main__":
    run_alone(measure)

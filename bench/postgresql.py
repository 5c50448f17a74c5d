"""Ingest on PostgreSQL against SQLite, in turns on the same core: what a beacon costs the gateway, and the database.

The database's processes are told apart by /proc and run on the other core, beside the client and the fake TikTok. So
requests a second are no measure here, but CPU for each beacon is. Both commit to the disk (fsync on).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.load import Burst, find_wrk, fire
from bench.processes import CLIENT_CORE, find_family, read_family_cpu_s
from bench.site import Server, running_gateway, running_tiktok, write_cookies
from bench.table import Measured, Plot, Row, progress, run_alone
from tests.postgres import Server as PostgreSQL
from tests.postgres import running_postgres

DURABLE = ("max_connections=60", "shared_buffers=128MB", "unix_socket_directories=", "max_wal_size=4GB")
AGAINST_SQLITE, PEAK_MB = 1.0, 100.0


class Turn(NamedTuple):
    """A burst at the gateway on each database. Units: CPU µs per beacon, delivery included."""

    sqlite: Burst
    postgresql: Burst
    sqlite_cpu_us: float
    postgresql_cpu_us: float
    database_cpu_us: float


def measure(quick: bool) -> Measured:
    """Ingest on PostgreSQL: the gateway's CPU for each beacon against SQLite's, the database's told apart."""
    find_wrk()
    count, seconds = (3, 1.0) if quick else (16, 2.0)
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        tiktok = stack.enter_context(running_tiktok(folder))
        database = stack.enter_context(running_database())
        url = database.make_database("bench")
        gateways = [
            stack.enter_context(running_gateway(folder / "sqlite", tiktok.url)),
            stack.enter_context(running_gateway(folder / "postgresql", tiktok.url, storage=url)),
        ]
        cookies = [write_cookies(one, folder / f"cookies{number}") for number, one in enumerate(gateways)]
        turns = []
        for number in range(count):
            turns.append(take_turn(gateways, cookies, seconds, _find_postmaster(database)))
            progress(f"{number + 1}/{count}: SQLite {turns[-1].sqlite_cpu_us:.0f} µs, {_tell(turns[-1])}")
        return report(turns, gateways[1].process.peak_mb)


@contextlib.contextmanager
def running_database() -> Iterator[PostgreSQL]:
    """A PostgreSQL that writes durably, on the client's core."""
    with running_postgres() as server:
        server.stop()
        server.start(DURABLE)
        for pid in find_family(_find_postmaster(server)):
            os.sched_setaffinity(pid, {CLIENT_CORE})
        yield server


def _find_postmaster(server: PostgreSQL) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def take_turn(gateways: Sequence[Server], cookies: Sequence[Path], seconds: float, postmaster: int) -> Turn:
    """A burst at each gateway, with everything at rest before and after."""
    bursts, cpu_us, database_us = [], [], 0.0
    for gateway, of_these in zip(gateways, cookies, strict=True):
        for one in gateways:
            one.process.wait_idle()
        before_s, database_before_s = gateway.process.cpu_s, read_family_cpu_s(postmaster)
        burst = fire(gateway.url, seconds, of_these)
        gateway.process.wait_idle()
        bursts.append(burst)
        cpu_us.append((gateway.process.cpu_s - before_s) / burst.requests * 1e6)
        database_us = (read_family_cpu_s(postmaster) - database_before_s) / burst.requests * 1e6
    return Turn(*bursts, *cpu_us, database_us)


def _tell(turn: Turn) -> str:
    return f"PostgreSQL {turn.postgresql_cpu_us:.0f} µs and {turn.database_cpu_us:.0f} µs of its own"


def report(turns: Sequence[Turn], peak_mb: float) -> Measured:
    """The figures as medians of the turns."""
    cpu_us, sqlite_us = median(turn.postgresql_cpu_us for turn in turns), median(turn.sqlite_cpu_us for turn in turns)
    database_us = median(turn.database_cpu_us for turn in turns)
    ratio = median(turn.postgresql_cpu_us / turn.sqlite_cpu_us for turn in turns)
    errors = sum(turn.postgresql.errors for turn in turns)
    rps = median(turn.postgresql.rps for turn in turns)
    rows = [
        Row(
            "the gateway's CPU for a beacon on PostgreSQL, as a share of that on SQLite",
            f"{ratio:.2f} ({cpu_us:.0f} of {sqlite_us:.0f} µs)", f"≤ {AGAINST_SQLITE:g}", ratio <= AGAINST_SQLITE,
        ),
        Row("PostgreSQL's own CPU for a beacon, in its processes", f"{database_us:.0f} µs"),
        Row("ingest on PostgreSQL, on two cores with it and the client", f"{rps:,.0f} requests/s; {errors} errors"),
        Row("peak memory at full load on PostgreSQL", f"{peak_mb:.0f} MB", f"≤ {PEAK_MB:g} MB", peak_mb <= PEAK_MB),
    ]  # fmt: skip
    figures = {
        "cpu_us": cpu_us, "sqlite_cpu_us": sqlite_us, "database_cpu_us": database_us, "ratio": ratio,
        "beacons_per_s": rps, "peak_mb": peak_mb,
    }  # fmt: skip
    series = {
        "gateway on SQLite": [turn.sqlite_cpu_us for turn in turns],
        "gateway on PostgreSQL": [turn.postgresql_cpu_us for turn in turns],
        "PostgreSQL itself": [turn.database_cpu_us for turn in turns],
    }
    labels = [str(number + 1) for number in range(len(turns))]
    return Measured("postgresql", rows, figures, Plot("CPU of a beacon, turn by turn", "µs", labels, series))


if __name__ == "__main__":
    run_alone(measure)

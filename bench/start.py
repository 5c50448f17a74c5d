"""How long a start takes, from the command to the first beacon answered: a database of 1 GB in turns with an empty one.

Before each start the system forgets what it cached of the database file, as after a reboot. One more turn starts after
a kill in the middle of a burst.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx

from bench.backlog import NOWHERE, fill, make_models, write_cookies
from bench.load import fire
from bench.processes import SERVER_CORE, Process
from bench.site import Server, build_beacon, find_port, post_beacon, write_config
from bench.table import Measured, Plot, Row, progress, run_alone

LIMIT_S = 1.0
EVENTS_OF_1_GB = 900_000


def measure(quick: bool) -> Measured:
    """From the start of the process to its first answered beacon, on a database of 1 GB."""
    events, turns = (50_000, 3) if quick else (EVENTS_OF_1_GB, 8)
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary:
        empty, full = Path(temporary) / "empty", Path(temporary) / "full"
        for folder, count in ((empty, 1), (full, events)):
            make_models(folder)
            fill(folder / "gateway.db", visitors=count, events=count)
        size_mb = (full / "gateway.db").stat().st_size / 1e6
        progress(f"the database has {size_mb:,.0f} MB")
        times_s = [(start(empty), start(full)) for _ in range(turns)]
        for of_empty, of_full in times_s:
            progress(f"empty {of_empty:.2f} s, full {of_full:.2f} s")
        kill_in_burst(full)
        return report(times_s, size_mb, start(full))


def start(folder: Path) -> float:
    """Seconds from the command to the first answered beacon."""
    forget(folder / "gateway.db")
    began_s = time.perf_counter()
    with serving(folder) as gateway:
        insist(gateway)
        return time.perf_counter() - began_s


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A gateway that was just started, and delivers to a TikTok that is not there."""
    port = find_port()
    config = write_config(folder, port, NOWHERE)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    process = Process(command, SERVER_CORE, folder / "gateway.log")
    try:
        yield Server(process, f"http://127.0.0.1:{port}")
    finally:
        process.stop()


def insist(gateway: Server) -> None:
    """A beacon has been answered."""
    while gateway.process.is_running:
        with contextlib.suppress(httpx.TransportError):
            post_beacon(gateway, build_beacon(first="start"))
            return
        time.sleep(0.005)
    raise RuntimeError(gateway.process.log.read_text()[-2000:])


def kill_in_burst(folder: Path) -> None:
    """The gateway was killed at full load: its write-ahead log is to be recovered."""
    cookies = write_cookies(folder / "gateway.db", folder / "cookies", range(100))
    with serving(folder) as gateway:
        insist(gateway)
        fire(gateway.url, 1, cookies)
        gateway.process.kill()


def forget(path: Path) -> None:
    """The system has nothing of this file in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def report(times_s: list[tuple[float, float]], size_mb: float, after_kill_s: float) -> Measured:
    """The figures as medians of the turns."""
    empty_s, full_s = median(one for one, _ in times_s), median(one for _, one in times_s)
    rows = [
        Row(
            f"start on a database of {size_mb:,.0f} MB, to the first beacon answered",
            f"{full_s:.2f} s ({empty_s:.2f} s on an empty one)", f"≤ {LIMIT_S:g} s", full_s <= LIMIT_S,
        ),
        Row("the same after a kill under full load", f"{after_kill_s:.2f} s"),
    ]  # fmt: skip
    figures = {"full_s": full_s, "empty_s": empty_s, "after_kill_s": after_kill_s, "size_mb": size_mb}
    series = {"empty": [one for one, _ in times_s], f"{size_mb:,.0f} MB": [one for _, one in times_s]}
    labels = [str(number + 1) for number in range(len(times_s))]
    return Measured("start", rows, figures, Plot("From the command to the first beacon answered", "s", labels, series))


if __name__ == "__main__":
    run_alone(measure)

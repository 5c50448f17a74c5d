"""How long a start takes, from the command to the first beacon answered: a database of 1 GB in turns with an empty one.

Before each start the system forgets what it cached of the database file, as after a reboot. One more turn starts after
a kill in the middle of a burst. The code is compiled beforehand, as installing it does.
"""

from __future__ import annotations

import compileall
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx

from bench.backlog import NOWHERE, fill, make_models, write_cookies
from bench.load import fire
from bench.processes import SERVER_CORE, Process
from bench.site import Server, build_beacon, find_port, post_beacon, write_config
from bench.table import Measured, Plot, Row, progress, run_alone

LIMIT_S = 1.0
EVENTS_OF_1_GB = 550_000
CODE = Path(__file__).parent.parent / "gateway"


class Begun(NamedTuple):
    """What it took until the first beacon was answered, and the memory held then."""

    wall_s: float
    cpu_s: float
    rss_mb: float


def measure(quick: bool) -> Measured:
    """From the start of the process to its first answered beacon, on a database of 1 GB."""
    events, turns = (50_000, 3) if quick else (EVENTS_OF_1_GB, 16)
    compileall.compile_dir(CODE, quiet=1)
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary:
        empty, full = Path(temporary) / "empty", Path(temporary) / "full"
        for folder, count in ((empty, 1), (full, events)):
            make_models(folder)
            fill(folder / "gateway.db", visitors=count, events=count)
        size_mb = (full / "gateway.db").stat().st_size / 1e6
        progress(f"the database has {size_mb:,.0f} MB")
        rounds = [(start(empty), start(full)) for _ in range(turns)]
        for of_empty, of_full in rounds:
            progress(f"empty {of_empty.wall_s:.2f} s, full {of_full.wall_s:.2f} s ({of_full.cpu_s:.2f} s of CPU)")
        kill_in_burst(full)
        return report(rounds, size_mb, start(full))


def start(folder: Path) -> Begun:
    """From the command to the first answered beacon."""
    forget(folder / "gateway.db")
    began_s = time.perf_counter()
    with serving(folder) as gateway:
        insist(gateway)
        return Begun(time.perf_counter() - began_s, gateway.process.cpu_s, gateway.process.rss_mb)


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


def report(rounds: list[tuple[Begun, Begun]], size_mb: float, after_kill: Begun) -> Measured:
    """The figures as medians of the turns."""
    empty, full = (Begun(*map(median, zip(*one, strict=True))) for one in zip(*rounds, strict=True))
    rows = [
        Row(
            f"start on a database of {size_mb:,.0f} MB, to the first beacon answered",
            f"{full.wall_s:.2f} s ({empty.wall_s:.2f} s on an empty one)", f"≤ {LIMIT_S:g} s", full.wall_s <= LIMIT_S,
        ),
        Row("CPU time and memory until then", f"{full.cpu_s:.2f} s, {full.rss_mb:.0f} MB"),
        Row("start after a kill under full load", f"{after_kill.wall_s:.2f} s"),
    ]  # fmt: skip
    figures = {
        "full_s": full.wall_s, "empty_s": empty.wall_s, "after_kill_s": after_kill.wall_s, "size_mb": size_mb,
        "cpu_s": full.cpu_s, "rss_mb": full.rss_mb,
    }  # fmt: skip
    series = {"empty": [one.wall_s for one, _ in rounds], f"{size_mb:,.0f} MB": [one.wall_s for _, one in rounds]}
    labels = [str(number + 1) for number in range(len(rounds))]
    return Measured("start", rows, figures, Plot("From the command to the first beacon answered", "s", labels, series))


if __name__ == "__main__":
    run_alone(measure)

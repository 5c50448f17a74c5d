"""How fast a backlog leaves for the fake TikTok, and whether its size makes a difference.

The gateway's own delivery (store, lanes, client) runs in a process of its own on one core, the fake on the other. That
process makes each backlog, then delivers it: what is timed is from the first claim to the last fate on disk. The
smallest backlogs come again after the largest, so what the size of the backlog costs is told from what the age of the
database does.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.backlog import add_events, add_visitors, make_models
from bench.processes import SERVER_CORE
from bench.site import STORE, running_tiktok, write_config
from bench.table import Measured, Plot, Row, progress, run_alone
from gateway.clock import now_ms
from gateway.delivery.worker import Deliverer
from gateway.settings import Settings, load_settings
from gateway.store import Store
from gateway.tiktok.client import TikTokClient

RATE, FLAT = 10_000, 0.20
FULL = (1_000,) * 10 + (10_000,) * 5 + (100_000,) * 2 + (1_000_000,) + (10_000,) * 5 + (1_000,) * 10
QUICK = (1_000,) * 5 + (10_000,) * 3 + (50_000,) + (1_000,) * 5
CHUNK = 50_000
"""Events added in one transaction."""


class Drained(NamedTuple):
    """One backlog that is gone. Units: CPU of the delivering process."""

    events: int
    seconds: float
    cpu_s: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        """Of one event."""
        return self.cpu_s / self.events * 1e6


def measure(quick: bool) -> Measured:
    """Draining a backlog to the fake TikTok: events a second, for backlogs of every size."""
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary:
        folder = Path(temporary)
        make_models(folder)
        with running_tiktok(folder) as tiktok:
            config = write_config(folder, 0, tiktok.url)
            before_s = tiktok.process.cpu_s
            backlogs = list(deliver_apart(config, QUICK if quick else FULL))
            fake_us = (tiktok.process.cpu_s - before_s) / sum(one.events for one in backlogs) * 1e6
    return report(backlogs, fake_us)


def deliver_apart(config: Path, sizes: Sequence[int]) -> Iterator[Drained]:
    """Each backlog as it is gone, by a process on a core of its own."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "bench.drain", str(config), *map(str, sizes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            drained = Drained(**json.loads(line))
            progress(f"{drained.events:,} events: {drained.rate:,.0f}/s, {drained.cpu_us:.0f} µs CPU each")
            yield drained
    if process.returncode:
        raise RuntimeError(f"the delivering process ended with {process.returncode}")


def report(backlogs: Sequence[Drained], fake_us: float) -> Measured:
    """The figures as medians for each size."""
    sizes = sorted({one.events for one in backlogs})
    rates = {size: median(one.rate for one in backlogs if one.events == size) for size in sizes}
    smallest, largest = sizes[0], sizes[-1]
    rate, cpu_us = rates[largest], median(one.cpu_us for one in backlogs if one.events == largest)
    spread = 1 - min(rates.values()) / max(rates.values())
    times = Counter(one.events for one in backlogs)
    told = ", ".join(f"{size:,} ({times[size]}x): {rate:,.0f}" for size, rate in rates.items())
    peak_mb = max(one.peak_mb for one in backlogs)
    rows = [
        Row(f"drain of {largest:,} events to the fake TikTok", f"{rate:,.0f} events/s", f"≥ {RATE:,}", rate >= RATE),
        Row(
            f"the same from {smallest:,} to {largest:,}, the slowest against the fastest",
            f"-{spread:.0%} ({told})", f"within {FLAT:.0%}", spread <= FLAT,
        ),
        Row("CPU to deliver an event, and the fake's to check it", f"{cpu_us:.0f} µs and {fake_us:.0f} µs"),
        Row(f"peak memory of a process that drains {largest:,}", f"{peak_mb:.0f} MB"),
    ]  # fmt: skip
    figures = {"events_per_s": rate, "cpu_us": cpu_us, "fake_cpu_us": fake_us, "spread": spread, "peak_mb": peak_mb}
    labels = [f"{size:,} waiting" for size in sizes]
    return Measured(
        "drain", rows, figures, Plot("Draining a backlog", "events/s", labels, {"events/s": list(rates.values())})
    )


async def deliver(config: Path, sizes: Sequence[int]) -> None:
    """Prints each backlog as a line of JSON when it is gone."""
    settings = load_settings(config)
    settings = settings.model_copy(update={"delivery": settings.delivery.model_copy(update={"linger_s": 0})})
    store = Store(settings.storage.url.get_secret_value())
    client = TikTokClient(settings.delivery.api_base)
    await store.start(now_ms())
    await store.run(lambda cursor: cursor.execute("DELETE FROM outbox", ()))  # the model is only copied
    queued = 0
    try:
        for size in sizes:
            await add_backlog(store, queued, queued + size)
            queued += size
            print(json.dumps((await drain(settings, store, client, size))._asdict()), flush=True)
    finally:
        await client.aclose()
        await store.stop()


async def add_backlog(store: Store, start: int, end: int) -> None:
    """The events of these numbers wait, each with its visitor, whose consent every claim looks up."""
    for first in range(start, end, CHUNK):
        last = min(first + CHUNK, end)
        await store.run(lambda cursor, first=first, last=last: add_visitors(cursor, first, last))
        await store.run(lambda cursor, first=first, last=last: add_events(cursor, first, last))


async def drain(settings: Settings, store: Store, client: TikTokClient, size: int) -> Drained:
    """All that waits is delivered."""
    deliverer = Deliverer(settings, store, client)
    started_s, cpu_before_s = time.perf_counter(), time.process_time()
    running = asyncio.create_task(deliverer.run())
    while deliverer.fates(STORE).total() < size:
        await asyncio.sleep(0.002)
        if running.done():
            running.result()
    seconds, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_before_s
    deliverer.stop()
    await running
    return Drained(size, seconds, cpu_s, _read_peak_mb())


def _read_peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:] and not sys.argv[1].startswith("-"):
        asyncio.run(deliver(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]]))
    else:
        run_alone(measure)

"""The dashboard before a shop of a million events: how long its pages take, and what they cost the beacons meanwhile.

The shop is seeded (`bench.seed`), then its pages are loaded one after the other by somebody who has signed in. Last,
bursts of beacons with and without somebody who loads a page every second take turns: their ratio is what is left of
the rate.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import httpx
from argon2 import PasswordHasher

from bench.load import find_wrk, fire
from bench.processes import SERVER_CORE, running
from bench.seed import FIRST_ORDER, Shop, seed
from bench.site import PIXEL, SQLITE, STORE, Server, find_port, running_tiktok, write_config, write_cookies
from bench.table import Measured, Plot, Row, progress, run_alone
from gateway.store.database import migrate, open_engine

FIGURES = ("overview", "recovered", "orders", "match-keys", "cookies")
PAGES = (*FIGURES, "failures", "live")
PERIODS = (1, 7, 30, 90)
SHOWN_BY = {"overview": 200.0}
SEARCH_MS, KEPT = 100.0, 0.9
PASSWORD = "the dashboard's password in the bench"


class Size(NamedTuple):
    """How much there is, and how often each thing is done."""

    events: int
    orders: int
    loads: int
    turns: int
    burst_s: float


FULL, QUICK = Size(1_000_000, 100_000, 15, 7, 4.0), Size(30_000, 3_000, 5, 2, 2.0)


def measure(quick: bool) -> Measured:
    """The dashboard: medians of each page's time, and the share of the ingest rate that is left while it is used."""
    find_wrk()
    size = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        fill(folder, size)
        tiktok = stack.enter_context(running_tiktok(folder))
        gateway = stack.enter_context(running_dashboard(folder, tiktok.url))
        reader = stack.enter_context(sign_in(gateway))
        gateway.process.wait_idle()
        pages = {name: [time_page(reader, name, days, size.loads) for days in PERIODS] for name in PAGES}
        searches = {kind: time_searches(reader, texts, size.loads) for kind, texts in list_searches(size).items()}
        cpu_ms = find_cpu_ms(gateway, reader, size.loads)
        shares, busy_ms = take_turns(gateway, reader, write_cookies(gateway, folder / "cookies"), size)
        return report(size, pages, searches, cpu_ms, shares, busy_ms)


def fill(folder: Path, size: Size) -> None:
    """A month of a shop is in the database that the gateway will open."""
    engine = open_engine(SQLITE.replace("gateway.db", str(folder / "gateway.db")))
    migrate(engine)
    started_s = time.perf_counter()
    seed(engine, Shop(STORE, PIXEL, time.time_ns() // 1_000_000), events=size.events, orders=size.orders)
    engine.dispose()
    progress(f"{size.events:,} events and {size.orders:,} orders seeded in {time.perf_counter() - started_s:.0f} s")


@contextlib.contextmanager
def running_dashboard(folder: Path, tiktok: str) -> Iterator[Server]:
    """The gateway, with a password for its dashboard."""
    port = find_port()
    config = write_config(folder, port, tiktok)
    hashed = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    config.write_text(config.read_text().replace("[security]", f'[security]\nadmin_password_hash = "{hashed}"'))
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    url = f"http://127.0.0.1:{port}"
    with running(command, SERVER_CORE, f"{url}/healthz", folder / "gateway.log") as process:
        yield Server(process, url)


@contextlib.contextmanager
def sign_in(gateway: Server) -> Iterator[httpx.Client]:
    """Somebody who has signed in."""
    with httpx.Client(base_url=gateway.url, trust_env=False, timeout=30) as reader:
        reader.post("/admin/sign-in", data={"password": PASSWORD})
        reader.get("/admin/overview").raise_for_status()
        yield reader


def time_page(reader: httpx.Client, name: str, days: int, times: int) -> float:
    """The median of so many loads. Units: milliseconds."""
    return median(time_ms(lambda: reader.get(f"/admin/{name}?days={days}")) for _ in range(times))


def time_searches(reader: httpx.Client, texts: Iterator[str], times: int) -> float:
    """The median of so many searches, each for something else. Units: milliseconds."""
    return median(
        time_ms(lambda text=text: reader.post("/admin/ledger", data={"q": text}))
        for text in itertools.islice(texts, times)
    )


def time_ms(load: Callable[[], httpx.Response]) -> float:
    """How long the whole answer took. Raises: httpx.HTTPStatusError when it is none of the good ones."""
    started_s = time.perf_counter()
    load().raise_for_status()
    return (time.perf_counter() - started_s) * 1000


def find_cpu_ms(gateway: Server, reader: httpx.Client, times: int) -> float:
    """What one load of a page of figures takes of the gateway's core, the pages in turn. Units: milliseconds."""
    before_s = gateway.process.cpu_s
    for _, name in itertools.product(range(times), FIGURES):
        reader.get(f"/admin/{name}").raise_for_status()
    return (gateway.process.cpu_s - before_s) / (times * len(FIGURES)) * 1000


def list_searches(size: Size) -> dict[str, Iterator[str]]:
    """What is looked for in the ledger, by what it is; never the same twice in a row."""
    chance = random.Random(5)
    orders = iter(lambda: chance.randrange(size.orders), None)
    people = iter(lambda: chance.randrange(size.events // 13), None)
    first, second, third = itertools.tee(orders, 3)
    return {
        "an order's number": (f"#{1000 + number}" for number in first),
        "an order's id": (str(FIRST_ORDER + number) for number in second),
        "an event's id": (f"purchase_{FIRST_ORDER + number}" for number in third),
        "an email address": (f"shopper{number}@example.com" for number in people),
        "nothing that is known": (f"nothing-{number}" for number in itertools.count()),
    }


def take_turns(gateway: Server, reader: httpx.Client, cookies: Path, size: Size) -> tuple[list[float], list[float]]:
    """What is left of the rate, turn by turn; and how long pages took meanwhile. Units: milliseconds."""
    shares, busy_ms = [], []
    for number in range(size.turns):
        gateway.process.wait_idle()
        alone = fire(gateway.url, size.burst_s, cookies)
        gateway.process.wait_idle()
        with looking(reader) as taken_ms:
            watched = fire(gateway.url, size.burst_s, cookies)
        shares.append(watched.rps / alone.rps)
        busy_ms += taken_ms
        progress(f"turn {number + 1}/{size.turns}: {alone.rps:,.0f}/s alone, {watched.rps:,.0f}/s with a reader")
    return shares, busy_ms


@contextlib.contextmanager
def looking(reader: httpx.Client) -> Iterator[list[float]]:
    """One page after the other is loaded, one each second; how long they took."""
    taken_ms: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        for name in itertools.cycle(FIGURES):
            taken_ms.append(time_ms(lambda name=name: reader.get(f"/admin/{name}")))
            if is_over.wait(max(0.0, 1 - taken_ms[-1] / 1000)):
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield taken_ms
    finally:
        is_over.set()
        thread.join()


def report(
    size: Size,
    pages: dict[str, list[float]],
    searches: dict[str, float],
    cpu_ms: float,
    shares: Sequence[float],
    busy_ms: Sequence[float],
) -> Measured:
    """The figures; a page is as slow as its slowest period."""
    shop = f"{size.events:,} events and {size.orders:,} orders"
    kept, slowest_ms = median(shares), max(searches.values())
    rows = [Row(f"{name} with {shop}", _tell(taken), *_judge(name, taken)) for name, taken in pages.items()]
    told = ", ".join(f"{taken:.0f} ms for {kind}" for kind, taken in searches.items())
    rows += [
        Row(f"ledger search with {shop}", told, f"≤ {SEARCH_MS:g} ms", slowest_ms <= SEARCH_MS),
        Row(
            "share of the ingest rate left while a page is loaded every second",
            f"{kept:.2f} ({min(shares):.2f} to {max(shares):.2f})", f"≥ {KEPT}", kept >= KEPT,
        ),
        Row("CPU of a page of figures, of the 1,000 ms that a core has each second", f"{cpu_ms:.0f} ms"),
        Row("a page meanwhile, at full load", f"{median(busy_ms):.0f} ms, {max(busy_ms):.0f} ms at most"),
    ]  # fmt: skip
    figures = {f"{name.replace('-', '_')}_ms": max(taken) for name, taken in pages.items()}
    series = {f"{days} d": [taken[place] for taken in pages.values()] for place, days in enumerate(PERIODS)}
    plot = Plot("A page's time, by the period it shows", "ms", list(pages), series)
    return Measured(
        "dashboard", rows, figures | {"search_ms": slowest_ms, "page_cpu_ms": cpu_ms, "ingest_kept": kept}, plot
    )


def _tell(taken: Sequence[float]) -> str:
    return ", ".join(f"{one:.0f} ms for {days} d" for one, days in zip(taken, PERIODS, strict=True))


def _judge(name: str, taken: Sequence[float]) -> tuple[str, bool | None]:
    limit_ms = SHOWN_BY.get(name)
    return ("", None) if limit_ms is None else (f"≤ {limit_ms:g} ms", max(taken) <= limit_ms)


if __name__ == "__main__":
    run_alone(measure)

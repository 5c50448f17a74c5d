"""`make soak`: shoppers for ten minutes while everything goes wrong, then the account of every acknowledged event.

Acknowledged is what a browser was answered with 204 for; each of these must have been delivered, by TikTok's own word
and the database's, or the ledger must say why not. In the first half the gateway also dies and starts again; in the
second it lives, and its memory must not grow. The exit code is 0 when the account is whole and memory is flat.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from bench.misfortune import Gateway, Misfortune
from bench.shoppers import Shoppers
from bench.table import RESULTS, Measured, Plot, Row, progress, publish
from gateway.demo.fake_tiktok import FakeTikTok

USUAL_RATE = 500.0
"""Beacons a second where no bench has told what half of the gateway's capacity is."""

LONG_MIN = 3.0
"""Minutes from which memory can be judged, and misfortunes that last a minute have room."""

FLAT_MB_PER_MIN, PEAK_MB = 2.0, 150.0
DRAIN_S = 180.0


class Sample(NamedTuple):
    """The gateway's memory at one moment. Units: `at_s` since the soak began."""

    at_s: float
    life: int
    rss_mb: float


class Account(NamedTuple):
    """What became of the acknowledged events; `wrong` of them, by what is the matter."""

    acknowledged: int
    delivered: int
    ledgered: int
    wrong: Counter[str]

    @property
    def is_whole(self) -> bool:
        """Nothing was lost, and nothing was told that is not so."""
        return not self.wrong and self.acknowledged == self.delivered + self.ledgered


class Soaked(NamedTuple):
    """All that one soak saw."""

    account: Account
    samples: list[Sample]
    struck: Counter[str]
    refused: int

    @property
    def growth_mb_per_min(self) -> float:
        """The slope of memory in the last life, its first half left out: a young process still fills its caches."""
        last = [one for one in self.samples if one.life == self.samples[-1].life]
        settled = last[len(last) // 2 :]
        slope, _ = statistics.linear_regression([one.at_s / 60 for one in settled], [one.rss_mb for one in settled])
        return slope


async def soak(folder: Path, minutes: float, rate: float, seed: int) -> Soaked:
    """Everything that was acknowledged has been accounted for."""
    chance, is_long = random.Random(seed), minutes >= LONG_MIN
    tiktok = FakeTikTok(keep=100)
    gateway = Gateway(folder, tiktok.start())
    try:
        await gateway.serves()
        shoppers = Shoppers(gateway.port, rate, chance)
        misfortune = Misfortune(gateway, tiktok, chance, is_long=is_long)
        samples: list[Sample] = []
        watching = asyncio.create_task(watch(gateway, shoppers, samples))
        shopping = asyncio.create_task(shoppers.shop())
        began_s, every_s = asyncio.get_running_loop().time(), 10 if is_long else 2
        await misfortune.strike_until(began_s + minutes * 30, every_s, deadly=True)
        await misfortune.strike_until(began_s + minutes * 60, every_s, deadly=False)
        shoppers.leave()
        await shopping
        watching.cancel()
        await drain(gateway, tiktok)
    finally:
        gateway.process.stop()
        tiktok.stop()
    counts = {event_id: count for (_, _, event_id), count in tiktok.counts.items()}
    account = settle(shoppers.acknowledged, read_fates(gateway.database), counts)
    return Soaked(account, samples, misfortune.struck, shoppers.refused)


async def watch(gateway: Gateway, shoppers: Shoppers, samples: list[Sample]) -> None:
    """Memory is noted every second, and told every half minute."""
    began_s = time.monotonic()
    while True:
        sample = Sample(time.monotonic() - began_s, gateway.life, gateway.process.rss_mb)
        if sample.rss_mb:
            samples.append(sample)
        if len(samples) % 30 == 1:
            told = f"{len(shoppers.acknowledged):,} acknowledged, {shoppers.refused:,} sent again"
            progress(f"{told}, {sample.rss_mb:.0f} MB")
        await asyncio.sleep(1)


async def drain(gateway: Gateway, tiktok: FakeTikTok) -> None:
    """TikTok is well, and nothing waits to be sent any more. Raises: TimeoutError."""
    tiktok.moods.clear()
    await gateway.restart()
    async with asyncio.timeout(DRAIN_S):
        while count_waiting(gateway.database):  # noqa: ASYNC110 - a database tells nobody that it has changed
            await asyncio.sleep(0.2)


def count_waiting(database: Path) -> int:
    """How many events have no fate yet."""
    with reading(database) as connection:
        [count] = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(count)


def read_fates(database: Path) -> dict[str, str | None]:
    """The fate of each event by its event id, as the database has it."""
    with reading(database) as connection:
        return dict(connection.execute("SELECT event_id, fate FROM events"))


@contextlib.contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        yield connection


def settle(acknowledged: set[str], fates: Mapping[str, str | None], counts: Mapping[str, int]) -> Account:
    """What became of each acknowledged event, by the database (`fates`) and by TikTok (`counts`)."""
    found = Counter(judge(fates.get(one), counts.get(one, 0)) for one in acknowledged)
    delivered, ledgered = found.pop("delivered", 0), found.pop("ledgered", 0)
    return Account(len(acknowledged), delivered, ledgered, found)


def judge(fate: str | None, counted: int) -> str:
    """What became of one event."""
    if counted > 1:
        return "counted twice"
    if fate is None:
        return "delivered without a fate" if counted else "lost"
    if fate == "accepted":
        return "delivered" if counted else "told as accepted, and TikTok has never seen it"
    return "ledgered" if not counted else f"told as {fate}, and TikTok has it"


def report(soaked: Soaked, minutes: float, rate: float, seed: int) -> Measured:
    """The final account."""
    account, is_long = soaked.account, minutes >= LONG_MIN
    growth, peak_mb = soaked.growth_mb_per_min, max(one.rss_mb for one in soaked.samples)
    told = ", ".join(f"{name} {count}x" for name, count in sorted(soaked.struck.items()))
    wrong = ", ".join(f"{count} {what}" for what, count in account.wrong.items()) or "nothing wrong"
    rows = [
        Row(
            f"soak of {minutes:g} minutes with {rate:,.0f} beacons/s: acknowledged = delivered + ledgered",
            f"{account.acknowledged:,} = {account.delivered:,} + {account.ledgered:,}; {wrong}",
            "equal", account.is_whole,
        ),
        Row(
            "memory in the soak's second half", f"{growth:+.2f} MB a minute",
            f"≤ {FLAT_MB_PER_MIN:g} MB", growth <= FLAT_MB_PER_MIN if is_long else None,
        ),
        Row("most memory in the soak", f"{peak_mb:.0f} MB", f"≤ {PEAK_MB:g} MB", peak_mb <= PEAK_MB),
        Row(f"misfortunes (seed {seed}); beacons sent again", f"{told}; {soaked.refused:,}"),
    ]  # fmt: skip
    figures = {"acknowledged": account.acknowledged, "growth_mb_per_min": growth, "peak_mb": peak_mb}
    shown = soaked.samples[:: max(1, len(soaked.samples) // 40)]
    labels = [f"{one.at_s / 60:.1f}" for one in shown]
    series = {"MB": [one.rss_mb for one in shown]}
    return Measured("soak", rows, figures, Plot("Memory through the soak, by minutes", "MB", labels, series))


def find_half_load() -> float:
    """Half of what the bench found one process to take."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return float(json.loads((RESULTS / "ingest.json").read_text())["figures"]["beacons_per_s"]) / 2
    return USUAL_RATE


def main() -> None:
    """Soaks as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument(
        "--rate", type=float, default=find_half_load(), help="beacons a second; half load when not told"
    )
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats its misfortunes"
    )
    said = parser.parse_args()
    progress(f"{said.minutes:g} minutes, {said.rate:,.0f} beacons/s, seed {said.seed}")
    with tempfile.TemporaryDirectory(prefix="tag-gateway-soak-") as folder:
        soaked = asyncio.run(soak(Path(folder), said.minutes, said.rate, said.seed))
    measured = report(soaked, said.minutes, said.rate, said.seed)
    publish(measured, quick=said.minutes < 10)
    raise SystemExit(not measured.is_ok)


if __name__ == "__main__":
    main()

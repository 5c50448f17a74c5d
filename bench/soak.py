"""`make soak`: shoppers for ten minutes while everything goes wrong, then the account of every acknowledged event.

Acknowledged is what a browser was answered with 204 for; each of these must have been delivered, by TikTok's own word
and the database's, or the ledger must say that its visitor withdrew: nothing else that happens here is a reason. In the
first half the gateway also dies and starts again; in the second it lives, and its memory must not grow. At the end it
gets all the time that a lane may wait, and no restart that could mend it. The exit code is 0 when the account is whole,
memory is flat and no defect was met.
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

import pygal

from bench.misfortune import Gateway, Misfortune, find_defects
from bench.processes import step_aside
from bench.shoppers import Shoppers
from bench.table import RESULTS, Measured, Plot, Row, progress, publish
from gateway.delivery.retry import CAP_S
from gateway.demo.fake_tiktok import FakeTikTok

USUAL_RATE = 500.0
"""Beacons a second where no bench has told what half of the gateway's capacity is."""

LONG_MIN = 3.0
"""Minutes from which misfortunes that last a minute have room."""

USUAL_MIN = 10.0
"""Minutes from which memory can be judged, and from which the results are kept."""

FLAT_BYTES, PEAK_MB = 30.0, 150.0
"""How much a beacon may leave behind in memory: with some hundred of them a second a leak of that size is megabytes in
the minutes that are looked at, several times what memory goes up and down by itself."""

LEAVE_S = 60.0
"""Until then the last beacon is acknowledged, or the gateway is dead."""

DRAIN_S = CAP_S + 60
"""A lane that waits longer after TikTok is well again is stuck."""


MB = 1024 * 1024


class Sample(NamedTuple):
    """The gateway's memory at one moment. Units: `at_s` since the soak began."""

    at_s: float
    life: int
    rss_mb: float


class Told(NamedTuple):
    """What the database says of one event."""

    fate: str | None
    may_be_sent: bool = False


class Account(NamedTuple):
    """What became of the acknowledged events; `wrong` of them, by what is the matter."""

    acknowledged: int
    delivered: int
    withdrawn: int
    wrong: Counter[str]

    @property
    def is_whole(self) -> bool:
        """Nothing was lost, nothing was told that is not so, and nothing was kept back without a reason."""
        return not self.wrong and self.delivered > 0 and self.acknowledged == self.delivered + self.withdrawn


class Soaked(NamedTuple):
    """All that one soak saw.

    `seconds`: how long shoppers came. `failures`: requests that a defect ended with a 500. `defects`: lines of the log
    with an exception that nobody expected.
    """

    account: Account
    samples: list[Sample]
    struck: Counter[str]
    refused: int
    seconds: float
    failures: int
    defects: list[str]

    @property
    def rate(self) -> float:
        """Events acknowledged in a second."""
        return self.account.acknowledged / self.seconds

    @property
    def settled(self) -> list[Sample]:
        """Memory in the last life, its first fifth left out: a young process still fills its caches."""
        last = [one for one in self.samples if one.life == self.samples[-1].life]
        return last[len(last) // 5 :]

    @property
    def growth_bytes(self) -> float:
        """How much memory grew from then on with each acknowledged event, by the slope of a line through all of it."""
        settled = self.settled
        slope, _ = statistics.linear_regression([one.at_s for one in settled], [one.rss_mb for one in settled])
        return slope * MB / self.rate


async def soak(folder: Path, minutes: float, rate: float, seed: int) -> Soaked:
    """Everything that was acknowledged has been accounted for. Raises: TimeoutError, httpx.HTTPError: it has died."""
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
        seconds = asyncio.get_running_loop().time() - began_s
        async with asyncio.timeout(LEAVE_S):
            await shopping
        watching.cancel()
        await drain(gateway, tiktok)
        await gateway.note_failures()
    finally:
        gateway.process.stop()
        tiktok.stop()
    counts = {event_id: count for (_, _, event_id), count in tiktok.counts.items()}
    account = settle(shoppers.acknowledged, shoppers.withdrawn, read_fates(gateway.database), counts)
    defects = find_defects(gateway.log.read_text())
    return Soaked(account, samples, misfortune.struck, shoppers.refused, seconds, gateway.failures, defects)


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
    """TikTok is well, and nothing waits to be sent any more, unless a lane is stuck: then the account will tell."""
    tiktok.moods.clear()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while count_waiting(gateway.database):  # noqa: ASYNC110 - a database tells nobody that it has changed
                await asyncio.sleep(0.2)


def count_waiting(database: Path) -> int:
    """How many events have no fate yet."""
    with reading(database) as connection:
        [count] = connection.execute("SELECT count(*) FROM outbox").fetchone()
    return int(count)


def read_fates(database: Path) -> dict[str, Told]:
    """What the database says of each event, by its event id."""
    with reading(database) as connection:
        found = connection.execute("SELECT event_id, fate, maybe_sent_ms IS NOT NULL FROM events")
        return {event_id: Told(fate, bool(may_be_sent)) for event_id, fate, may_be_sent in found}


@contextlib.contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        yield connection


def settle(
    acknowledged: set[str], withdrawn: set[str], fates: Mapping[str, Told], counts: Mapping[str, int]
) -> Account:
    """What became of each acknowledged event, by the database (`fates`) and by TikTok (`counts`).

    `withdrawn`: the events of visitors who took their consent back.
    """
    found = Counter(judge(fates.get(one), counts.get(one, 0), has_withdrawn=one in withdrawn) for one in acknowledged)
    kept = {name: found.pop(name, 0) for name in ("delivered", "withdrawn")}
    return Account(len(acknowledged), kept["delivered"], kept["withdrawn"], found)


def judge(told: Told | None, counted: int, *, has_withdrawn: bool) -> str:
    """What became of one event. The ledger may know that a withdrawn event was perhaps sent before."""
    if told is None:
        return "delivered and forgotten" if counted else "lost"
    if counted > 1:
        return "counted twice"
    if told.fate is None:
        return "delivered without a fate" if counted else "still waiting"
    if told.fate == "accepted":
        return "delivered" if counted else "told as accepted, and TikTok has never seen it"
    if counted and not (told.fate == "withdrawn" and told.may_be_sent):
        return f"told as {told.fate}, and TikTok has it"
    return "withdrawn" if told.fate == "withdrawn" and has_withdrawn else f"{told.fate} without a reason"


def report(soaked: Soaked, minutes: float, rate: float, seed: int) -> Measured:
    """The final account."""
    account, is_judged = soaked.account, minutes >= USUAL_MIN
    growth_bytes, peak_mb = soaked.growth_bytes, max(one.rss_mb for one in soaked.samples)
    span_min = (soaked.settled[-1].at_s - soaked.settled[0].at_s) / 60
    told = ", ".join(f"{name} {count}x" for name, count in sorted(soaked.struck.items()))
    wrong = ", ".join(f"{count} {what}" for what, count in account.wrong.items()) or "nothing wrong"
    is_sound = not soaked.failures and not soaked.defects
    rows = [
        Row(
            f"soak of {minutes:g} minutes: acknowledged = delivered + withdrawn by their visitors",
            f"{account.acknowledged:,} = {account.delivered:,} + {account.withdrawn:,}; {wrong}",
            "equal", account.is_whole,
        ),
        Row("beacons acknowledged in the soak, of those asked for", f"{soaked.rate:,.0f}/s of {rate:,.0f}/s"),
        Row(
            f"memory left behind by a beacon, in the soak's last {span_min:.1f} minutes", f"{growth_bytes:+.0f} bytes",
            f"≤ {FLAT_BYTES:g} bytes", growth_bytes <= FLAT_BYTES if is_judged else None,
        ),
        Row("most memory in the soak", f"{peak_mb:.0f} MB", f"≤ {PEAK_MB:g} MB", peak_mb <= PEAK_MB),
        Row(
            "requests that a defect ended, and exceptions in the log", f"{soaked.failures} and {len(soaked.defects)}",
            "none", is_sound,
        ),
        Row(f"misfortunes (seed {seed}); beacons sent again", f"{told}; {soaked.refused:,}"),
    ]  # fmt: skip
    figures = {
        "acknowledged": account.acknowledged, "rate": soaked.rate, "growth_bytes": growth_bytes, "peak_mb": peak_mb,
    }  # fmt: skip
    shown = soaked.samples[:: max(1, len(soaked.samples) // 40)]
    labels = [f"{one.at_s / 60:.1f}" for one in shown]
    series = {"MB": [one.rss_mb for one in shown]}
    return Measured(
        "soak", rows, figures, Plot("Memory through the soak, by minutes", "MB", labels, series, pygal.Line)
    )


def find_half_load() -> float:
    """Half of what the bench found one process to take."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return float(json.loads((RESULTS / "ingest.json").read_text())["figures"]["beacons_per_s"]) / 2
    return USUAL_RATE


def main() -> None:
    """Soaks as long as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=USUAL_MIN)
    parser.add_argument(
        "--rate", type=float, default=find_half_load(), help="beacons a second; half load when not told"
    )
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats its misfortunes"
    )
    said = parser.parse_args()
    step_aside()
    progress(f"{said.minutes:g} minutes, {said.rate:,.0f} beacons/s, seed {said.seed}")
    with tempfile.TemporaryDirectory(prefix="tag-gateway-soak-") as folder:
        soaked = asyncio.run(soak(Path(folder), said.minutes, said.rate, said.seed))
    measured = report(soaked, said.minutes, said.rate, said.seed)
    publish(measured, quick=said.minutes < USUAL_MIN)
    raise SystemExit(not measured.is_ok)


if __name__ == "__main__":
    main()

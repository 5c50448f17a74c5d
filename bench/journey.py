"""From a browser's POST to TikTok, when all is well: how long an event is under way, the second of lingering included.

Beacons come at random moments, a few dozen a second; the fake TikTok notes when it received each event.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from statistics import quantiles

from uuid_utils import uuid7

from bench.processes import HTTP
from bench.site import Server, build_beacon, post_beacon, running_gateway, running_tiktok
from bench.table import Measured, Plot, Row, progress, run_alone

P95_S = 2.0
PER_S = 20
WAIT_S = 30.0


def measure(quick: bool) -> Measured:
    """From a browser's POST to TikTok's receipt of the event, in light load."""
    seconds = 5 if quick else 30
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary:
        folder = Path(temporary)
        with running_tiktok(folder) as tiktok, running_gateway(folder, tiktok.url) as gateway:
            progress(f"{PER_S} beacons a second for {seconds} s")
            posted_s = post_all(gateway, seconds * PER_S)
            return report(sorted(wait_for_all(tiktok, posted_s)))


def post_all(gateway: Server, count: int) -> dict[str, float]:
    """Each event's id and when its beacon left. Units: Unix seconds."""
    chance, posted_s = random.Random(1), {}
    post_beacon(gateway, build_beacon("warm-up"))
    for _ in range(count):
        time.sleep(chance.expovariate(PER_S))
        event_id = str(uuid7())
        posted_s[event_id] = time.time()
        post_beacon(gateway, build_beacon(event_id))
    return posted_s


def wait_for_all(tiktok: Server, posted_s: dict[str, float]) -> list[float]:
    """How long each was under way. Raises: TimeoutError when one never arrived."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        received_s = {one["key"][2]: one["received_s"] for one in HTTP.get(f"{tiktok.url}/_events").json()}
        if received_s.keys() >= posted_s.keys():
            return [received_s[event_id] - sent_s for event_id, sent_s in posted_s.items()]
        time.sleep(0.2)
    raise TimeoutError(f"{len(posted_s.keys() - received_s.keys())} events never reached TikTok")


def report(times_s: list[float]) -> Measured:
    """The figures; `times_s` in order."""
    hundredths = quantiles(times_s, n=100)
    p50_s, p95_s, p99_s = hundredths[49], hundredths[94], hundredths[98]
    row = Row(
        f"from a browser's POST to TikTok, p95 of {len(times_s):,} (linger of 1 s included)",
        f"{p95_s:.2f} s (p50 {p50_s:.2f}, p99 {p99_s:.2f}, slowest {times_s[-1]:.2f})",
        f"≤ {P95_S:g} s", p95_s <= P95_S,
    )  # fmt: skip
    labels = [f"p{number}" for number in (5, 25, 50, 75, 95, 99)]
    values = [hundredths[number - 1] for number in (5, 25, 50, 75, 95, 99)]
    plot = Plot("From a browser's POST to TikTok", "s", labels, {"seconds": values})
    return Measured("journey", [row], {"p50_s": p50_s, "p95_s": p95_s, "p99_s": p99_s}, plot)


if __name__ == "__main__":
    run_alone(measure)

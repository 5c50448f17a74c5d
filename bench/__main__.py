"""`make bench`: the gateway's beacon path against a bare uvicorn app, interleaved on the same core in the same run.

Both servers are up all the time; bursts go to one and the other in turn, the gateway delivering meanwhile to a fake
TikTok on the other core. What counts is the ratio of a round's two bursts: absolute figures change with the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.load import Burst, find_wrk, fire
from bench.processes import Process, running
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN

SERVER_CORE, CLIENT_CORE = 0, 1
BARE_PORT, GATEWAY_PORT, TIKTOK_PORT = 18701, 18702, 18703
VISITORS = 200
RESULTS = Path(__file__).parent / "results"

CONFIG = f"""
[server]
port = {GATEWAY_PORT}
rate_limit = "1000000/second"
[storage]
url = "sqlite:///gateway.db"
[security]
secret_keys = ["a-secret-of-the-bench-0123456789abcdef"]
[delivery]
api_base = "http://127.0.0.1:{TIKTOK_PORT}"
[[stores]]
id = "acme"
host = "t.acme.test"
origins = ["https://www.acme.test"]
cookie_domain = "acme.test"
script_path = "/a7/w.js"
collect_path = "/a7/q"
consent = "required"
[[stores.pixels]]
code = "{DEMO_PIXEL}"
access_token = "{DEMO_TOKEN}"
"""


class Round(NamedTuple):
    """One burst at each server. Units: `*_cpu_us` server CPU per request, the gateway's with its delivery."""

    bare: Burst
    gateway: Burst
    bare_cpu_us: float
    gateway_cpu_us: float


def main() -> None:
    """Prints the table and writes it to bench/results/ingest.md."""
    parser = argparse.ArgumentParser(description="the beacon path against a bare uvicorn app")
    parser.add_argument("--rounds", type=int, default=14)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    find_wrk()
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as folder, contextlib.ExitStack() as stack:
        bare, gateway = start(Path(folder), stack)
        cookies = Path(folder) / "cookies"
        cookies.write_text("\n".join(visit(number) for number in range(VISITORS)))
        rounds = []
        for number in range(options.rounds):
            rounds.append(run_round(bare, gateway, cookies, options.seconds))
            print(f"round {number + 1}: {rounds[-1].gateway.rps / rounds[-1].bare.rps:.3f}", flush=True)
        report(rounds, gateway.peak_mb, *count_events(Path(folder) / "gateway.db"))


def start(folder: Path, stack: contextlib.ExitStack) -> tuple[Process, Process]:
    """The fake TikTok, the bare app and the gateway are up."""
    config = folder / "gateway.toml"
    config.write_text(CONFIG)
    python = sys.executable
    bare = [
        python,
        "-m",
        "uvicorn",
        "bench.bare:app",
        "--port",
        str(BARE_PORT),
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    commands = (
        ([python, "-m", "gateway.demo.fake_tiktok", "--port", str(TIKTOK_PORT)], CLIENT_CORE, TIKTOK_PORT, "/_events"),
        ([*bare, "--no-server-header"], SERVER_CORE, BARE_PORT, "/"),
        ([python, "-m", "gateway", "serve", "--config", str(config)], SERVER_CORE, GATEWAY_PORT, "/healthz"),
    )
    started = [
        stack.enter_context(running(command, core, f"http://127.0.0.1:{port}{path}", folder / f"{port}.log"))
        for command, core, port, path in commands
    ]
    return started[1], started[2]


def visit(number: int) -> str:
    """A new visitor's Cookie header, from a real first beacon."""
    body = {
        "v": 1,
        "page": {
            "url": "https://www.acme.test/?ttclid=E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH"
        },
        "consent": {"marketing": True},
        "ids": {"first": f"bench-{number}", "ttp": "01JABCDEFGHJKMNPQRSTVWXYZ0_.tt.1"},
        "events": [],
    }
    headers = {"host": "t.acme.test", "origin": "https://www.acme.test", "user-agent": "Mozilla/5.0 Chrome/100.0.0.0"}
    answer = httpx.post(f"http://127.0.0.1:{GATEWAY_PORT}/a7/q", json=body, headers=headers)
    answer.raise_for_status()
    return "; ".join(cookie.partition(";")[0] for cookie in answer.headers.get_list("set-cookie"))


def run_round(bare: Process, gateway: Process, cookies: Path, seconds: float) -> Round:
    """A burst at the bare app, then one at the gateway; each starts when the other has come to rest."""
    bursts, cpu_us = [], []
    for process, port in ((bare, BARE_PORT), (gateway, GATEWAY_PORT)):
        gateway.wait_idle()
        before = process.cpu_s
        burst = fire(f"http://127.0.0.1:{port}", seconds, CLIENT_CORE, cookies)
        gateway.wait_idle()
        bursts.append(burst)
        cpu_us.append((process.cpu_s - before) / burst.requests * 1e6)
    return Round(bursts[0], bursts[1], cpu_us[0], cpu_us[1])


def count_events(database: Path) -> tuple[int, int]:
    """How many events the gateway stored, and how many of them TikTok accepted."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        stored, accepted = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE fate = 'accepted') FROM events"
        ).fetchone()
    return stored, accepted


def report(rounds: list[Round], peak_mb: float, stored: int, accepted: int) -> None:
    """The figures of all rounds, as medians."""

    def row(name: str, style: str, bare: Callable[[Round], float], gateway: Callable[[Round], float]) -> str:
        medians = (statistics.median(map(of, rounds)) for of in (bare, gateway))
        return f"| {name} | " + " | ".join(format(one, style) for one in medians) + " |"

    ratios = sorted(one.gateway.rps / one.bare.rps for one in rounds)
    lines = [
        "| medians | bare uvicorn 204 | gateway |",
        "|---|---:|---:|",
        row("requests/s", ",.0f", lambda r: r.bare.rps, lambda r: r.gateway.rps),
        row("p50 ms", ".2f", lambda r: r.bare.p50_ms, lambda r: r.gateway.p50_ms),
        row("p99 ms", ".2f", lambda r: r.bare.p99_ms, lambda r: r.gateway.p99_ms),
        row("CPU µs a request, delivery included", ".1f", lambda r: r.bare_cpu_us, lambda r: r.gateway_cpu_us),
        f"| errors | {sum(r.bare.errors for r in rounds)} | {sum(r.gateway.errors for r in rounds)} |",
        "",
        f"Ratio of requests/s, median of {len(rounds)} paired rounds: **{statistics.median(ratios):.3f}** "
        f"(lowest {ratios[0]:.3f}, highest {ratios[-1]:.3f}). Peak memory of the gateway: {peak_mb:.0f} MB. "
        f"Answered {sum(r.gateway.requests for r in rounds):,} beacons; stored {stored:,} events, of which the fake "
        f"TikTok accepted {accepted:,}.",
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.md").write_text("# Ingest against a bare uvicorn app\n\n" + text)
    print("\n" + text)


if __name__ == "__main__":
    main()

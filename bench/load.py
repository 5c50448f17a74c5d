"""wrk as the client: 64 kept-alive connections on one core, so that Python never measures Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.processes import CLIENT_CORE

SCRIPT = Path(__file__).parent / "beacon.lua"
CONNECTIONS = 64


class Burst(NamedTuple):
    """One burst of load as the client saw it."""

    rps: float
    p50_ms: float
    p99_ms: float
    requests: int
    errors: int


def find_wrk() -> str:
    """The path of wrk, or one sentence about getting it."""
    if wrk := shutil.which("wrk"):
        return wrk
    raise SystemExit("make bench needs wrk as its client: install it (apt-get install wrk) and run make bench again")


def fire(url: str, seconds: float, cookies: Path, rate: float = 0) -> Burst:
    """One burst of beacons at `url`, as fast as they are answered.

    With a `rate`, in requests a second of all connections: each connection thinks between an answer and its next
    request, for times whose mean gives that rate, so requests come in at random moments as from people.
    """
    command = ["taskset", "-c", str(CLIENT_CORE), find_wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s"]
    pause_ms = CONNECTIONS / rate * 1000 if rate else 0
    environment = {**os.environ, "COOKIES": str(cookies), "PAUSE_MS": str(pause_ms)}
    ran = subprocess.run(
        [*command, "-s", str(SCRIPT), url], env=environment, capture_output=True, text=True, check=True
    )
    line = next(line for line in ran.stdout.splitlines() if line.startswith("RESULT "))
    said = json.loads(line.removeprefix("RESULT "))
    return Burst(said["requests"] / said["seconds"], said["p50_ms"], said["p99_ms"], said["requests"], said["errors"])

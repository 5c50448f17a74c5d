"""wrk as the client: 64 kept-alive connections on one core, so that Python never measures Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

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


def fire(url: str, seconds: float, core: int, cookies: Path) -> Burst:
    """One burst of beacons at `url`."""
    command = [
        "taskset",
        "-c",
        str(core),
        find_wrk(),
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds:g}s",
        "-s",
        str(SCRIPT),
        url,
    ]
    ran = subprocess.run(
        command, env={**os.environ, "COOKIES": str(cookies)}, capture_output=True, text=True, check=True
    )
    line = next(line for line in ran.stdout.splitlines() if line.startswith("RESULT "))
    said = json.loads(line.removeprefix("RESULT "))
    return Burst(said["requests"] / said["seconds"], said["p50_ms"], said["p99_ms"], said["requests"], said["errors"])

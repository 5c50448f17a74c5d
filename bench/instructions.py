"""Counts what a beacon costs in instructions, which no neighbour on the machine can change.

    python -m bench.instructions    # needs valgrind; about eight minutes

Times of two runs on a busy machine may differ by a third for the same code; instructions by one in a hundred. They are
no times, and leave the kernel's out: use them to tell whether a change helps, and `python -m bench` to tell how fast it
is. First the pieces of a beacon, each alone; then whole servers that answer the same requests, thread by thread.
"""

from __future__ import annotations

import http.client
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.pieces import BEACONS, MOST_ROUNDS, PIECES, build_body, build_scope
from bench.processes import SERVER_CORE, running
from bench.site import find_port, write_config

FEW_ROUNDS = 4
"""The first rounds fill caches; they are in both runs and count in neither."""

BARE = ["uvicorn", "bench.bare:app", "--no-access-log", "--no-server-header", "--port"]
GATEWAY = ["gateway", "serve", "--no-deliver", "--config"]

CONNECTIONS = 32
ROUNDS = 20
"""Requests of each connection that are counted; all connections ask, then all read their answers."""


def count(piece: str, rounds: int) -> int:
    """The instructions of a whole process that runs so many rounds."""
    command = [sys.executable, "-m", "bench.pieces", piece, str(rounds)]
    ran = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    found = re.search(r"Collected : (\d+)", ran.stderr)
    assert found, ran.stderr[-500:]
    return int(found[1])


def count_served(*, bare: bool) -> list[int]:
    """The instructions of a server for one request, thread by thread: of the gateway, which only stores, two."""
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary:
        folder, port = Path(temporary), find_port()
        module = [*BARE, str(port)] if bare else [*GATEWAY, str(write_config(folder, port, "http://127.0.0.1:9"))]
        _watch(folder, port, module)
        texts = [path.read_text() for path in sorted(folder.glob("callgrind-*"))]
    totals = [int(re.findall(r"^totals: (\d+)", text, re.MULTILINE)[-1]) for text in texts]
    return [total // (ROUNDS * CONNECTIONS) for total in totals if total]


def _watch(folder: Path, port: int, module: Sequence[str]) -> None:
    """Callgrind has written in this folder what each thread of the server did while it answered."""
    callgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes"]
    command = [*callgrind, f"--callgrind-out-file={folder / 'callgrind'}", sys.executable, "-m", *module]
    with running(command, SERVER_CORE, f"http://127.0.0.1:{port}/healthz", folder / "log") as server:
        shop = Crowd(port)
        for _ in range(FEW_ROUNDS):
            shop.visit()
        _switch("on", server.pid)
        for _ in range(ROUNDS):
            shop.visit()
        _switch("off", server.pid)


def _switch(state: str, pid: int) -> None:
    subprocess.run(
        ["callgrind_control", "-i", state, str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )


class Crowd:
    """Visitors on a connection each, who send their beacons all at once."""

    def __init__(self, port: int) -> None:
        self._connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(CONNECTIONS)]
        self._cookies = [""] * CONNECTIONS
        self._numbers = itertools.count()

    def visit(self) -> None:
        """Each has sent one beacon and has read the answer."""
        for visitor, connection in enumerate(self._connections):
            said = build_scope(self._cookies[visitor], visitor)
            headers = {name.decode(): value.decode() for name, value in said["headers"]}
            headers |= {"X-Forwarded-For": said["client"][0], "X-Forwarded-Proto": "https"}
            connection.request("POST", "/a7/q", build_body(next(self._numbers)), headers)
        for visitor, connection in enumerate(self._connections):
            answer = connection.getresponse()
            answer.read()
            told = (value.partition(";")[0] for value in answer.headers.get_all("set-cookie", []))
            self._cookies[visitor] = self._cookies[visitor] or "; ".join(told)


def main() -> None:
    """Prints the instructions for one beacon."""
    if not shutil.which("valgrind"):
        raise SystemExit("bench.instructions needs valgrind: install it (apt-get install valgrind)")
    total = 0
    for piece in PIECES:
        each = (count(piece, MOST_ROUNDS) - count(piece, FEW_ROUNDS)) // ((MOST_ROUNDS - FEW_ROUNDS) * BEACONS)
        total += each
        print(f"{piece:>8} {each:>9,}", flush=True)
    print(f"{'together':>8} {total:>9,}\n")
    [bare] = count_served(bare=True)
    print(f"{'bare app':>8} {bare:>9,}", flush=True)
    loop, writer, *_ = count_served(bare=False)
    print(f"{'loop':>8} {loop:>9,}\n{'writer':>8} {writer:>9,}")
    print(f"the bare app's, as a share of loop, writer and deliver: {bare / (loop + writer + each):.2f}")


if __name__ == "__main__":
    main()

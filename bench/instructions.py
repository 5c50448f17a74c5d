"""Counts what a beacon costs in instructions, which no neighbour on the machine can change.

    python -m bench.instructions    # needs valgrind; about five minutes

Times of two runs on a busy machine may differ by a third for the same code; instructions by one in a hundred. They are
no times: use them to tell whether a change helps, and `python -m bench` to tell how fast it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

from bench.pieces import BEACONS, MOST_ROUNDS, PIECES

FEW_ROUNDS = 4
"""The first rounds fill caches; they are in both runs and count in neither."""


def main() -> None:
    """Prints the instructions of each piece for one beacon."""
    if not shutil.which("valgrind"):
        raise SystemExit("bench.instructions needs valgrind: install it (apt-get install valgrind)")
    total = 0
    for piece in PIECES:
        each = (count(piece, MOST_ROUNDS) - count(piece, FEW_ROUNDS)) // ((MOST_ROUNDS - FEW_ROUNDS) * BEACONS)
        total += each
        print(f"{piece:>8} {each:>9,}", flush=True)
    print(f"{'together':>8} {total:>9,}")


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


if __name__ == "__main__":
    main()

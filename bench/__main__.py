"""`make bench`: every measure, one after the other, and one table of all. `--quick` takes five minutes at most.

Each is a module of its own and runs alone as `python -m bench.NAME`. A measure that fails to run is told, and the
others run all the same.
"""

from __future__ import annotations

import argparse
import time
import traceback
from importlib import import_module

from bench.load import find_wrk
from bench.processes import step_aside
from bench.table import MEASURES, progress, publish


def main() -> None:
    """Runs what the command line names; exit code 1 when a target was missed or a measure failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: to see that all of it runs")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURES)}; all when none is named")
    said = parser.parse_args()
    if unknown := set(said.names) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}")
    find_wrk()
    step_aside()
    started_s = time.monotonic()
    results = [run(name, quick=said.quick) for name in said.names or MEASURES]
    progress(f"{sum(results)} of {len(results)} measures met their targets in {time.monotonic() - started_s:.0f} s")
    raise SystemExit(not all(results))


def run(name: str, *, quick: bool) -> bool:
    """The measure was published; whether it met its targets."""
    progress(f"--- {name}")
    try:
        measured = import_module(f"bench.{name}").measure(quick)
    except Exception:
        traceback.print_exc()
        return False
    publish(measured, quick=quick)
    return bool(measured.is_ok)


if __name__ == "__main__":
    main()

"""`make simulate`: how many nodes and databases so many stores need, from what the bench measured.

Takes one day, minute by minute: stores of very different sizes in three parts of the world, each with its evenings, its
sudden bursts, and all of it times the factor of the year's busiest day. Stores are dealt to cells, a cell being one
PostgreSQL and its nodes; a cell has enough when no minute fills it beyond `ROOM` with one node to spare. It is
then run through the same day with half of its nodes gone in the worst hour, to see how long browsers keep their events.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator, Sequence
from heapq import heapify, heapreplace
from pathlib import Path
from typing import NamedTuple

import pygal

from bench.table import RESULTS, Plot, draw

MINUTES = 1440
ROOM = 0.7
"""How full the busiest minute may make a core: near 1 queues grow without end."""

REGIONS = ((0.45, 1), (0.40, 19), (0.15, 12))
"""Share of the stores, and the hour (UTC) of their busiest time: Americas, Europe, Asia. Assumed, as all below."""

BURST, BURST_MINUTES = 8.0, 15
"""Once a day each store is so many times as busy as its average, for so long: a letter went out, a video took off."""

SPREAD = 1.3
"""Sigma of the log-normal sizes of stores: one in a hundred is about twenty times as large as the middle one."""

EVENTS_DAYS = 90
"""`retention.events_days` as it comes."""


class Costs(NamedTuple):
    """What was measured. Units: CPU µs per beacon with its delivery; bytes of a waiting event and its visitor."""

    sqlite_us: float
    node_us: float
    database_us: float
    bytes_each: float
    machine: str


class Traffic(NamedTuple):
    """What is asked for. Units: beacons of an average store on an average day; cores of one database."""

    beacons: float = 20_000
    busiest_day: float = 5.0
    database_cores: int = 8


class Cell(NamedTuple):
    """One database and its nodes. Units: beacons a minute; `wait_s` is the longest with half of them gone."""

    stores: int
    demand: list[float]
    nodes: int
    database_use: float
    wait_s: float


def read_costs(folder: Path) -> Costs:
    """From the figures of `ingest`, `postgresql` and `full`. Raises: SystemExit naming what has not been measured.

    Only `ingest` gives a time; of the others ratios within one run are taken, as the machine may have been slower that
    day. What a full store adds was measured on SQLite, where gateway and database are one process: on PostgreSQL both
    get it, though it can only be in one.
    """
    try:
        measured = [json.loads((folder / f"{name}.json").read_text()) for name in NEEDED]
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename} is missing: run python -m bench {' '.join(NEEDED)} first") from None
    ingest, database, full = (one["figures"] for one in measured)
    sqlite_us = ingest["cpu_us"] * max(1.0, full["ratio"])
    return Costs(
        sqlite_us=sqlite_us,
        node_us=sqlite_us * database["ratio"],
        database_us=sqlite_us * database["database_cpu_us"] / database["sqlite_cpu_us"],
        bytes_each=full["bytes_per_event_and_visitor"],
        machine=measured[0]["machine"],
    )


NEEDED = ("ingest", "postgresql", "full")


def simulate(stores: int, costs: Costs, traffic: Traffic, chance: random.Random) -> list[Cell]:
    """The cells that so many stores need on the busiest day."""
    days = [live_day(traffic, chance) for _ in range(stores)]
    peak = max(map(sum, zip(*days, strict=True)))
    capacity = traffic.database_cores * ROOM * 60e6 / costs.database_us
    count = max(1, math.ceil(peak / capacity))
    while True:
        dealt = deal(days, count)
        if all(max(demand) <= capacity for _, demand in dealt) or count >= stores:
            return [build_cell(size, demand, costs, traffic) for size, demand in dealt]
        count += 1


def live_day(traffic: Traffic, chance: random.Random) -> list[float]:
    """One store's beacons in each minute of the busiest day."""
    size = traffic.beacons * traffic.busiest_day * chance.lognormvariate(-SPREAD * SPREAD / 2, SPREAD) / MINUTES
    [(_, hour)] = chance.choices(REGIONS, weights=[share for share, _ in REGIONS])
    burst = chance.randrange(MINUTES - BURST_MINUTES)
    day = [size * wave for wave in _WAVES[hour]]
    for minute in range(burst, burst + BURST_MINUTES):
        day[minute] += size * BURST
    return [max(0.0, chance.gauss(mean, math.sqrt(mean))) for mean in day]


def _draw_wave(hour: int) -> list[float]:
    """How busy each minute is against the average: three times as busy in the evening as before dawn."""
    return [1 + 0.5 * math.cos(2 * math.pi * (minute / 60 - hour) / 24) for minute in range(MINUTES)]


_WAVES = {hour: _draw_wave(hour) for _, hour in REGIONS}


def deal(days: Sequence[list[float]], count: int) -> list[tuple[int, list[float]]]:
    """The stores in so many cells, the largest dealt first, each to the cell with the least so far."""
    cells: list[tuple[float, int, list[list[float]]]] = [(0.0, number, []) for number in range(count)]
    heapify(cells)
    for day in sorted(days, key=sum, reverse=True):
        load, number, members = cells[0]
        members.append(day)
        heapreplace(cells, (load + sum(day), number, members))
    return [(len(members), list(map(sum, zip(*members, strict=True)))) for _, _, members in cells if members]


def build_cell(stores: int, demand: list[float], costs: Costs, traffic: Traffic) -> Cell:
    """A cell with nodes enough for this day, and one to lose."""
    one_node = 60e6 / costs.node_us
    nodes = math.ceil(max(demand) / (one_node * ROOM)) + 1
    use = max(demand) * costs.database_us / (traffic.database_cores * 60e6)
    return Cell(stores, demand, nodes, use, 60 * max(_queue(demand, one_node, nodes)))


def _queue(demand: Sequence[float], one_node: float, nodes: int) -> Iterator[float]:
    """Minutes of work that browsers still keep, minute by minute; half of the nodes are gone in the worst hour."""
    worst, kept = demand.index(max(demand)), 0.0
    for minute, came in enumerate(demand):
        capacity = one_node * (math.ceil(nodes / 2) if abs(minute - worst) <= 30 else nodes)
        kept = max(0.0, kept + came - capacity)
        yield kept / capacity


def report(sizes: Sequence[int], costs: Costs, traffic: Traffic, found: dict[int, list[Cell]]) -> str:
    """Everything as Markdown."""
    daily_mb, daily_s = traffic.beacons * costs.bytes_each / 1e6, traffic.beacons * costs.sqlite_us / 1e6
    return "\n".join([
        "# What so many stores need", "",
        f"By `python -m bench.simulate` from the results beside this page ({costs.machine}).", "",
        "| one | costs | is full at |", "|---|---|---|",
        f"| store of {traffic.beacons:,.0f} beacons a day | {daily_s:.0f} s of a core, {daily_mb:.0f} MB a day | |",
        f"| process on SQLite | {costs.sqlite_us:.0f} µs CPU a beacon | {1e6 / costs.sqlite_us:,.0f} beacons/s |",
        f"| process on PostgreSQL | {costs.node_us:.0f} µs CPU a beacon | {1e6 / costs.node_us:,.0f} beacons/s |",
        f"| PostgreSQL with {traffic.database_cores} cores | {costs.database_us:.0f} µs CPU a beacon "
        f"| {traffic.database_cores * 1e6 / costs.database_us:,.0f} beacons/s |",
        "",
        f"A day {traffic.busiest_day:g} times as busy as the average, no core more than {ROOM:.0%} full in its worst",
        "minute, and a node to spare:",
        "",
        "| stores | beacons/s in the worst minute | one SQLite process | nodes (one core each) | databases "
        "| fullest database | wait with half of the nodes gone for an hour | disk of 90 days |",
        "|---:|---:|---|---:|---:|---:|---:|---:|",
        *(_tell(size, costs, traffic, found[size]) for size in sizes),
        "", "![Nodes and databases](scale.svg)", "",
    ])  # fmt: skip


def _tell(stores: int, costs: Costs, traffic: Traffic, cells: Sequence[Cell]) -> str:
    peak = max(map(sum, zip(*(cell.demand for cell in cells), strict=True))) / 60
    fits = "is enough" if peak * costs.sqlite_us / 1e6 <= ROOM else "is too small"
    disk_gb = stores * traffic.beacons * EVENTS_DAYS * costs.bytes_each / 1e9
    wait_s, use = max(cell.wait_s for cell in cells), max(cell.database_use for cell in cells)
    nodes = sum(cell.nodes for cell in cells)
    needed = f"{nodes:,} | {len(cells)} | {use:.0%} | {wait_s:.0f} s"
    return f"| {stores:,} | {peak:,.0f} | {fits} | {needed} | {disk_gb:,.0f} GB |"


def plot(sizes: Sequence[int], found: dict[int, list[Cell]]) -> Plot:
    """Nodes and databases over stores."""
    series = {
        "nodes": [sum(cell.nodes for cell in found[size]) for size in sizes],
        "databases": [len(found[size]) for size in sizes],
    }
    labels = [f"{size:,} stores" for size in sizes]
    return Plot("What so many stores need on the busiest day", "", labels, series, pygal.Bar, is_log=True)


def main() -> None:
    """Prints the tables and writes them to scale.md and scale.svg beside the results they come from."""
    usual = Traffic()
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("stores", type=int, nargs="*", default=[1, 10, 100, 1_000, 5_000])
    parser.add_argument("--beacons", type=float, default=usual.beacons, help="of an average store on an average day")
    parser.add_argument("--busiest-day", type=float, default=usual.busiest_day, help="against an average day")
    parser.add_argument("--database-cores", type=int, default=usual.database_cores)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    said = parser.parse_args()
    costs, traffic = read_costs(said.results), Traffic(said.beacons, said.busiest_day, said.database_cores)
    found = {size: simulate(size, costs, traffic, random.Random(said.seed)) for size in said.stores}
    text = report(said.stores, costs, traffic, found)
    (said.results / "scale.md").write_text(text)
    (said.results / "scale.svg").write_bytes(draw(plot(said.stores, found)))
    print(text)


if __name__ == "__main__":
    main()

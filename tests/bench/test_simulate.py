"""What `make simulate` counts, by examples that can be done by hand, and by the page that is in the repository."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bench.simulate import ROOM, Costs, Traffic, build_cell, deal, read_costs, report, simulate
from bench.table import RESULTS

COSTS = Costs(sqlite_us=10_000, node_us=10_000, database_us=2_000, bytes_each=1_000, machine="a machine")


def test_a_cell_has_the_nodes_of_its_worst_minute_and_one_to_spare():
    cell = build_cell(1, [12_300.0] * 1440, COSTS, Traffic(database_cores=2))
    assert cell.nodes == 3 + 1  # one does 6,000 beacons a minute, and is to be no more than 70 % full
    assert cell.database_use == pytest.approx(12_300 * 0.002 / (2 * 60))


def test_what_half_of_the_nodes_cannot_take_waits():
    cell = build_cell(1, [100.0, *[12_300.0] * 1439], COSTS, Traffic(database_cores=2))
    minutes = 1 + 30  # of the half hours before and behind minute 1; half of four nodes take 12,000 in each
    assert cell.wait_s == pytest.approx(60 * minutes * 300 / 12_000)


def test_stores_are_dealt_to_the_cell_that_has_least():
    assert deal([[1.0], [3.0], [2.0], [2.0]], 2) == [(2, [4.0]), (2, [4.0])]


def test_more_than_a_database_takes_is_parted_among_several():
    costs, traffic = COSTS._replace(database_us=10_000), Traffic(database_cores=1)
    cells = simulate(100, costs, traffic, random.Random(1))
    assert len(cells) > 1
    assert sum(cell.stores for cell in cells) == 100
    assert max(cell.database_use for cell in cells) <= ROOM


def test_costs_are_the_time_of_one_run_and_the_ratios_of_others(tmp_path: Path):
    figures = {
        "ingest": {"cpu_us": 200.0},
        "postgresql": {"cpu_us": 720.0, "sqlite_cpu_us": 800.0, "database_cpu_us": 400.0, "ratio": 0.9},
        "full": {"ratio": 1.5, "bytes_per_event_and_visitor": 1_700.0},
    }
    for name, of_one in figures.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"machine": name, "figures": of_one}))
    assert read_costs(tmp_path) == pytest.approx(Costs(300.0, 270.0, 150.0, 1_700.0, "ingest"))


def test_what_has_not_been_measured_is_named(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"ingest\.json is missing"):
        read_costs(tmp_path)


def test_the_page_in_the_repository_is_what_the_results_beside_it_give():
    costs, traffic, sizes = read_costs(RESULTS), Traffic(), (1, 10, 100)
    found = {size: simulate(size, costs, traffic, random.Random(1)) for size in sizes}
    page = (RESULTS / "scale.md").read_text().splitlines()
    lines = report(sizes, costs, traffic, found).splitlines()
    assert [line for line in lines if line not in page] == [], "run make simulate"

"""What the measures found: one table for all of them, a plot of each kind, and the figures for `bench.simulate`.

Each measure gives a `Measured`; `publish` prints its rows and writes NAME.json and NAME.svg to `bench/results/`, then
the table anew from every NAME.json there is. A quick run writes to `bench/results/quick/`, for its figures are rough.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
import time
from collections.abc import Callable, Sequence
from os import cpu_count
from pathlib import Path
from typing import Any, NamedTuple

import pygal
from pygal.style import CleanStyle

import gateway.admin.charts  # noqa: F401 - takes pygal's hook off all later imports
from bench.processes import step_aside

RESULTS = Path(__file__).parent / "results"
MEASURES = ("ingest", "postgresql", "drain", "full", "journey", "webhooks", "start", "dashboard")
"""What `make bench` runs."""

ORDER = (*MEASURES, "soak")
"""What the table shows."""


class Row(NamedTuple):
    """One line of the table. `ok` is None for what is told and has no target."""

    measure: str
    figure: str
    target: str = ""
    ok: bool | None = None


class Plot(NamedTuple):
    """Bars or lines over common labels. `is_log`: both ends of the values are worth seeing."""

    title: str
    unit: str
    labels: Sequence[str]
    series: dict[str, Sequence[float | None]]
    kind: Callable[..., Any] = pygal.Bar
    is_log: bool = False


class Measured(NamedTuple):
    """What one measure found. `figures` are for programs: their names tell their units."""

    name: str
    rows: Sequence[Row]
    figures: dict[str, float]
    plot: Plot | None = None

    @property
    def is_ok(self) -> bool:
        """Whether no target was missed."""
        return all(row.ok is not False for row in self.rows)


def run_alone(measure: Callable[[bool], Measured], arguments: Sequence[str] | None = None) -> None:
    """`python -m bench.NAME`: measured and published; exit code 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=measure.__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: to see that it runs")
    is_quick: bool = parser.parse_args(arguments).quick
    step_aside()
    measured = measure(is_quick)
    publish(measured, quick=is_quick)
    raise SystemExit(not measured.is_ok)


def progress(text: str) -> None:
    """A line about what goes on."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def publish(measured: Measured, *, quick: bool) -> None:
    """Printed, and written beside the results of the other measures."""
    folder = RESULTS / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "command": f"python -m bench.{measured.name}{' --quick' if quick else ''}",
        "day": time.strftime("%Y-%m-%d"),
        "machine": describe_machine(),
        "rows": [row._asdict() for row in measured.rows],
        "figures": measured.figures,
    }
    (folder / f"{measured.name}.json").write_text(json.dumps(content, indent=1) + "\n")
    if measured.plot:
        (folder / f"{measured.name}.svg").write_bytes(draw(measured.plot))
    (folder / "README.md").write_text(build_table(folder))
    print(
        "\n" + "\n".join(f"{_mark(row.ok):5} {row.measure}: {row.figure} {_told(row.target)}" for row in measured.rows)
    )


def describe_machine() -> str:
    """What the figures hold for."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return f"{cpu_count()} cores, {model}; {versions}"


def build_table(folder: Path) -> str:
    """Every measure's rows as one Markdown table, with the command that gave each and the machine."""
    lines = ["# What was measured", "", "| measure | figure | target | |", "|---|---:|---:|---|"]
    sources, plots = [], []
    for name in ORDER:
        if not (path := folder / f"{name}.json").exists():
            continue
        content = json.loads(path.read_text())
        lines += [
            f"| {one['measure']} | {one['figure']} | {one['target']} | {_mark(one['ok'])} |" for one in content["rows"]
        ]
        sources.append(f"- `{content['command']}`, {content['day']}: {content['machine']}")
        plots += [f"![{name}]({name}.svg)"] if (folder / f"{name}.svg").exists() else []
    return "\n".join([*lines, "", *sources, "", *plots]) + "\n"


def draw(plot: Plot) -> bytes:
    """The plot as SVG without scripts."""
    style = CleanStyle(background="#ffffff", plot_background="#ffffff", font_family="sans-serif")
    chart = plot.kind(
        title=plot.title, y_title=plot.unit, style=style, js=(), logarithmic=plot.is_log, width=760, height=380,
        legend_at_bottom=True, no_prefix=True, explicit_size=True, pretty_print=True, show_minor_x_labels=True,
    )  # fmt: skip
    chart.x_labels = list(plot.labels)
    for name, values in plot.series.items():
        chart.add(name, list(values))
    svg: bytes = chart.render()
    return svg


def _mark(ok: bool | None) -> str:
    return {True: "ok", False: "MISSED", None: ""}[ok]


def _told(target: str) -> str:
    return f"(target {target})" if target else ""

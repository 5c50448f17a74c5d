"""Charts: fit for a page that runs and styles nothing inline, and told to who cannot see them."""

from __future__ import annotations

import re

import pytest

from gateway.admin.charts import AMBER, GREEN, RED, Chart, Plan, Series, draw_bars, draw_lines, find_ticks

HOSTILE = "<script>alert(1)</script>"


def make_plan(**changes: object) -> Plan:
    usual = {
        "title": "Events by outcome",
        "about": "Accepted and refused events, day by day.",
        "axis": "Day",
        "labels": ["Mon", "Tue", "Wed"],
        "series": [Series("accepted", GREEN, [10, 20, 30]), Series("refused", RED, [1, None, 3])],
    }
    return Plan(**usual | changes)


@pytest.mark.parametrize("draw", [draw_bars, draw_lines])
def test_a_chart_brings_no_style_and_no_script(draw):
    svg = draw(make_plan()).svg
    assert not re.search(r"<style|<script|style=|\son\w+=|<!--|https?://(?!www\.w3\.org/2000/svg)", svg)


@pytest.mark.parametrize("draw", [draw_bars, draw_lines])
def test_a_chart_says_what_it_shows(draw):
    svg = draw(make_plan()).svg
    name = re.search(r'role="img" aria-labelledby="([^"]+)" aria-describedby="([^"]+)"', svg)
    assert f'<title id="{name[1]}">Events by outcome</title>' in svg
    assert f'<desc id="{name[2]}">Accepted and refused events, day by day.</desc>' in svg
    assert "<title>Tue \u00b7 accepted: 20</title>" in svg


def test_of_many_labels_a_few_are_written_out():
    days = [f"Nov {day}" for day in range(1, 31)]
    svg = draw_bars(make_plan(labels=days, series=[Series("accepted", GREEN, list(range(30)))])).svg
    written = re.findall(r'y="[\d.]+" class="major">(Nov [^<]+)</text>', svg)
    assert written[0] == "Nov 1"
    assert 5 <= len(written) <= 7
    assert "\u2026" not in svg


def test_two_charts_of_a_page_have_names_of_their_own():
    first, second = draw_bars(make_plan()), draw_bars(make_plan())
    assert not set(re.findall(r'id="([^"]+)"', first.svg)) & set(re.findall(r'id="([^"]+)"', second.svg))


def test_a_series_keeps_its_colour_wherever_it_stands():
    svg = draw_bars(make_plan(series=[Series("kept back", AMBER, [1, 2, 3])])).svg
    assert f'class="series color-{AMBER}"' in svg


@pytest.mark.parametrize("draw", [draw_bars, draw_lines])
def test_names_from_the_web_are_text(draw):
    chart = draw(
        make_plan(title=HOSTILE, about=HOSTILE, labels=[HOSTILE] * 3, series=[Series(HOSTILE, RED, [1, 2, 3])])
    )
    assert "<script" not in chart.svg


def test_the_table_has_every_figure_and_a_dash_for_none():
    assert draw_lines(make_plan()).rows == [("Mon", ["10", "1"]), ("Tue", ["20", "\u2013"]), ("Wed", ["30", "3"])]


@pytest.mark.parametrize(
    "series", [[], [Series("accepted", GREEN, [0, 0, 0])], [Series("accepted", GREEN, [None] * 3)]]
)
def test_where_there_is_nothing_nothing_is_drawn(series: list[Series]):
    assert isinstance(chart := draw_bars(make_plan(series=series)), Chart)
    assert chart.svg == ""


@pytest.mark.parametrize(
    ("top", "last", "count"),
    [(1, 1, 2), (2, 2, 3), (7, 8, 5), (10, 10, 6), (99, 100, 6), (1234, 1400, 8), (0.3, 0.3, 4), (1e9, 1e9, 6)],
)
def test_ticks_are_round_and_reach_the_top(top: float, last: float, count: int):
    ticks = find_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] == pytest.approx(last)
    assert len(ticks) == count

"""What the browser's Pixel could not send and TikTok accepted from us; what nobody knows is told apart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gateway.admin.charts import GREEN, GREY, Chart, Plan, Series, draw_bars
from gateway.admin.names import name_browser
from gateway.admin.page import Page, View
from gateway.admin.steps import name_axis, name_span, name_steps
from gateway.store.reports import RecoveredReport, Scope, report_recovered
from gateway.store.reports.recovered import MEANINGS, RECOVERED, PartStep, Tally
from gateway.store.traits import Route

NAMES = {
    Route.FIRED: "The Pixel had loaded",
    Route.BLOCKED: "The Pixel was blocked",
    Route.ABSENT: "No Pixel on the page",
    Route.NO_BROWSER: "No browser told of it",
    Route.OFF: "The Pixel is off",
    Route.UNKNOWN: "Not known",
}


async def show(view: View) -> Mapping[str, Any]:
    """What was recovered in the chosen time."""
    scope = view.scope()
    report = await view.store.read(lambda connection: report_recovered(connection, scope))
    return {
        "part": report.total,
        "unknown": report.by_route[Route.UNKNOWN],
        "charts": await asyncio.to_thread(_draw, scope, report),
        "routes": [
            (NAMES[route], MEANINGS[route], route in RECOVERED, tally) for route, tally in report.by_route.items()
        ],
        "browsers": [(name_browser(name), part) for name, part in report.by_browser.items()],
        "span": name_span(view.days),
    }


def _draw(scope: Scope, report: RecoveredReport) -> list[Chart]:
    return [
        _draw_part(scope, report, "Purchases", lambda tally: tally.purchases),
        _draw_part(scope, report, "Events", lambda tally: tally.events),
    ]


def _draw_part(scope: Scope, report: RecoveredReport, title: str, count: Callable[[Tally], int]) -> Chart:
    def rest(step: PartStep) -> int:
        return count(step.part.accepted) - count(step.part.recovered)

    series = [
        Series("recovered", GREEN, [count(step.part.recovered) for step in report.steps]),
        Series("by the Pixel as well, or not known", GREY, [rest(step) for step in report.steps]),
    ]
    labels = name_steps(scope, [step.begins_at for step in report.steps])
    about = "Each bar is what TikTok accepted of what came in then."
    return draw_bars(Plan(f"{title} that TikTok accepted", about, name_axis(scope), labels, series))


PAGE = Page("recovered", "Recovered", show)

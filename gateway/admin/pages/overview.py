"""Is it healthy, at one glance: what state delivery is in, what came and how it ended, how long it took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import Connection

from gateway.admin.charts import AMBER, BLUE, GREEN, GREY, RED, Chart, Plan, Series, draw_bars
from gateway.admin.format import NOTHING, to_ago, to_share
from gateway.admin.names import name_event, name_teller
from gateway.admin.page import Page, View
from gateway.admin.steps import name_axis, name_span, name_steps
from gateway.model.outcome import Dropped
from gateway.model.words import DROPS, NOTHING_COUNTS, WEBHOOKS_REFUSED
from gateway.store.alerts import Trouble, find_troubles
from gateway.store.reports import OverviewReport, Scope, report_overview
from gateway.store.reports.overview import Delay, Flow, FlowStep, report_totals
from gateway.store.rollups import DAY_MS, HOUR_MS
from gateway.store.vitals import are_webhooks_refused

SLOW_MS = 300_000
"""What waits longer than this, and than a Purchase is held back, waits for TikTok."""

_OUTCOMES: Sequence[tuple[str, int, Callable[[Flow], int]]] = (
    ("accepted by TikTok", GREEN, lambda flow: flow.accepted),
    ("refused or too late", RED, lambda flow: flow.rejected + flow.expired),
    ("deliberately not sent", AMBER, lambda flow: flow.withdrawn + flow.not_sent),
    ("on its way", GREY, lambda flow: flow.waiting),
)
_EVEN = 0.0005
_UNITS = ((3600, "h"), (60, "min"), (1, "s"))


class Status(Struct, frozen=True):
    """The state of delivery: a headline in a mood (good, warn, bad or calm), and what there is to say."""

    mood: str
    headline: str
    sentences: tuple[str, ...]


async def show(view: View) -> Mapping[str, Any]:
    """The overview of the chosen time, beside the same span before."""
    scope = view.scope()

    def find(connection: Connection) -> tuple[OverviewReport, tuple[Flow, Flow], list[Trouble], bool]:
        past = report_totals(connection, to_span_before(scope, view.days))
        are_refused = are_webhooks_refused(connection, view.shop.id)
        return report_overview(connection, scope), past, find_troubles(connection), are_refused

    report, (past_events, past_purchases), troubles, are_refused = await view.store.read(find)
    span = name_span(view.days)
    return {
        "report": report,
        "status": find_status(view, report, troubles, find_warnings(view, are_refused=are_refused)),
        "changes": {
            "events": compare(report.events, past_events, span),
            "purchases": compare(report.purchases, past_purchases, span),
        },
        "half_within": find_delay(report.delays, 0.5),
        "most_within": find_delay(report.delays, 0.95),
        "charts": await asyncio.to_thread(_draw, scope, report),
        "pixels": [(pixel_code, flow) for (_, pixel_code), flow in report.by_pixel.items()],
        "events": [(name_event(name), flow) for name, flow in report.by_event.items()],
        "sources": [(_say(name_teller(name)), flow) for name, flow in report.by_source.items()],
        "drops": [(_say(DROPS[Dropped(reason)]), count) for reason, count in _add_drops(report).items()],
        "span": span,
    }


def find_warnings(view: View, *, are_refused: bool) -> tuple[str, ...]:
    """What makes events count for nothing, or not come at all, though delivery has no trouble."""
    said = []
    for pixel in view.shop.pixels:
        if pixel.test_event_code_until and pixel.test_code_at(datetime.fromtimestamp(view.now_ms / 1000, UTC)):
            until = f"{pixel.test_event_code_until.astimezone(view.zone):%Y-%m-%d %H:%M}"
            said.append(_say(NOTHING_COUNTS.format(pixel.code, until)) + ".")
    return (*said, WEBHOOKS_REFUSED) if are_refused else tuple(said)


def find_status(
    view: View, report: OverviewReport, troubles: Sequence[Trouble], warnings: tuple[str, ...] = ()
) -> Status:
    """What state delivery of this store is in."""
    mine = [cause for store_id, cause in troubles if store_id in ("", view.shop.id)]
    told = tuple(_say(view.backend.tell_trouble(cause)) for cause in mine)
    oldest_ms = report.pending.oldest_ms
    if mine:
        is_paused = any(cause.startswith("credentials") for cause in mine)
        return Status("bad", "Delivery is paused" if is_paused else "Something needs you", told + warnings)
    if warnings:
        return Status("warn", "Something needs you", warnings)
    held_ms = 1000 * view.backend.settings.delivery.purchase_hold_s
    if oldest_ms is not None and view.now_ms - oldest_ms > SLOW_MS + held_ms:
        said = f"The oldest event came {to_ago(oldest_ms, view.now_ms)} and is tried again until TikTok takes it."
        return Status("warn", "Delivery is slow", (said, "Nothing is lost; Failures says what TikTok answers."))
    if not report.events.received:
        return Status("calm", "Nothing came in", ("Install shows what to paste where, and ticks what works.",))
    share = report.events.accepted_share
    said = (
        f"TikTok accepted {to_share(share, 1)} of what came in, leaving aside what is still on its way."
        if share is not None
        else ""
    )
    return Status("good", "Delivering", (said or "The first events are on their way.",))


def to_span_before(scope: Scope, days: int) -> Scope:
    """The same span so many days earlier, up to the same hour of the day."""
    until_ms = scope.until_ms - days * DAY_MS
    return structs.replace(scope, since_ms=scope.since_ms - days * DAY_MS, until_ms=until_ms - until_ms % HOUR_MS)


def compare(flow: Flow, past: Flow, span: str) -> str:
    """How many were accepted, against the same span before, in words."""
    if not past.accepted:
        return f"none in the {span} before"
    change = flow.accepted / past.accepted - 1
    if abs(change) < _EVEN:
        return f"as in the {span} before"
    return f"{to_share(abs(change), 1)} {'more' if change > 0 else 'fewer'} than in the {span} before"


def find_delay(delays: Sequence[Delay], share: float) -> str:
    """Within which time so large a share of the accepted was accepted, as far as its step tells; a dash for none."""
    total, seen = sum(delay.accepted for delay in delays), 0
    for delay in delays:
        seen += delay.accepted
        if total and seen >= share * total:
            return _name_delay(delay)
    return NOTHING


def _name_delay(delay: Delay) -> str:
    if delay.within_s is None:
        return ">\u202f48\u202fh"
    size, unit = next((size, unit) for size, unit in _UNITS if delay.within_s >= size)
    return f"{delay.within_s // size}\u202f{unit}"


def _draw(scope: Scope, report: OverviewReport) -> list[Chart]:
    about = "Each bar is what came in then, by how it has ended since."
    return [
        _draw_flow(scope, report.steps, "Events", about, lambda step: step.events),
        _draw_flow(scope, report.steps, "Purchases", about, lambda step: step.purchases),
        draw_bars(
            Plan(
                "Delivery delay",
                "Accepted events by the time from arriving here to TikTok's yes.",
                "Within",
                [_name_delay(delay) for delay in report.delays],
                [Series("accepted events", BLUE, [delay.accepted for delay in report.delays])],
            )
        ),
    ]


def _draw_flow(
    scope: Scope, steps: Sequence[FlowStep], title: str, about: str, choose: Callable[[FlowStep], Flow]
) -> Chart:
    """A series for each outcome that there was."""
    flows = [choose(step) for step in steps]
    series = [Series(name, color, [count(flow) for flow in flows]) for name, color, count in _OUTCOMES]
    shown = [one for one in series if any(one.values)]
    return draw_bars(Plan(title, about, name_axis(scope), name_steps(scope, [step.begins_at for step in steps]), shown))


def _add_drops(report: OverviewReport) -> Mapping[str, int]:
    """By reason, the most frequent first."""
    counts: dict[str, int] = {}
    for (_, reason), count in report.drops.items():
        counts[reason] = counts.get(reason, 0) + count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _say(words: str) -> str:
    return words[:1].upper() + words[1:]


PAGE = Page("overview", "Overview", show)

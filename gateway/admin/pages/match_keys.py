"""By what TikTok gets to know the people behind events, how often each key is there, and why one is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.admin.charts import AMBER, BLUE, GREEN, GREY, VIOLET, Chart, Plan, Series, draw_lines
from gateway.admin.format import to_share
from gateway.admin.names import OTHER
from gateway.admin.page import Page, View
from gateway.admin.steps import name_axis, name_span, name_steps
from gateway.store.reports import MatchKeyReport, Scope, report_match_keys
from gateway.store.reports.match_keys import MEANINGS
from gateway.store.rollups import NAMES
from gateway.store.traits import KEYS, ClickGap


class Key(Struct, frozen=True):
    """One match key: what it is, and why it may be missing."""

    name: str
    title: str
    why_missing: str


WORDS = (
    Key("ttclid", "Click id (ttclid)", "See the reasons below."),
    Key("ttp", "TikTok's cookie (_ttp)", "The Pixel never loaded in that browser, or the cookie was cleared."),
    Key("email", "Email", "The shopper had not given it yet: most are known from the checkout on."),
    Key("phone", "Phone", "The shopper gave none; many checkouts do not ask for it."),
    Key("external_id", "External id", "Only events without any visitor lack it."),
    Key("ip", "IP address", "No browser told of the event, and Shopify kept no address of the order."),
    Key("user_agent", "Browser (user agent)", "No browser told of the event, and Shopify kept none of the order."),
)
GAPS = {
    ClickGap.NO_CLICK: "Landed without a click",
    ClickGap.LANDING_UNSEEN: "Landing not seen",
    ClickGap.FROM_TIKTOK: "From TikTok, click id missing",
    ClickGap.NO_BROWSER: "No browser told of it",
    ClickGap.UNKNOWN: "Not known",
}
_LINES = {"ttclid": GREEN, "ttp": BLUE, "email": VIOLET, "phone": AMBER, "external_id": GREY}
"""The keys that are drawn. Address and browser come with nearly everything, and are in the tables."""


async def show(view: View) -> Mapping[str, Any]:
    """The coverage in the chosen time, of all events or of one."""
    scope, event = view.scope(), view.query.get("event", "")
    chosen = event if event in NAMES or event == OTHER else None
    report = await view.store.read(lambda connection: report_match_keys(connection, scope, chosen))
    return {
        "report": report,
        "keys": WORDS,
        "chart": await asyncio.to_thread(_draw, scope, report),
        "gaps": [(GAPS[gap], MEANINGS[gap], count) for gap, count in _rank_gaps(report)],
        "event": chosen,
        "names": [*sorted(NAMES), OTHER],
        "span": name_span(view.days),
    }


def _rank_gaps(report: MatchKeyReport) -> list[tuple[ClickGap, int]]:
    return sorted(report.total.gaps.items(), key=lambda item: -item[1])


def _draw(scope: Scope, report: MatchKeyReport) -> Chart:
    titles = {key.name: key.title for key in WORDS}
    series = [
        Series(titles[name], color, [_to_percent(step.coverage.share(name)) for step in report.steps])
        for name, color in _LINES.items()
    ]
    labels = name_steps(scope, [step.begins_at for step in report.steps])
    about = "Each line is the share of accepted events that carried the key."
    plan = Plan("Coverage over time, in percent", about, name_axis(scope), labels, series, lambda of: to_share(of, 100))
    return draw_lines(plan)


def _to_percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


assert tuple(key.name for key in WORDS) == KEYS  # noqa: S101 - a key without words would be missing from the page

PAGE = Page("match-keys", "Match keys", show)

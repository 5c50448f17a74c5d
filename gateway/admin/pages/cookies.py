"""How long the visitor cookie really lives in each browser, beside what the browser's rules predict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.admin.charts import AMBER, BLUE, GREEN, GREY, Chart, Plan, Series, draw_bars
from gateway.admin.names import name_browser
from gateway.admin.page import Life, Page, View
from gateway.admin.steps import name_span
from gateway.model.browser import Browser
from gateway.store.reports import CookieReport, report_cookies
from gateway.store.reports.cookies import MEANING, Age, Returns

PATIENCE_S = 1.5
"""The page waits no longer for DNS."""

APPLE = "Safari and every browser on iPhone"
"""How a prediction names what runs on WebKit."""

_PREDICTED_AS = {
    Browser.SAFARI: APPLE,
    Browser.SAFARI_IOS: APPLE,
    Browser.CHROME: "Chrome",
    Browser.EDGE: "Chrome",
    Browser.SAMSUNG: "Chrome",
    Browser.FIREFOX: "Firefox",
}
"""The apps' own windows are WebKit on an iPhone and Chrome elsewhere: nothing is predicted of the two together."""

_DRAWN = (
    ("Safari", GREEN, (Browser.SAFARI, Browser.SAFARI_IOS)),
    ("Chrome, Edge, Samsung", BLUE, (Browser.CHROME, Browser.EDGE, Browser.SAMSUNG)),
    ("TikTok's, Instagram's and Facebook's apps", AMBER, (Browser.TIKTOK, Browser.META)),
    ("all others", GREY, (Browser.FIREFOX, Browser.OTHER, Browser.UNKNOWN)),
)


class Line(Struct, frozen=True):
    """One browser: what came back with which cookies, and how long they were predicted to live. Units: days."""

    browser: str
    returns: Returns
    predicted_days: int | None


async def show(view: View) -> Mapping[str, Any]:
    """The cookies of those who came back in the chosen time."""
    scope = view.scope()
    report, life = await asyncio.gather(
        view.store.read(lambda connection: report_cookies(connection, scope)),
        view.backend.predict_cookies(view.shop, PATIENCE_S),
    )
    return {
        "total": report.total,
        "lines": [Line(name_browser(name), one, predict(life, name)) for name, one in report.by_browser.items()],
        "life": life,
        "apple": APPLE,
        "chart": await asyncio.to_thread(_draw, report),
        "meaning": MEANING,
        "span": name_span(view.days),
    }


def predict(life: Life | None, browser: str) -> int | None:
    """How many days this browser is predicted to keep the cookie; None where nothing is predicted."""
    return life.days.get(_PREDICTED_AS.get(Browser(browser), "")) if life else None


def _draw(report: CookieReport) -> Chart:
    series = [
        Series(name, color, [_count(report, browsers, place) for place, _ in enumerate(report.total.ages)])
        for name, color, browsers in _DRAWN
    ]
    about = "Each bar is the visitors whose cookie was first set so many days before they came back."
    labels = [_name_age(age) for age in report.total.ages]
    return draw_bars(Plan("Age of the cookies that came back, in days", about, "Days", labels, series))


def _count(report: CookieReport, browsers: tuple[Browser, ...], place: int) -> int:
    return sum(report.by_browser[name].ages[place].visitors for name in browsers if name in report.by_browser)


def _name_age(age: Age) -> str:
    return str(age.from_days) if age.from_days == age.to_days else f"{age.from_days}\u2013{age.to_days}"


PAGE = Page("cookies", "Cookies", show)

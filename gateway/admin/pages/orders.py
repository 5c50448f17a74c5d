"""The shop's orders against the Purchases that TikTok accepted, the reason for each gap, and the button that heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from msgspec import Struct

from gateway.admin.charts import AMBER, GREEN, GREY, RED, Chart, Plan, Series, draw_bars
from gateway.admin.page import Page, View
from gateway.admin.steps import name_axis, name_span, name_steps
from gateway.model.conversion import Reason
from gateway.model.outcome import Fate
from gateway.model.words import FATES, REASONS
from gateway.store.reports import OrderReport, Scope, report_orders
from gateway.store.reports.orders import Orders

DAY_S = 86_400
FAILED = (Fate.REJECTED, Fate.EXPIRED)
"""Gaps that nobody wanted."""

NAMES: Mapping[str, str] = {
    Reason.SAMPLE: "Shopify's sample",
    Reason.TEST_ORDER: "test payment",
    Reason.ORDER_SOURCE: "other channel",
    Reason.CANCELLED: "cancelled",
    Reason.NOT_THE_TRIGGER: "not yet triggered",
    Reason.UNPAID: "unpaid",
    Reason.ZERO_VALUE: "worth nothing",
    Reason.NO_ACCOUNT: "no account",
    Reason.NO_PIXEL: "no pixel takes it",
    Reason.NO_CONSENT: "no consent",
    Reason.ERASED: "erased",
    Fate.REJECTED: "refused by TikTok",
    Fate.EXPIRED: "too late",
    Fate.WITHDRAWN: "consent withdrawn",
    Fate.NOT_SENT: "not sent",
}


class Gap(Struct, frozen=True):
    """Why so many orders have no accepted Purchase, in two words and in a sentence; `is_failure`: nobody meant it."""

    name: str
    sentence: str
    orders: int
    is_failure: bool


async def show(view: View) -> Mapping[str, Any]:
    """The orders placed in the chosen time."""
    scope = view.scope()
    report = await view.store.read(lambda connection: report_orders(connection, scope))
    labels = name_steps(scope, [step.begins_at for step in report.steps])
    return {
        "total": report.total,
        "gaps": [to_gap(end, count) for end, count in report.total.gaps.items()],
        "failed": count_failed(report.total),
        "steps": [
            (label, step.orders, [to_gap(end, count) for end, count in step.orders.gaps.items()])
            for label, step in zip(labels, report.steps, strict=True)
            if step.orders.known
        ][::-1],
        "axis": name_axis(scope),
        "chart": await asyncio.to_thread(_draw, scope, report, labels),
        "why_not": view.backend.buttons.why_no_heal(view.shop),
        "span": name_span(view.days),
    }


async def heal(view: View, _form: Mapping[str, str]) -> str | AsyncIterator[str]:
    """The missing of the chosen time are sent; told as it goes on."""
    buttons = view.backend.buttons
    return buttons.why_no_heal(view.shop) or buttons.heal(view.shop, view.days * DAY_S)


def to_gap(end: str, orders: int) -> Gap:
    """The gap in words. Shape: `end` is a Reason or a Fate."""
    sentence = REASONS[Reason(end)] if end in list(Reason) else FATES[Fate(end)].rstrip(".")
    return Gap(NAMES[end], sentence[0].upper() + sentence[1:], orders, end in FAILED)


def count_failed(orders: Orders) -> int:
    """How many should have counted and do not."""
    return sum(orders.gaps.get(fate, 0) for fate in FAILED)


def _draw(scope: Scope, report: OrderReport, labels: list[str]) -> Chart:
    days = [step.orders for step in report.steps]
    kept = [day.known - day.accepted - day.waiting - count_failed(day) for day in days]
    series = [
        Series("accepted by TikTok", GREEN, [day.accepted for day in days]),
        Series("refused or too late", RED, [count_failed(day) for day in days]),
        Series("deliberately not sent", AMBER, kept),
        Series("on their way", GREY, [day.waiting for day in days]),
    ]
    about = "Each bar is the orders placed then, by what became of their Purchase."
    shown = [one for one in series if any(one.values)]
    return draw_bars(Plan("Orders by what became of their Purchase", about, name_axis(scope), labels, shown))


PAGE = Page("orders", "Orders", show, act=heal)

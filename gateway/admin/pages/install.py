"""What to paste where, and which pieces already work: `tag-gateway install` with copy buttons and live ticks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.admin.format import to_ago, to_count
from gateway.admin.page import Page, View
from gateway.admin.rendering import respond
from gateway.model.event import Source
from gateway.model.words import WEBHOOKS_REFUSED
from gateway.store.reports import OverviewReport, report_overview
from gateway.store.vitals import Vitals, find_vitals

DAYS = 7
"""How far back the ticks look: what worked a month ago may be broken now."""


class Tick(Struct, frozen=True):
    """One piece of the installation: whether it has been seen to work, and how that was seen."""

    name: str
    is_done: bool
    note: str


async def show(view: View) -> Mapping[str, Any]:
    """The steps of this store, and the ticks."""
    return {"steps": view.backend.build_install(view.shop), **await _find_ticks(view)}


async def send_ticks(view: View) -> Response:
    """The ticks alone, as the page asks for them again and again."""
    return respond("install_ticks.html", view.zone, await _find_ticks(view))


async def _find_ticks(view: View) -> Mapping[str, Any]:
    def find(connection: Connection) -> tuple[OverviewReport, Vitals]:
        return report_overview(connection, view.scope(DAYS)), find_vitals(connection, view.shop.id, view.now_ms)

    overview, vitals = await view.store.read(find)
    return {
        "ticks": [
            _tick_source("The theme tag reports", overview, Source.BEACON),
            _tick_source("The custom pixel reports", overview, Source.PIXEL),
            _tick_webhooks(vitals, view.now_ms),
            _tick_acceptance(overview),
        ]
    }


def _tick_source(name: str, overview: OverviewReport, source: Source) -> Tick:
    flow = overview.by_source.get(source)
    heard = flow.received + flow.merged + flow.late if flow else 0
    dropped = sum(count for (of_source, _), count in overview.drops.items() if of_source == source)
    if heard:
        return Tick(name, True, _count_events(heard))
    if dropped:
        return Tick(name, True, f"{_count_events(dropped)}, all dropped: no consent yet, or a crawler")
    return Tick(name, False, f"nothing in {DAYS} days; open the store and say yes to the banner")


def _tick_webhooks(vitals: Vitals, now_ms: int) -> Tick:
    last_ms = vitals.last_webhook_ms
    if vitals.are_webhooks_refused:
        return Tick("Shopify's webhooks arrive", False, WEBHOOKS_REFUSED)
    note = (
        f"the last one {to_ago(last_ms, now_ms)}" if last_ms else "none yet; Shopify's \u201cSend test\u201d sends one"
    )
    return Tick("Shopify's webhooks arrive", last_ms is not None, note)


def _tick_acceptance(overview: OverviewReport) -> Tick:
    name, flow = "TikTok accepts", overview.events
    if flow.accepted:
        return Tick(name, True, _count_events(flow.accepted))
    note = "nothing was sent yet" if not flow.rejected else f"{to_count(flow.rejected)} events refused: see Failures"
    return Tick(name, False, note)


def _count_events(count: int) -> str:
    return f"{to_count(count)} event{'s' if count != 1 else ''} in {DAYS} days"


PAGE = Page("install", "Install", show, parts={"ticks": send_ticks})

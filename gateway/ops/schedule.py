"""Looks for lost orders by itself: every half an hour the serving gateway asks Shopify and sends what is missing.

Run by `gateway.beside`, as delivery is. Shopify tries a webhook for four hours, so six hours back leave no gap; each
order is sent once, whoever comes first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.ops.desk import Desk
from gateway.ops.errands import Checked, Reconcile, State, Trouble
from gateway.ops.reconcile import has_admin_api
from gateway.settings import Settings

log = logging.getLogger(__name__)

FIRST_S = 60.0
EVERY_S = 30 * 60.0
BACK_S = 6 * 3600
"""Source: Shopify, webhook retries: eight in four hours (spec 1.2)."""


async def keep_reconciled(
    desk: Desk, settings: Settings, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Runs until cancelled; returns at once when no store has credentials for the Admin API."""
    store_ids = tuple(shop.id for shop in settings.stores if has_admin_api(shop))
    if not store_ids:
        return
    await sleep(FIRST_S)
    while True:
        await _heal(desk, Reconcile(store_ids, BACK_S, send=True))
        await sleep(EVERY_S)


async def _heal(desk: Desk, errand: Reconcile) -> None:
    """What was missing is queued, by one of the nodes; trouble is told, and tried again next time."""
    try:
        if not await desk.leads():
            return
        async for report in desk.run(errand):
            match report:
                case Trouble(store_id=store_id, sentence=sentence):
                    log.warning("store %s: its orders cannot be compared: %s", store_id, sentence)
                case Checked(store_id=store_id, standings=standings):
                    if queued := [one.name for one in standings if one.state is State.QUEUED]:
                        log.warning("store %s: had not been sent and are queued now: %s", store_id, ", ".join(queued))
    except Exception:
        log.exception("comparing orders failed")

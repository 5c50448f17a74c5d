"""What a gateway does beside serving: it delivers, looks for lost orders, forgets what is old, and watches all of that.

Loaded by `gateway.app` once the process serves: a start is mostly imports, and no request needs these.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from gateway.clock import now_ms
from gateway.delivery.alerts import Watch
from gateway.delivery.worker import Deliverer
from gateway.intake.tokens import Tokens
from gateway.model.browser import read_agent
from gateway.ops.desk import Desk
from gateway.ops.retention import Retention
from gateway.ops.schedule import keep_reconciled
from gateway.settings import Settings
from gateway.signals.metrics import keep_adding_up
from gateway.store import Store
from gateway.tiktok.client import TikTokClient

DELIVERY_STOP_S = 4
"""How long deliveries may take to finish after SIGTERM. One that is cut off is due again at the next start."""


@contextlib.asynccontextmanager
async def working(settings: Settings, tokens: Tokens, store: Store, *, deliver: bool) -> AsyncIterator[None]:
    """All of it goes on meanwhile, delivery if it is this process's to do; afterwards nothing is in flight."""
    async with contextlib.AsyncExitStack() as stack:
        client = TikTokClient(settings.delivery.api_base)
        stack.push_async_callback(client.aclose)
        deliverer = Deliverer(settings, store, client) if deliver else None
        if deliverer:
            await stack.enter_async_context(delivering(deliverer))
        desk = Desk(settings, tokens, store, now_ms)
        await stack.enter_async_context(alongside(warm_up(), "warm-up"))
        await stack.enter_async_context(alongside(keep_adding_up(), "metrics"))
        await stack.enter_async_context(alongside(keep_reconciled(desk, settings), "reconcile"))
        await stack.enter_async_context(alongside(Retention(settings, store, now_ms).keep(), "retention"))
        await stack.enter_async_context(alongside(Watch(settings, store, deliverer).run(), "watch"))
        yield


async def warm_up() -> None:
    """What some requests need, and no start waits for, is loaded: how all browsers and phone numbers are written."""
    await asyncio.to_thread(read_agent, "any")
    await asyncio.to_thread(importlib.import_module, "phonenumbers")


@contextlib.asynccontextmanager
async def delivering(deliverer: Deliverer) -> AsyncIterator[None]:
    """The deliverer runs; afterwards it has settled what was in flight, or was cut off after `DELIVERY_STOP_S`."""
    delivery = asyncio.create_task(deliverer.run(), name="delivery")
    try:
        yield
    finally:
        deliverer.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(delivery, DELIVERY_STOP_S)


@contextlib.asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """The work goes on meanwhile, and has ended afterwards."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])

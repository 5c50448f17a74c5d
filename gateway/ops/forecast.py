"""Predicts how long browsers keep a store's cookies: asks DNS now and then, and remembers. Nobody waits for it long.

Made by `gateway.app` for the dashboard and by `gateway.cli` for the ledger; the rule is `gateway.ops.cookie_life`'s.
"""

from __future__ import annotations

import asyncio
import time

from gateway.errors import CommandError
from gateway.ops.cookie_life import CookieLife, predict_cookie_life
from gateway.ops.doctor.network import Network, Unreachable
from gateway.settings import StoreSettings
from gateway.settings.values import host_of

KEEP_S = 600
LONGEST_S = 5.0
"""DNS that has not told by then does not tell."""


class Forecast:
    """What was predicted for each store within the last `KEEP_S`, or is being asked."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[float, asyncio.Task[CookieLife | None]]] = {}

    async def predict(self, shop: StoreSettings, patience_s: float) -> CookieLife | None:
        """The life of this store's cookies; None when DNS does not tell in time, though the next time it may have."""
        asked_s, asking = self._asked.get(shop.id, (0.0, None))
        if asking is None or time.monotonic() - asked_s >= KEEP_S:
            asking = asyncio.create_task(_ask(shop))
            self._asked[shop.id] = time.monotonic(), asking
        await asyncio.wait([asking], timeout=patience_s)
        return asking.result() if asking.done() else None


async def _ask(shop: StoreSettings) -> CookieLife | None:
    try:
        network = await asyncio.to_thread(Network)
        async with asyncio.timeout(LONGEST_S):
            gateway, page = await asyncio.gather(
                network.look_up(shop.hosts[0]), network.look_up(host_of(shop.origins[0]))
            )
    except (CommandError, Unreachable, TimeoutError):
        return None
    return predict_cookie_life(gateway, page, shop.cookie_domain)

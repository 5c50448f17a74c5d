"""Predicts for the dashboard how long browsers keep a store's cookies: asks DNS now and then, and remembers.

Made by `gateway.app`; the rule is `gateway.ops.cookie_life`'s.
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
PATIENCE_S = 1.5
"""A page waits no longer for DNS."""


class Forecast:
    """What was predicted for each store within the last `KEEP_S`."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, CookieLife | None]] = {}

    async def predict(self, shop: StoreSettings) -> CookieLife | None:
        """The life of this store's cookies; None when DNS does not tell in time."""
        asked_s, life = self._known.get(shop.id, (-KEEP_S, None))
        if time.monotonic() - asked_s >= KEEP_S:
            life = await _ask(shop)
            self._known[shop.id] = time.monotonic(), life
        return life


async def _ask(shop: StoreSettings) -> CookieLife | None:
    try:
        network = await asyncio.to_thread(Network)
        async with asyncio.timeout(PATIENCE_S):
            gateway, page = await asyncio.gather(
                network.look_up(shop.hosts[0]), network.look_up(host_of(shop.origins[0]))
            )
    except (CommandError, Unreachable, TimeoutError):
        return None
    return predict_cookie_life(gateway, page, shop.cookie_domain)

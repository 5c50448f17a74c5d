"""What time it is for delivery: by this machine's clock where it is alone, by the database's where several share one.

Leases and due times are compared by every node, so one clock must tell them all; that of a machine may be wrong.
Made and compared by `gateway.delivery.worker`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.store import Store

log = logging.getLogger(__name__)

STEADY_MS = 250
"""A smaller difference is left as it is: a lease outlasts its request by more, and time does not go to and fro."""


class CommonClock:
    """Called, it tells the time that all nodes agree on, as of the last `compare`. Units: Unix milliseconds.

    `is_known` is False before the first; `skew_ms` is how far this time is ahead of the machine's own.
    """

    def __init__(self, own: Callable[[], int], store: Store) -> None:
        self._own = own
        self._store = store
        self.is_known = False
        self.skew_ms = 0

    def __call__(self) -> int:
        return self._own() + self.skew_ms

    async def compare(self) -> None:
        """The time is right again, however either clock has been set. Raises: StoreUnavailable."""
        skew_ms, doubt_ms = await self._store.find_skew(self._own)
        if abs(skew_ms - self.skew_ms) > STEADY_MS + doubt_ms:
            log.warning("this machine's clock is %+.1f s off the database's, which is gone by", -skew_ms / 1000)
            self.skew_ms = skew_ms
        self.is_known = True

"""How fast one client address may send."""

from __future__ import annotations

import time
from functools import lru_cache
from ipaddress import IPv6Address

from gateway.errors import TooMany
from gateway.settings.rates import parse_rate

MOST_CLIENTS = 50_000
"""Addresses counted at once: a flood from more of them must not fill the memory."""


class Limiter:
    """Counts requests per client address, in windows that begin with the first of them, in this process.

    Own code, as the library `limits` starts a thread to forget old counts, at up to a hundred threads a second under
    load (measured: a fifth of the time of a beacon). Here the old ones go when a new one finds no room.
    The clock is one that nobody sets back: a window that ends a day late would refuse its client for a day.
    """

    def __init__(self, rate: str) -> None:
        self._most, self._window_s = parse_rate(rate)
        self._counts: dict[str, tuple[int, float]] = {}

    def check(self, client: str) -> None:
        """One more request of this client is counted. Raises: TooMany when that is one too many."""
        key, now = to_network(client), time.monotonic()
        count, ends = self._counts.get(key, (0, 0.0))
        if ends <= now:
            self._make_room(now)
            count, ends = 0, now + self._window_s
        self._counts[key] = (count + 1, ends)
        if count >= self._most:
            raise TooMany(int(ends - now) + 1)

    def _make_room(self, now: float) -> None:
        if len(self._counts) >= MOST_CLIENTS:
            self._counts = {key: told for key, told in self._counts.items() if told[1] > now}
        if len(self._counts) >= MOST_CLIENTS:
            self._counts.clear()


@lru_cache(4096)
def to_network(client: str) -> str:
    """The address itself, or the /64 of an IPv6 address: one customer has all of it (RFC 6177).

    An IPv4 address in IPv6's clothes is the IPv4 address: all of them share one /64.
    """
    if ":" not in client or len(client) > 64:
        return client[:64]
    try:
        address = IPv6Address(client.partition("%")[0])
    except ValueError:
        return client
    return str(address.ipv4_mapped or address.exploded[:19])

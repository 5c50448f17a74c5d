"""How fast one client address may send."""

from __future__ import annotations

import time
from functools import lru_cache
from ipaddress import IPv6Address

from limits import parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from gateway.errors import TooMany

MOST_CLIENTS = 50_000
"""Addresses counted at once: a flood from more of them must not fill the memory."""


class Counts(Storage):
    """The library's counts, in this process and for its one event loop.

    The library's own MemoryStorage starts a thread to forget old counts, at up to a hundred threads a second under load
    (measured: a fifth of the time of a beacon). Here the old ones go when a new one finds no room. The clock is one
    that nobody sets back: a window that ends a day late would refuse its client for a day.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """Nothing here fails."""
        return Exception

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """The count of this key's window, which begins with its first request and lasts `expiry` seconds."""
        now = time.monotonic()
        count, ends = self._counts.get(key, (0, 0.0))
        if ends <= now:
            self._make_room(now)
            count, ends = 0, now + expiry
        self._counts[key] = (count + amount, ends)
        return count + amount

    def _make_room(self, now: float) -> None:
        if len(self._counts) >= MOST_CLIENTS:
            self._counts = {key: told for key, told in self._counts.items() if told[1] > now}
        if len(self._counts) >= MOST_CLIENTS:
            self._counts.clear()

    def get(self, key: str) -> int:
        """The count of this key's window."""
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        """When this key's window ends, by the same clock."""
        return self._counts.get(key, (0, time.monotonic()))[1]

    def check(self) -> bool:
        """Always well."""
        return True

    def reset(self) -> int:
        """Nothing is counted; how many addresses were."""
        count = len(self._counts)
        self._counts.clear()
        return count

    def clear(self, key: str) -> None:
        """This key is not counted."""
        self._counts.pop(key, None)


class Limiter:
    """Counts requests per client address in this process; the counts of quiet addresses are forgotten."""

    def __init__(self, rate: str) -> None:
        self._rate = parse(rate)
        self._limiter = FixedWindowRateLimiter(Counts())

    def check(self, client: str) -> None:
        """One more request of this client is counted. Raises: TooMany when that is one too many."""
        key = to_network(client)
        if not self._limiter.hit(self._rate, key):
            reset = self._limiter.get_window_stats(self._rate, key).reset_time
            raise TooMany(int(reset - time.monotonic()) + 1)


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

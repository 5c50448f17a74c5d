"""How fast one client address may send."""

from __future__ import annotations

import time
from functools import lru_cache
from ipaddress import IPv6Address

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from gateway.errors import TooMany


class Limiter:
    """Counts requests per client address in this process; the counts of quiet addresses are forgotten."""

    def __init__(self, rate: str) -> None:
        self._rate = parse(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    def check(self, client: str) -> None:
        """One more request of this client is counted. Raises: TooMany when that is one too many."""
        key = to_network(client)
        if not self._limiter.hit(self._rate, key):
            reset = self._limiter.get_window_stats(self._rate, key).reset_time
            raise TooMany(int(reset - time.time()) + 1)


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

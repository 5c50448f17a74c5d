"""Who really asks, when proxies stand between: uvicorn's walk from the trusted end of X-Forwarded-For, remembered.

Asked by `gateway.web.front` for each request. uvicorn's own middleware reads all headers for it each time, which is a
tenth of what a beacon costs the event loop; what it makes of the same words is always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.web.answers import Scope

FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"

_CACHED, _USUAL_BYTES = 4096, 256
_Found = tuple[tuple[str, int] | None, str]


class Forwarded:
    """Believes what these peers say of whom they ask for. Shape: addresses and networks, as in `trusted_proxies`."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._walk = ProxyHeadersMiddleware(_end, list(trusted))
        self._find_usual = lru_cache(_CACHED)(self._find)

    def put_client(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """The scope names the client and the scheme that the nearest trusted proxies tell of."""
        told, proto = headers.get(FOR), headers.get(PROTO)
        if told is None and proto is None:
            return
        if told is not None and len(headers) < len(scope["headers"]):
            told = b", ".join([value for name, value in scope["headers"] if name == FOR])
        client = scope.get("client")
        find = self._find_usual if len(told or b"") <= _USUAL_BYTES else self._find
        named, scheme = find(client and client[0], scope["scheme"], told, proto)
        scope["client"], scope["scheme"] = named or client, scheme

    def _find(self, peer: str | None, scheme: str, told: bytes | None, proto: bytes | None) -> _Found:
        """The client that is named, None when none is, and the scheme."""
        headers = [(name, value) for name, value in ((FOR, told), (PROTO, proto)) if value is not None]
        client = None if peer is None else (peer, 0)
        scope: Any = {"type": "http", "client": client, "scheme": scheme, "headers": headers}
        walking = self._walk(scope, _never, _never)
        try:
            walking.send(None)
        except StopIteration:
            named = scope["client"]
            return (None if named is client else named), scope["scheme"]
        raise RuntimeError("uvicorn's walk waits for something")


async def _end(*_: Any) -> None:
    """Where the walk leads to: all it does is to change the scope."""


async def _never(*_: Any) -> Any:
    raise AssertionError

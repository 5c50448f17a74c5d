"""The door: finds the store by Host, and the endpoint by path. Beacons go straight to theirs; the rest is Starlette's.

An unknown Host is answered 404, but for health, which a load balancer asks under any name, and for the dashboard, which
has names of its own (`admin_hosts`) and is nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache

from starlette.types import ASGIApp

from gateway.settings import Settings
from gateway.signals.logs import begin_request
from gateway.signals.metrics import FAILURES
from gateway.web.answers import Answer, Receive, Scope, Send, send_answer
from gateway.web.forwarded import Forwarded
from gateway.web.hits import keep_header_map, to_header_map

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
LONGEST_HOST = 512
"""Bytes of a Host header; no name has as many (RFC 1035), and what is longer is none of ours."""

ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
_NOT_FOUND = Answer(404, [(b"content-type", b"text/plain"), (b"content-length", b"10")], b"not found\n")


class Front:
    """`endpoints`: what each store serves under paths of its own; `routes`: the fixed paths; `admin`: the dashboard."""

    def __init__(
        self,
        settings: Settings,
        endpoints: dict[tuple[str, str], Endpoint],
        routes: ASGIApp,
        admin: ASGIApp | None = None,
    ) -> None:
        self._stores = {host: store for store in settings.stores for host in store.hosts}
        self._endpoints = {
            (host, path): endpoint
            for (store_id, path), endpoint in endpoints.items()
            for host, store in self._stores.items()
            if store.id == store_id
        }
        self._forwarded = Forwarded(settings.server.trusted_proxies)
        self._routes = routes
        self._admin = admin
        self._admin_hosts = frozenset(settings.security.admin_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        begin_request()
        headers = keep_header_map(scope)
        self._forwarded.put_client(scope, headers)
        try:
            await self._find(scope)(scope, receive, send)
        except Exception:
            FAILURES.inc()
            raise

    def _find(self, scope: Scope) -> ASGIApp:
        """Who answers this request."""
        host, path = read_host(scope), scope["path"]
        if endpoint := self._endpoints.get((host, path)):
            return endpoint
        if path in ANY_HOST:
            return self._routes
        if self._admin and host in self._admin_hosts and (path == "/admin" or path.startswith("/admin/")):
            return self._admin
        if store := self._stores.get(host):
            scope["store"] = store
            return self._routes
        return _say_not_found


async def _say_not_found(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send_answer(send, _NOT_FOUND)


def read_host(scope: Scope) -> str:
    """The Host header in lower case, without port and trailing dot."""
    said = to_header_map(scope).get(b"host", b"")
    return _to_host(said) if len(said) <= LONGEST_HOST else ""


@lru_cache(4096)
def _to_host(said: bytes) -> str:
    host = said.decode("latin-1").lower()
    bare = host if host.endswith("]") else host.rpartition(":")[0] or host
    return bare.removesuffix(".")

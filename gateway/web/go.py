"""GET /go: an ad's landing. A top-level answer sets the cookies, which Safari does not cap, and sends the visitor on.

Source: browsers A1, top-level responses. Never to any other host: only a path of the store's first origin.
"""

from __future__ import annotations

import asyncio
import logging
from functools import cache, partial
from time import perf_counter
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import StoreUnavailable, TooMany
from gateway.intake.landing import land
from gateway.intake.receive import Received
from gateway.intake.tokens import Tokens
from gateway.settings import StoreSettings
from gateway.signals.metrics import Tally
from gateway.store import Store
from gateway.web.cookies import set_cookies
from gateway.web.hits import read_client, read_hit, to_header_map
from gateway.web.limiter import Limiter

log = logging.getLogger(__name__)
_PATIENCE_S = 1.0


class GoEndpoint:
    """Sends ad clicks on to the store; what the database cannot take never delays a shopper."""

    def __init__(self, tokens: Tokens, store: Store, limiter: Limiter) -> None:
        self._tokens = tokens
        self._store = store
        self._limiter = limiter
        self._tally = cache(partial(Tally, endpoint="go"))

    async def answer(self, request: Request) -> Response:
        settings: StoreSettings = request.scope["store"]
        query = request.scope["query_string"].decode("latin-1")
        response = Response(status_code=302, headers={"location": to_target(settings.origins[0], query)})
        response.headers["cache-control"] = "no-store"
        response.headers["referrer-policy"] = "no-referrer-when-downgrade"
        received = await self._land(request, query, settings)
        response.raw_headers.extend(set_cookies(received, self._tokens, settings))
        return response

    async def _land(self, request: Request, query: str, settings: StoreSettings) -> Received:
        started_s, status = perf_counter(), 302
        received = Received()
        try:
            self._limiter.check(read_client(request.scope))
            async with asyncio.timeout(_PATIENCE_S):
                hit = read_hit(request.scope, to_header_map(request.scope))
                received = await land(query, hit, settings, self._tokens, self._store)
        except (StoreUnavailable, TooMany, TimeoutError) as error:
            status = 429 if isinstance(error, TooMany) else 503
            log.warning("an ad landing was not stored (%s); its click id travels on in the query", type(error).__name__)
        self._tally(settings.id).count(status, received.dropped, perf_counter() - started_s)
        return received


def to_target(origin: str, query: str) -> str:
    """The address on `origin` that `to` names, with the rest of the query kept; the front page when `to` is no path."""
    pairs = [pair for pair in query.split("&") if pair]
    kept = [pair for pair in pairs if not pair.startswith("to=")]
    named = dict(parse_qsl(query)).get("to", "/")
    path = named if is_local_path(named) else "/"
    parts = urlsplit(path)
    joined = "&".join([part for part in (parts.query,) if part] + kept)
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{origin}{_quote(parts.path)}{'?' + _quote(joined) if joined else ''}{_quote(fragment)}"


def is_local_path(path: str) -> bool:
    """Whether this names a path on whatever host it is appended to, however a browser reads it."""
    is_plain = all(" " <= character != "\\" for character in path)
    return is_plain and path.startswith("/") and not path.startswith("//") and len(path) <= 2048


def _quote(text: str) -> str:
    """The text as a header can carry it: what is not ASCII is percent-encoded, what is encoded stays."""
    return quote(text, safe="/?#[]@!$&'()*+,;=%:~-._")

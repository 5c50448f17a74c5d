"""POST {collect_path}/px: the beacon of Shopify's sandboxed custom pixel.

Its frame has an opaque origin (`Origin: null`), so neither its cookies nor its origin prove anything: no cookie is
trusted or set, and the answer carries no credentials. What leads back to the visitor is in the body.
Source: Shopify spec 3.4 and browsers A3, measured in three engines.
"""

from __future__ import annotations

from time import perf_counter

from gateway.errors import Forbidden, GatewayError
from gateway.intake.beacon import MAX_BYTES
from gateway.intake.receive import Intake
from gateway.intake.tokens import Tokens
from gateway.model.event import Source
from gateway.settings import StoreSettings
from gateway.signals.metrics import Tally
from gateway.web.answers import Answer, Headers, Receive, Scope, Send, send_answer, to_error, to_json
from gateway.web.beacon import to_other_method
from gateway.web.hits import Hold, read_body, read_client, read_hit, to_header_map
from gateway.web.limiter import Limiter

_CORS: Headers = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"x-dropped, retry-after")]


class PixelEndpoint:
    """Answers one store's custom pixel with the companion to restore and the click id."""

    def __init__(self, settings: StoreSettings, intake: Intake, tokens: Tokens, limiter: Limiter) -> None:
        self._settings = settings
        self._intake = intake
        self._tokens = tokens
        self._limiter = limiter
        self._tally = Tally(settings.id, "px")
        self._origins = {b"null", b"", *(origin.encode() for origin in settings.origins)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await send_answer(send, to_other_method(scope, _CORS))
            return
        started_s = perf_counter()
        try:
            answer = await self._answer(scope, receive)
        except GatewayError as error:
            answer = to_error(error, _CORS)
        self._tally.count(answer.status, answer.dropped, perf_counter() - started_s)
        await send_answer(send, answer)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers = to_header_map(scope)
        if headers.get(b"origin", b"") not in self._origins:
            raise Forbidden("origin: not one of this store")
        self._limiter.check(read_client(scope))
        hit = read_hit(scope, headers, with_cookies=False)
        with Hold() as hold:
            body = await read_body(receive, headers, MAX_BYTES, hold)
            received = await self._intake.receive(body, hit, self._settings, Source.PIXEL)
        visitor = received.visitor
        told = {
            "visitor": self._tokens.sign_companion(self._settings.id, visitor.id) if visitor else None,
            "ttclid": visitor.click.ttclid if visitor and visitor.click else None,
        }
        dropped = [(b"x-dropped", received.dropped.encode())] if received.dropped else []
        return to_json(200, told, [*_CORS, *dropped])._replace(dropped=received.dropped)

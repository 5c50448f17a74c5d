"""POST {collect_path}: the hot path. A pure ASGI callable, because routing and response objects would double its cost.

Called by `gateway.web.front` with the store already found; hands the body to `gateway.intake.receive`. It answers after
the commit, never before.
"""

from __future__ import annotations

from time import perf_counter

from gateway.errors import Forbidden, GatewayError
from gateway.intake.beacon import MAX_BYTES
from gateway.intake.receive import Intake, Received
from gateway.intake.tokens import Tokens
from gateway.model.event import Source
from gateway.settings import StoreSettings
from gateway.signals.metrics import Tally
from gateway.web.answers import Answer, Headers, Receive, Scope, Send, send_answer, to_error
from gateway.web.cookies import clear_cookies, set_cookies
from gateway.web.hits import Hold, read_body, read_client, read_hit, to_header_map
from gateway.web.limiter import Limiter

_ALLOW = b"POST, OPTIONS"
_NO_STORE = (b"cache-control", b"no-store")


class BeaconEndpoint:
    """Answers one store's beacons."""

    def __init__(self, settings: StoreSettings, intake: Intake, tokens: Tokens, limiter: Limiter) -> None:
        self._settings = settings
        self._intake = intake
        self._tokens = tokens
        self._limiter = limiter
        self._tally = Tally(settings.id, "beacon")
        self._cors = {origin.encode(): to_cors(origin.encode()) for origin in settings.origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = to_header_map(scope)
        cors = self._cors.get(headers.get(b"origin", b""))
        if scope["method"] != "POST":
            await send_answer(send, to_other_method(scope, cors))
            return
        started_s = perf_counter()
        try:
            if cors is None:
                raise Forbidden("origin: not one of this store")
            self._limiter.check(read_client(scope))
            hit = read_hit(scope, headers)
            with Hold() as hold:
                received = await self._intake.receive(
                    await read_body(receive, headers, MAX_BYTES, hold), hit, self._settings, Source.BEACON
                )
            answer = self._answer(received, cors, has_cookies=b"cookie" in headers)
        except GatewayError as error:
            answer = to_error(error, cors)
        self._tally.count(answer.status, answer.dropped, perf_counter() - started_s)
        await send_answer(send, answer)

    def _answer(self, received: Received, cors: Headers, *, has_cookies: bool) -> Answer:
        answered = [_NO_STORE, *cors, *set_cookies(received, self._tokens, self._settings)]
        if received.dropped:
            answered.append((b"x-dropped", received.dropped.encode()))
        if received.is_withdrawn and has_cookies:
            answered += clear_cookies(self._settings)
        return Answer(204, answered, dropped=received.dropped)


def to_cors(origin: bytes) -> Headers:
    """What lets exactly this origin read the answer and send its cookies."""
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"x-dropped, retry-after"),
        (b"vary", b"origin"),
    ]


def to_other_method(scope: Scope, cors: Headers | None) -> Answer:
    """A preflight is answered, though the snippet never needs one; anything else is not served here."""
    if scope["method"] == "OPTIONS" and cors:
        allow = [(b"access-control-allow-methods", b"POST"), (b"access-control-allow-headers", b"content-type")]
        return Answer(204, [*cors, *allow, (b"access-control-max-age", b"86400")])
    return Answer(405, [(b"allow", _ALLOW), (b"content-length", b"0")])

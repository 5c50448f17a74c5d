"""FakeTikTok: the Events API on loopback, with what it saw open to tests and demonstrations.

Called by the gateway's own client over HTTP; started by `gateway.demo` and by tests. What an event may look like is
decided in `schema`, what it counts for in `ledger`, and what goes wrong on purpose in `moods`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.fake_tiktok import serving
from gateway.demo.fake_tiktok.ledger import Key, Ledger, Recorded
from gateway.demo.fake_tiktok.moods import Moods, build_answer, build_response, parse_moods
from gateway.demo.fake_tiktok.schema import Refusal, parse_envelope, parse_events

TRACK_PATH = "/open_api/v1.3/event/track/"
DEMO_PIXEL = "C0DEMOPIXEL000000000"
DEMO_TOKEN = "demo-access-token"


class Seen(Struct):
    """One request as it came in, and how it was answered: `status` stays None when it was not.

    Shape: `headers` in lower case, without the access token; `body` and `answer` raw.
    """

    received_s: float
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    answer: bytes = b""

    @property
    def json(self) -> Any:
        """The body decoded. Raises: ValueError."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> int | None:
        """The code it was answered with, or None when there was no answer with one."""
        answer = _decode(self.answer)
        return answer.get("code") if isinstance(answer, dict) else None


class FakeTikTok:
    """An Events API for the pixels given, code → access token; a token of None is revoked. Pixels may change any time.

    Of requests and events it keeps the newest `keep`. Units: `clock` gives Unix seconds.
    """

    def __init__(
        self,
        pixels: Mapping[str, str | None] | None = None,
        clock: Callable[[], float] = time.time,
        keep: int = 100_000,
    ) -> None:
        self.pixels: dict[str, str | None] = dict(pixels or {DEMO_PIXEL: DEMO_TOKEN})
        self.moods = Moods()
        self.ledger = Ledger(keep)
        self.requests: deque[Seen] = deque(maxlen=keep)
        self._clock = clock
        self._changed = threading.Condition()
        self._thread: serving.ServerThread | None = None
        self.app = Starlette(
            routes=[
                Route(TRACK_PATH, self._track, methods=["POST"]),
                Route("/_moods", self._handle_moods, methods=["GET", "POST", "DELETE"]),
                Route("/_pixels", self._handle_pixels, methods=["POST"]),
                Route("/_events", self._list_events),
                Route("/_requests", self._list_requests),
            ],
            middleware=[Middleware(serving.Dated, lambda: self._clock())],
        )

    # What it saw

    @property
    def records(self) -> list[Recorded]:
        """Every accepted event with its outcome, in order."""
        return list(self.ledger.records)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every accepted event as received, in order."""
        return [record.decode() for record in self.records]

    @property
    def counted(self) -> list[dict[str, Any]]:
        """The conversions an advertiser would see, twins merged."""
        return self.ledger.find_counted()

    @property
    def counts(self) -> Counter[Key]:
        """How often each (pixel, event, event id) was counted: once, when all is well."""
        return self.ledger.counts

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """The condition, looked at after every request, is true. Raises: TimeoutError, telling what did arrive."""
        with self._changed:
            if self._changed.wait_for(lambda: bool(condition()), timeout_s):
                return
        names = [record.key[1:] for record in self.records[-20:]]
        raise TimeoutError(f"waited {timeout_s} s in vain; {len(self.requests)} requests came, with {names}")

    async def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """As `wait_until`, leaving the event loop free."""
        await asyncio.to_thread(self.wait_until, condition, timeout_s)

    def reset(self) -> None:
        """As new, with the same pixels: nothing seen, nothing accepted, no mood."""
        with self._changes():
            self.requests.clear()
            self.ledger.clear()
            self.moods.clear()

    # Running it

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[str]:
        """Serves in this event loop while the block runs; gives the base URL."""
        sock, url = serving.bind(port)
        async with serving.serve(self.app, sock):
            yield url

    def start(self, port: int = 0) -> str:
        """Serves in a thread until `stop`, and gives the base URL."""
        sock, url = serving.bind(port)
        self._thread = serving.ServerThread(self.app, sock)
        return url

    def stop(self) -> None:
        """Nothing serves any more; what was seen is still there."""
        if self._thread:
            self._thread.stop()
            self._thread = None

    # The Events API

    async def _track(self, request: Request) -> Response:
        seen = Seen(self._clock(), _without_token(request.headers), await request.body())
        with self._changes():
            self.requests.append(seen)
        mood = self.moods.take(_peek_pixel(seen.body))
        if mood.delay_s:
            await serving.linger(request, mood.delay_s)
        usual = self._take(seen, request.headers.get("access-token")) if mood.is_well or mood.record else None
        if mood.hang or mood.drop:
            await (serving.linger(request, None) if mood.hang else serving.abort(request))
            return Response()
        response = usual if usual and mood.is_well else build_response(mood)
        with self._changes():
            seen.status, seen.answer = response.status_code, bytes(response.body)
        return response

    def _take(self, seen: Seen, token: str | None) -> Response:
        """All events of the request are on record, or none is and the answer says why."""
        now_s = self._clock()
        try:
            self._check_token(token)
            envelope = parse_envelope(seen.body, seen.headers.get("content-type", ""))
            self._check_pixel(envelope.event_source_id, token)
            events = parse_events(envelope, now_s)
        except Refusal as refusal:
            return build_answer(refusal.code, refusal.message)
        with self._changes():
            for event, raw in zip(events, envelope.data, strict=True):
                key = (envelope.event_source_id, event.event, event.event_id)
                self.ledger.record(key, bytes(raw), now_s, envelope.test_event_code or None)
        return build_answer(0, "OK")

    def _check_token(self, token: str | None) -> None:
        """Raises: Refusal when this is nobody's token; `Bearer` and a token is nobody's either."""
        if not token:
            raise Refusal(40104, "Access token is missing")
        if token not in self.pixels.values():
            raise Refusal(40105, "Access token is incorrect or has been revoked")

    def _check_pixel(self, pixel: str, token: str | None) -> None:
        """Raises: Refusal when the token is not this pixel's. It quotes the value sent, as TikTok was seen to do."""
        if self.pixels.get(pixel) != token:
            raise Refusal(40001, f"No permission to operate pixel code {pixel}")

    @contextlib.contextmanager
    def _changes(self) -> Iterator[None]:
        """What is done inside is seen as one change, and wakes whoever waits for it."""
        with self._changed:
            yield
            self._changed.notify_all()

    # Steering it from another process

    async def _handle_moods(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.moods.clear()
        elif request.method == "POST":
            try:
                self.moods.add(*parse_moods(await request.body()))
            except ValueError as error:
                return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self.moods.list())

    async def _handle_pixels(self, request: Request) -> Response:
        try:
            self.pixels |= msgspec.json.decode(await request.body(), type=dict[str, str | None])
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(status_code=204)

    async def _list_events(self, request: Request) -> Response:
        return Response(msgspec.json.encode(self.records), media_type="application/json")

    async def _list_requests(self, request: Request) -> Response:
        shown = [
            {"received_s": seen.received_s, "headers": seen.headers, "body": _decode(seen.body)}
            | {"status": seen.status, "answer": _decode(seen.answer)}
            for seen in tuple(self.requests)
        ]
        return Response(msgspec.json.encode(shown), media_type="application/json")


class _Peek(Struct):
    event_source_id: str | None = None


def _peek_pixel(body: bytes) -> str | None:
    """The pixel a body names, be it right or wrong otherwise."""
    try:
        return msgspec.json.decode(body, type=_Peek).event_source_id
    except ValueError:
        return None


def _decode(body: bytes) -> Any:
    """JSON decoded, and what is none as text."""
    try:
        return msgspec.json.decode(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _without_token(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "access-token"}

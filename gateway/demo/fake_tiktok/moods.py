"""The fake's bad days: how it answers instead of what it should.

Set by tests and demonstrations, in code or with `POST /_moods`; asked by `server` for each request.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

STATUS_OF_CODE = {0: 200, 40001: 401, 40002: 400, 40101: 401, 40102: 401, 40104: 401, 40105: 401}
"""The HTTP status TikTok was seen to give a code; 200 for all others, as older reports have it (spec 3.2)."""


class Mood(Struct, frozen=True, forbid_unknown_fields=True):
    """One way to misbehave, for the next `times` requests, or until cleared when that is None; of one pixel or of all.

    It waits `delay_s`, takes the events after all if told to `record`, and then hangs, drops the connection, or answers
    with a page of HTML, TikTok's envelope with `code`, or the bare `status`. A mood of a delay alone answers as usual.
    """

    status: int | None = None
    code: int | None = None
    message: str = "a mood of the fake"
    html: bool = False
    retry_after_s: int | None = None
    delay_s: Annotated[float, Meta(ge=0)] = 0.0
    hang: bool = False
    drop: bool = False
    record: bool = False
    times: Annotated[int, Meta(ge=1)] | None = 1
    pixel: str | None = None

    @property
    def is_well(self) -> bool:
        """Whether the request is answered as usual, if only later."""
        return not (self.hang or self.drop or self.html or self.status or self.code is not None)


WELL = Mood()


class Moods:
    """Moods in the order they will be lived through; the first that fits a request takes it."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Mood, int | None]] = []

    def add(self, *moods: Mood) -> None:
        """These moods come after those already waiting."""
        self._waiting.extend((mood, mood.times) for mood in moods)

    def clear(self) -> None:
        """The fake is well again."""
        self._waiting.clear()

    def take(self, pixel: str | None) -> Mood:
        """The mood this request is met with."""
        for index, (mood, left) in enumerate(self._waiting):
            if mood.pixel in (None, pixel):
                if left == 1:
                    del self._waiting[index]
                elif left is not None:
                    self._waiting[index] = (mood, left - 1)
                return mood
        return WELL

    def list(self) -> list[dict[str, Any]]:
        """The moods still waiting, `times` being what is left of each."""
        return [msgspec.to_builtins(mood) | {"times": left} for mood, left in self._waiting]


def parse_moods(body: bytes) -> Iterable[Mood]:
    """Moods from JSON, one object or a list of them. Raises: ValueError."""
    moods = msgspec.json.decode(body, type=Mood | list[Mood])
    return [moods] if isinstance(moods, Mood) else moods


def build_response(mood: Mood) -> Response:
    """What this mood answers."""
    headers = {"Retry-After": str(mood.retry_after_s)} if mood.retry_after_s is not None else None
    if mood.html:
        return HTMLResponse("<html><body><h1>Bad Gateway</h1></body></html>", mood.status or 502, headers)
    if mood.code is None:
        return PlainTextResponse(mood.message, mood.status or 500, headers)
    return build_answer(mood.code, mood.message, mood.status, headers)


def build_answer(code: int, message: str, status: int | None = None, headers: dict[str, str] | None = None) -> Response:
    """TikTok's envelope, with the HTTP status TikTok would give it."""
    body = {"code": code, "message": message, "request_id": uuid.uuid4().hex, "data": {}}
    return JSONResponse(body, status or STATUS_OF_CODE.get(code, 200), headers)

"""What is read off any request before its body: the client, its browser, its cookies."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Self

from gateway.clock import now_ms
from gateway.errors import Malformed, StoreUnavailable, TooLarge
from gateway.intake.identify import Cookies, Hit
from gateway.model.normalise import to_public_ip
from gateway.web.answers import Receive, Scope
from gateway.web.cookies import read_cookies

_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_LONGEST_USER_AGENT = 1024
_HEADER_MAP = "tag_gateway.headers"

MAX_IN_HAND_BYTES = 32 * 1024 * 1024
"""Bodies on their way into the database, all requests together: forty thousand usual beacons, five hundred of the
largest. What they are decoded to takes up to six times as much memory (measured)."""


def to_header_map(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers by lower-case name; the last of a repeated name, which is what the nearest proxy wrote."""
    return scope.get(_HEADER_MAP) or dict(scope["headers"])


def keep_header_map(scope: Scope) -> dict[bytes, bytes]:
    """The same, which whoever asks next for this request's finds ready."""
    headers = scope[_HEADER_MAP] = dict(scope["headers"])
    return headers


def read_client(scope: Scope) -> str:
    """The client's address, found by uvicorn's walk from the trusted end of X-Forwarded-For."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def read_hit(scope: Scope, headers: dict[bytes, bytes], *, with_cookies: bool = True) -> Hit:
    """Who sends this request, as far as HTTP tells."""
    cookie = headers.get(b"cookie") if with_cookies else None
    return Hit(
        now_ms=now_ms(),
        ip=to_public_ip(read_client(scope)),
        user_agent=headers.get(b"user-agent", b"").decode("latin-1")[:_LONGEST_USER_AGENT],
        locale=_to_locale(headers.get(b"accept-language", b"")),
        cookies=read_cookies(cookie) if cookie else Cookies(),
        refuses_sale=headers.get(b"sec-gpc") == b"1",
    )


class _Sum:
    """A number of bytes. No attribute of a class: each change of one makes the interpreter look up that class anew."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


IN_HAND = _Sum()
"""What all requests together have in hand."""


class Hold:
    """What one request has in hand, counted together with all others' from when it comes in until the block ends."""

    __slots__ = ("_bytes",)

    def __enter__(self) -> Self:
        self._bytes = 0
        return self

    def __exit__(self, *_: object) -> None:
        IN_HAND.bytes -= self._bytes

    def add(self, count: int) -> None:
        """So many bytes more are in hand. Raises: StoreUnavailable when that is more than the memory is for."""
        if IN_HAND.bytes + count > MAX_IN_HAND_BYTES:
            raise StoreUnavailable("more is coming in than the database takes")
        IN_HAND.bytes += count
        self._bytes += count


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int, hold: Hold | None = None) -> bytes:
    """The whole body, which `hold` has in hand from its first byte on.

    Raises: TooLarge as soon as it is known to be over `limit` bytes, Malformed when the client went away,
    StoreUnavailable when too much is in hand.
    """
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"body: at most {limit} bytes")
    body = b""
    is_whole = False
    while not is_whole:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("body: the client went away")
        piece = message.get("body", b"")
        if len(body) + len(piece) > limit:
            raise TooLarge(f"body: at most {limit} bytes")
        if hold:
            hold.add(len(piece))
        body += piece
        is_whole = not message.get("more_body")
    return body


@lru_cache(1024)
def _to_locale(accept_language: bytes) -> str | None:
    """The first language of Accept-Language as a BCP 47 tag."""
    first = accept_language[:64].decode("latin-1").partition(",")[0].partition(";")[0].strip()
    return first if _LOCALE.fullmatch(first) else None

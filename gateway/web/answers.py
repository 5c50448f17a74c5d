"""What the gateway says over HTTP: one small value, and the one table from errors to statuses."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from gateway.errors import GatewayError, RequestError, StoreUnavailable, TooMany

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
Headers = list[Header]

RETRY_AFTER_S = 2
"""When to try again after a 503: the snippet and Shopify both honour it."""


class Answer(NamedTuple):
    """A whole response. `dropped` is not sent: for the count, why what came was deliberately not kept."""

    status: int
    headers: Headers
    body: bytes = b""
    dropped: str | None = None


async def send_answer(send: Send, answer: Answer) -> None:
    """The answer is with the server."""
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


def to_json(status: int, value: Any, headers: Headers | None = None) -> Answer:
    """A JSON answer that nobody stores."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Answer(
        status,
        [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *(headers or []),
        ],
        body,
    )


def to_error(error: GatewayError, headers: Headers | None = None) -> Answer:
    """The answer to a refused request: one sentence the client may see; why a write failed is for operators alone."""
    more = list(headers or [])
    if isinstance(error, StoreUnavailable):
        more.append((b"retry-after", str(RETRY_AFTER_S).encode()))
        return to_json(503, {"error": "not stored, try again"}, more)
    if isinstance(error, TooMany):
        more.append((b"retry-after", str(error.retry_after_s).encode()))
    if isinstance(error, RequestError):
        return to_json(error.status, {"error": str(error)}, more)
    raise error

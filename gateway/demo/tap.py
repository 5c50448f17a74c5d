"""Overhears one ASGI application: every exchange passes untouched and is told once its answer has gone out.

Put by `stage` around the gateway and around the fake TikTok, so that what is shown is what was really said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Exchange(Struct):
    """A request and its answer. `client` is the address after the trusted-proxy walk.

    Shape: `sent` and `headers` are the request's and the answer's headers, names in lower case.
    """

    client: str
    method: str
    path: str
    query: str
    sent: dict[str, str] = {}
    body: bytes = b""
    status: int = 0
    headers: dict[str, str] = {}
    answer: bytes = b""


class Tap:
    """An ASGI application that behaves as the one inside."""

    def __init__(self, app: ASGIApp, tell: Callable[[Exchange], None]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        sent = read_headers(scope["headers"])
        exchange = Exchange(scope["client"][0], scope["method"], scope["path"], query, sent)

        async def receive_too() -> Message:
            message = await receive()
            exchange.body += message.get("body", b"")
            return message

        async def send_too(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.headers = read_headers(message["headers"])
            exchange.answer += message.get("body", b"")
            await send(message)

        await self._app(scope, receive_too, send_too)
        self._tell(exchange)


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI's headers as text, by name."""
    return {name.decode(): value.decode("latin-1") for name, value in raw}

"""Running the fake on loopback: inside the event loop at hand, in a thread beside it, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from email.utils import formatdate

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HOST = "127.0.0.1"
_ABORT = "fake_tiktok.abort"


class _AbortableProtocol(HttpToolsProtocol):
    """HTTP whose application may hang up on its client, which ASGI knows no word for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_ABORT: {"abort": self.transport.abort}}


class Dated:
    """Dates each answer by a clock that may be wrong. Units: `clock` gives Unix seconds."""

    def __init__(self, app: ASGIApp, clock: Callable[[], float]) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"date", formatdate(self._clock(), usegmt=True).encode())]
            await send(message)

        await self._app(scope, receive, send_dated)


class _Server(uvicorn.Server):
    """A server that leaves signals to its process, and when it stops is gone at once, like one that lost its power."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def bind(port: int = 0) -> tuple[socket.socket, str]:
    """A listening loopback socket and its URL: clients may connect before anything serves it."""
    sock = socket.create_server((HOST, port), backlog=512)
    return sock, f"http://{HOST}:{sock.getsockname()[1]}"


def run(app: ASGIApp, sock: socket.socket) -> None:
    """Serves until the process is interrupted."""
    uvicorn.Server(_configure(app)).run(sockets=[sock])


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, sock: socket.socket) -> AsyncIterator[None]:
    """Serves in this event loop while the block runs."""
    server = _Server(_configure(app))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


class ServerThread:
    """Serves in a thread of its own until stopped, for callers that have no event loop."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self._server = _Server(_configure(app))
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name="fake-tiktok", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The thread has ended and the port is free."""
        self._server.should_exit = True
        self._thread.join()


async def abort(request: Request) -> None:
    """The client's connection is closed without an answer."""
    request.scope["extensions"][_ABORT]["abort"]()
    await linger(request, None)


async def linger(request: Request, seconds: float | None) -> None:
    """The time is over, or the client has gone; None waits for the latter alone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await request.receive()


def _configure(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_AbortableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        date_header=False,  # `Dated` does it
        timeout_keep_alive=75,
    )

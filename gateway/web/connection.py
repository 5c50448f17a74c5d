"""One client's connection: how long it may take to send a request and to take its answer, and how much it may send.

Given to uvicorn by `gateway.app`, which bounds idle connections alone. Behind the Caddyfile Caddy has bounds of its own
(read_header, read_body, max_header_size); these hold without a proxy as well, and cost a request that arrives in one
piece nothing but four calls.
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_S = 30.0
"""From a request's first byte to its last; a phone that sends 64 KiB in this time has 2 KiB a second."""

TAKE_S = 30.0
"""For a client who takes nothing of what it was sent; then the kernel ends the connection (TCP_USER_TIMEOUT)."""

MAX_HEAD_BYTES = 32_768
"""Of a head that is not complete, and of whatever is no body after it: trailers are kept like headers, and the parser
bounds neither. What a proxy lets pass in one piece is taken."""

MAX_PIPELINED = 8
"""Requests waiting behind the one that is being answered. No browser and no proxy sends any."""


class Connection(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with a client who is slow or never ends hung up on.

    A connection on which nothing has come yet counts as idle and is kept as long: proxies open some ahead of need.
    """

    __slots__ = ("_deadline", "_is_arriving", "_outside_bytes")
    # In uvicorn's own dict they would be too many for the short way to all of its attributes (30, PEP 412).

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """The connection is open, and idle."""
        self._is_arriving = False
        self._outside_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        limit_unread(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing waits for this client any more."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._end_wait()

    def on_message_begin(self) -> None:
        """A request's first byte is here."""
        self._is_arriving = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The request is answered, or waits for its turn. Raises: ValueError when too many wait; answered as a 400."""
        self._outside_bytes = 0
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The application has so much more of the body, and bounds it."""
        self._outside_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request's last byte is here."""
        self._is_arriving, self._outside_bytes = False, 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """What came is with the application; the rest of a request has to follow in time, blank lines before it too."""
        self._is_arriving = True
        self._outside_bytes += len(data)
        super().data_received(data)
        if not self._is_arriving:
            self._end_wait()
            return
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self.transport.abort)
        if self._outside_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's head is too long.")

    def _end_wait(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None


def limit_unread(transport: asyncio.Transport) -> None:
    """The connection ends when the client has taken nothing for `TAKE_S` of what it was sent. Linux alone has this.

    Else an answer would wait for ever, as would the closing of its connection. Source: tcp(7), TCP_USER_TIMEOUT.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(TAKE_S * 1000))

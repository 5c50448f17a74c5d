"""Clients that are slow, half there, or send without end: they are hung up on, and the others are served meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import app
from gateway.web import connection, hits
from gateway.web.connection import MAX_HEAD_BYTES, MAX_PIPELINED, Connection
from gateway.web.hits import IN_HAND
from tests.beacons import make_beacon
from tests.servers import USER_AGENT, Gateway, make_settings, running_gateway

HEAD = (
    b"POST /a7/q HTTP/1.1\r\nHost: t.acme.com\r\nOrigin: https://www.acme.com\r\nUser-Agent: %s\r\n"
    % USER_AGENT.encode()
)
BODY = json.dumps(make_beacon()).encode()
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
GET = b"GET /healthz HTTP/1.1\r\nHost: t.acme.com\r\n\r\n"


@contextlib.asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.base_url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """The gateway has ended this connection; what it said before."""
    said = b""
    async with asyncio.timeout(60):
        with contextlib.suppress(ConnectionResetError):
            while chunk := await reader.read(65_536):
                said += chunk
    return said


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has little time to arrive."""
    monkeypatch.setattr(connection, "REQUEST_S", 0.05)


PIECES = {
    "a request line": HEAD[:5],
    "a head": HEAD,
    "a head without its body": HEAD + LENGTH,
    "half a body": HEAD + LENGTH + BODY[:20],
    "a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{....\r\n",
    "a second request": GET + HEAD + LENGTH,
    "trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\na: b\r\n",
    "a blank line": b"\r\n",
    "a request, then a blank line": [GET, b"\r\n"],
}


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES.keys())
async def test_a_request_that_never_ends_is_hung_up_on(gateway: Gateway, piece: bytes | list[bytes]):
    async with connected(gateway) as (reader, writer):
        if isinstance(piece, list):
            writer.write(piece[0])
            assert await reader.readuntil(b"ok\n")
            piece = piece[1]
        writer.write(piece)
        await hung_up(reader)
    assert gateway.visitors == []
    assert (await gateway.beacon(make_beacon())).status_code == 204


async def test_a_request_that_drips_is_hung_up_on_in_time(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.2)
    async with connected(gateway) as (reader, writer):
        ended = asyncio.create_task(hung_up(reader))
        with contextlib.suppress(ConnectionError):
            for byte in HEAD + LENGTH + BODY:
                if ended.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(0.01)
        assert await ended == b""
    assert gateway.visitors == []


async def test_a_request_in_pieces_that_arrives_in_time_is_answered_and_its_connection_kept(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "REQUEST_S", 0.5)
    async with connected(gateway) as (reader, writer):
        for _ in range(2):
            for piece in (HEAD[:10], HEAD[10:] + LENGTH, BODY[:30], BODY[30:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
            await asyncio.sleep(0.6)
    assert len(gateway.events) == 1
    assert gateway.events[0]["duplicates"] == 1


async def test_a_connection_on_which_nothing_comes_is_kept_as_long_as_an_idle_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(app, "KEEP_ALIVE_S", 0.05)
    async with running_gateway(make_settings(tmp_path)) as gateway, connected(gateway) as (reader, _):
        assert await hung_up(reader) == b""


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "a header": (HEAD + b"X-Long: ", b"x" * 8192),
    "headers": (HEAD, b"a: b\r\n" * 1365),
    "a trailer": (CHUNKED + b"0\r\nx-long: ", b"x" * 8192),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 1365),
    "the extension of a chunk": (CHUNKED + b"2;", b"x" * 8192),
}


@pytest.mark.parametrize(("begin", "more"), ENDLESS.values(), ids=ENDLESS.keys())
async def test_what_never_ends_and_is_no_body_is_refused_before_it_fills_the_memory(
    gateway: Gateway, begin: bytes, more: bytes
):
    async with connected(gateway) as (reader, writer):
        sent = 0
        with contextlib.suppress(ConnectionError):
            writer.write(begin)
            while not reader.at_eof() and sent < 64 * MAX_HEAD_BYTES:
                writer.write(more)
                await writer.drain()
                sent += len(more)
                await asyncio.sleep(0)
        assert sent < 64 * MAX_HEAD_BYTES
        assert (await hung_up(reader))[:12] in (b"HTTP/1.1 400", b"")
    assert (await gateway.beacon(make_beacon())).status_code == 204


async def test_a_large_body_in_many_chunks_with_a_trailer_is_taken(gateway: Gateway):
    body = BODY + b" " * (60_000 - len(BODY))
    async with connected(gateway) as (reader, writer):
        writer.write(CHUNKED)
        for start in range(0, len(body), 50):
            writer.write(b"32;name=value\r\n%b\r\n" % body[start : start + 50])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\nx-checksum: 1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")
    assert len(gateway.events) == 1


SCRIPT = b"GET /a7/w.js HTTP/1.1\r\nHost: t.acme.com\r\n%b\r\n"
NEVER_READ = {
    "an answer": SCRIPT % b"",
    "several": SCRIPT % b"" * MAX_PIPELINED,
    "the last": SCRIPT % b"" + SCRIPT % b"Connection: close\r\n",
}


@pytest.mark.parametrize("sent", NEVER_READ.values(), ids=NEVER_READ.keys())
async def test_a_client_who_never_reads_is_hung_up_on(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, sent: bytes):
    made, lost = list[Connection](), asyncio.Event()
    on_made, on_lost = Connection.connection_made, Connection.connection_lost

    def connection_made(self: Connection, transport: asyncio.Transport) -> None:
        on_made(self, transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel keeps little
        made.append(self)

    monkeypatch.setattr(connection, "TAKE_S", 0.5)
    monkeypatch.setattr(Connection, "connection_made", connection_made)
    monkeypatch.setattr(Connection, "connection_lost", lambda *told: (on_lost(*told), lost.set()))
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect(("127.0.0.1", int(gateway.base_url.rpartition(":")[2])))
        client.send(sent)
        async with asyncio.timeout(30):
            while not made or not made[0].transport.get_write_buffer_size():  # noqa: ASYNC110 - a number tells nobody
                await asyncio.sleep(0)
            assert not lost.is_set()
            await lost.wait()
    assert (await gateway.beacon(make_beacon())).status_code == 204


async def test_a_long_head_below_the_limit_is_taken_in_pieces_too(gateway: Gateway):
    async with connected(gateway) as (reader, writer):
        writer.write(HEAD + b"Cookie: a=" + b"x" * (MAX_HEAD_BYTES - 2000))
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"\r\n" + LENGTH + BODY)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204")


async def test_a_few_requests_sent_ahead_are_answered_in_order(gateway: Gateway):
    async with connected(gateway) as (reader, writer):
        writer.write(GET + HEAD + LENGTH + BODY + GET)
        for status in (b"200", b"204", b"200"):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split(b" ")[1] == status
            if status == b"200":
                await reader.readexactly(3)
    assert len(gateway.events) == 1


async def test_requests_without_end_sent_ahead_are_refused(gateway: Gateway):
    async with connected(gateway) as (reader, writer):
        writer.write(GET * 10_000)
        said = await hung_up(reader)
    assert said.count(b"HTTP/1.1 200") <= MAX_PIPELINED + 1
    assert b"HTTP/1.1 400" in said


async def test_two_hundred_slow_clients_take_nobody_down(gateway: Gateway):
    async with contextlib.AsyncExitStack() as slow:
        for number in range(200):
            _, writer = await slow.enter_async_context(connected(gateway))
            writer.write([HEAD[:30], HEAD + LENGTH + BODY[:9], b""][number % 3])
        async with asyncio.timeout(60):
            answers = await asyncio.gather(*(gateway.beacon(make_beacon()) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {204}
    assert len(gateway.events) == 50


async def test_what_all_requests_have_in_hand_is_bounded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    """Bodies that are large and slow: who would be one too many is told to come again, and small ones pass."""
    assert IN_HAND.bytes == 0
    monkeypatch.setattr(hits, "MAX_IN_HAND_BYTES", 100_000)
    half = HEAD + b"Content-Length: 65000\r\n\r\n" + b"{" + b" " * 60_000
    async with connected(gateway) as (_, first), connected(gateway) as (reader, second):
        first.write(half)
        async with asyncio.timeout(60):
            while IN_HAND.bytes < 60_000:  # noqa: ASYNC110 - a number tells nobody that it has changed
                await asyncio.sleep(0)
        second.write(half)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after:" in answer
        assert (await gateway.beacon(make_beacon())).status_code == 204
        assert IN_HAND.bytes >= 60_000
    async with asyncio.timeout(60):
        while IN_HAND.bytes:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert (await gateway.beacon(make_beacon())).status_code == 204

"""A request's fate is always an Answer, from a real server or from none."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time

import httpx
import pytest

from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok, Mood
from gateway.model.event import Event, Page, Source, User
from gateway.store.rows import from_event, to_raw_event
from gateway.tiktok.answers import Verdict
from gateway.tiktok.client import MAX_ANSWER_BYTES, TRACK_PATH, TikTokClient
from gateway.tiktok.payload import build_event, build_request
from tests.ports import free_port


def build(event_id: str = "1") -> bytes:
    now_ms = int(time.time() * 1000)
    page, user = Page("https://shop.example/"), User(ttclid="E.C.P.x")
    event = Event("ViewContent", event_id, now_ms, now_ms, Source.BEACON, page, user)
    body, ip = from_event(event)
    return build_request(DEMO_PIXEL, [build_event(to_raw_event(body), ip)])


@pytest.fixture
async def fake():
    fake = FakeTikTok()
    async with fake.serve() as url:
        fake.url = url
        yield fake


@pytest.fixture
async def client(fake):
    client = TikTokClient(fake.url + "/", timeout_s=5)
    yield client
    await client.aclose()


async def serve_bytes(reply: bytes):
    """A server that answers any request with these bytes and hangs up."""

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


async def send_to(reply: bytes, body: bytes = b"{}"):
    """The answer a client makes of these bytes."""
    async with await serve_bytes(reply) as server:
        port = server.sockets[0].getsockname()[1]
        client = TikTokClient(f"http://127.0.0.1:{port}", timeout_s=5)
        try:
            return await client.send(DEMO_TOKEN, body)
        finally:
            await client.aclose()


async def test_an_event_is_accepted_with_tiktoks_request_id(fake, client):
    answer = await client.send(DEMO_TOKEN, build())
    assert (answer.verdict, answer.http_status, answer.code, answer.message) == (Verdict.ACCEPTED, 200, 0, "OK")
    assert answer.request_id
    assert [event["event_id"] for event in fake.events] == ["1"]


async def test_a_request_is_json_with_the_token_in_its_header_alone(fake, client):
    await client.send(DEMO_TOKEN, build())
    (seen,) = fake.requests
    assert seen.headers["content-type"] == "application/json"
    assert DEMO_TOKEN.encode() not in seen.body


@pytest.mark.parametrize("code", [40001, 40002, 40100, 40105, 40133])
async def test_a_refusal_is_known_and_nothing_is_taken(fake, client, code):
    fake.moods.add(Mood(code=code))
    answer = await client.send(DEMO_TOKEN, build())
    assert (answer.code, answer.is_known, fake.events) == (code, True, [])


async def test_a_wrong_token_pauses(client):
    answer = await client.send("wrong", build())
    assert (answer.verdict, answer.http_status, answer.code) == (Verdict.PAUSE, 401, 40105)


async def test_a_bad_event_is_named(client):
    answer = await client.send(DEMO_TOKEN, build().replace(b'"event_id":"1"', b'"event_id":1'))
    assert (answer.verdict, answer.message) == (Verdict.REJECT, "Batch.0.event_id: Not a valid string")


async def test_a_throttle_says_how_long_to_wait(fake, client):
    fake.moods.add(Mood(status=429, retry_after_s=7))
    answer = await client.send(DEMO_TOKEN, build())
    assert (answer.verdict, answer.retry_after_s, answer.is_known) == (Verdict.SNOOZE, 7, True)


@pytest.mark.parametrize("status", [200, 502])
async def test_a_page_of_html_is_no_success(fake, client, status):
    fake.moods.add(Mood(html=True, status=status))
    answer = await client.send(DEMO_TOKEN, build())
    assert (answer.verdict, answer.http_status, answer.is_known) == (Verdict.RETRY, status, False)


async def test_a_connection_dropped_before_or_after_tiktok_took_the_events_looks_the_same(fake, client):
    fake.moods.add(Mood(drop=True), Mood(drop=True, record=True))
    before, after = await client.send(DEMO_TOKEN, build("1")), await client.send(DEMO_TOKEN, build("2"))
    assert before.verdict is after.verdict is Verdict.RETRY
    assert not before.is_known
    assert not after.is_known
    assert [event["event_id"] for event in fake.events] == ["2"]


async def test_a_call_ends_in_time_when_tiktok_hangs(fake):
    fake.moods.add(Mood(hang=True, record=True))
    client = TikTokClient(fake.url, timeout_s=1)
    started = time.monotonic()
    answer = await client.send(DEMO_TOKEN, build())
    await client.aclose()
    assert time.monotonic() - started < 60
    assert (answer.verdict, answer.is_known, answer.http_status) == (Verdict.RETRY, False, 0)
    assert answer.message.startswith("no answer: ")


async def test_a_call_ends_in_time_when_tiktok_trickles():
    """Every byte in time, and the whole never: only a bound on the whole call ends it."""

    over = asyncio.Event()

    async def trickle(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        over.set()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        client = TikTokClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=0.5)
        answer = await client.send(DEMO_TOKEN, b"{}")
        await client.aclose()
        await over.wait()
    assert (answer.verdict, answer.is_known, answer.message) == (Verdict.RETRY, False, "no answer: TimeoutError")


async def test_nobody_listening_is_known_not_to_have_taken_anything():
    client = TikTokClient(f"http://127.0.0.1:{free_port()}")
    answer = await client.send(DEMO_TOKEN, build())
    await client.aclose()
    assert (answer.verdict, answer.is_known) == (Verdict.RETRY, True)
    assert answer.message.startswith("not sent: ConnectError")


@pytest.mark.parametrize("base", ["ftp://127.0.0.1", "http://", "no address at all"])
async def test_an_address_that_is_none_is_an_answer_too(base):
    client = TikTokClient(base)
    answer = await client.send(DEMO_TOKEN, build())
    await client.aclose()
    assert (answer.verdict, answer.is_known) == (Verdict.RETRY, True)


@pytest.mark.parametrize("token", ["line\nbreak-secret", "naïve-secret\x00"])
async def test_a_token_no_header_can_hold_is_not_quoted(client, token):
    answer = await client.send(token, build())
    assert answer.verdict is Verdict.RETRY
    assert "secret" not in repr(answer)


async def test_a_redirect_is_not_followed():
    moved = b"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    answer = await send_to(moved)
    assert (answer.verdict, answer.http_status, answer.is_known) == (Verdict.RETRY, 307, False)


async def test_an_answer_is_read_only_so_far():
    body = b'{"code":0,"message":"' + b"x" * MAX_ANSWER_BYTES + b'"}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    assert (await send_to(head + body)).verdict is Verdict.RETRY


async def test_an_answer_cut_short_is_unknown():
    answer = await send_to(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"code":0')
    assert (answer.verdict, answer.is_known) == (Verdict.RETRY, False)


async def test_what_is_not_http_is_unknown():
    answer = await send_to(b"SSH-2.0-OpenSSH_9.9\r\n")
    assert (answer.verdict, answer.is_known, answer.http_status) == (Verdict.RETRY, False, 0)


async def test_an_answer_packed_wrong_is_unknown():
    answer = await send_to(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")
    assert (answer.verdict, answer.is_known) == (Verdict.RETRY, False)


async def test_a_proxy_of_the_environment_is_not_asked_about_this_machine(fake, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    client = TikTokClient(fake.url)
    answer = await client.send(DEMO_TOKEN, build())
    await client.aclose()
    assert answer.verdict is Verdict.ACCEPTED


async def test_a_client_given_stays_open(fake):
    async with httpx.AsyncClient() as http:
        client = TikTokClient(fake.url, http)
        await client.send(DEMO_TOKEN, build("1"))
        await client.aclose()
        assert (await client.send(DEMO_TOKEN, build("2"))).verdict is Verdict.ACCEPTED


async def test_being_cancelled_is_not_an_answer(fake, client):
    fake.moods.add(Mood(hang=True))
    sending = asyncio.create_task(client.send(DEMO_TOKEN, build()))
    await fake.until(lambda: fake.requests)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_the_path_is_that_of_the_events_api_2():
    assert TRACK_PATH == "/open_api/v1.3/event/track/"


async def test_an_answered_request_leaves_its_body_to_nobody(client):
    gc.collect()
    gc.disable()
    try:
        assert (await client.send(DEMO_TOKEN, build())).verdict is Verdict.ACCEPTED
        assert not [one for one in gc.get_objects() if isinstance(one, httpx.Request)]
    finally:
        gc.enable()

"""Commands reach the running gateway from this machine, with its key, and no other way."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from itsdangerous import TimestampSigner
from pydantic import SecretStr

from gateway.errors import CommandError
from gateway.model.person import Person
from gateway.ops.control import RemoteDesk
from gateway.ops.errands import Erase, Gone, Report, Underway, parse_report, to_line
from gateway.ops.seal import CONTROL_PATH, SEAL_LIFE_S, Seal
from gateway.settings import Settings
from gateway.store.erase import Erased
from gateway.web.answers import Scope
from gateway.web.control import MAX_BYTES, ControlEndpoint, is_local
from tests.beacons import Browser
from tests.servers import SECRET_KEY, Gateway, make_settings

ERRAND = to_line(Erase(("acme",), Person(visitor_id="0" * 32)))


async def ask(gateway: Gateway, body: bytes = ERRAND, seal: str | None = None, **headers: str | None) -> httpx.Response:
    """The answer to what a command sends; `headers` by their names with underscores."""
    given = Seal(gateway.settings).sign(body) if seal is None else seal
    sent = {"authorization": f"Bearer {given}", "x-forwarded-for": None}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await gateway.request("POST", CONTROL_PATH, content=body, headers=sent)


def with_key(settings: Settings, key: str) -> Settings:
    """The same settings with another key in front."""
    keys = (SecretStr(key), *settings.security.secret_keys)
    return settings.model_copy(update={"security": settings.security.model_copy(update={"secret_keys": keys})})


async def test_a_sealed_errand_from_this_machine_is_done(gateway: Gateway, browser: Browser):
    await browser.beacon()
    body = to_line(Erase(("acme",), Person(visitor_id=browser.visitor_id)))
    answer = await ask(gateway, body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jsonl")
    *underway, gone = map(parse_report, answer.content.splitlines())
    assert {type(report) for report in underway} == {Underway}
    assert gone == Gone("acme", Erased(visitors=1, events=1))
    assert gateway.visitors == gateway.events == gateway.outbox == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "203.0.113.7"},
        {"x_forwarded_for": "127.0.0.1"},
        {"x_forwarded_for": "::1, 127.0.0.1"},
        {"x_forwarded_for": ""},
        {"x_forwarded_proto": "https"},
        {"x_forwarded_host": "t.acme.com"},
        {"x_real_ip": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"via": "1.1 caddy"},
    ],
)
async def test_what_a_proxy_passed_on_is_not_found(gateway: Gateway, headers: dict[str, str]):
    answer = await ask(gateway, **headers)
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})


@pytest.mark.parametrize(
    ("client", "is_here"),
    [
        (("127.0.0.1", 1), True),
        (("127.8.8.8", 1), True),
        (("::1", 1), True),
        (("203.0.113.7", 1), False),
        (("10.0.0.5", 1), False),
        (("testclient", 1), False),
        (None, False),
    ],
)
def test_only_a_loopback_address_is_this_machine(client: Any, is_here: bool):
    assert is_local({"client": client, "headers": []}) is is_here


async def test_a_foreign_client_is_not_found_even_with_a_seal(gateway: Gateway):
    taken: list[bytes] = []
    endpoint = ControlEndpoint(lambda body: taken.append(body) or no_reports(), Seal(gateway.settings).fits)
    headers = [(b"authorization", f"Bearer {Seal(gateway.settings).sign(ERRAND)}".encode())]
    sent = await call(endpoint, {"client": ("203.0.113.7", 1), "headers": headers})
    assert sent[0]["status"] == 404
    sent = await call(endpoint, {"client": ("127.0.0.1", 1), "headers": headers})
    assert (sent[0]["status"], taken) == (200, [ERRAND])


async def test_an_errand_without_a_good_seal_is_refused(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    seals = {
        "no seal": "nonsense",
        "another key's": Seal(with_key(gateway.settings, "an attacker's key, of 32 bytes and more")).sign(ERRAND),
        "another errand's": Seal(gateway.settings).sign(ERRAND.replace(b"0", b"1")),
        "another purpose's": TimestampSigner(SECRET_KEY).sign(hashlib.sha256(ERRAND).hexdigest()).decode(),
    }
    with monkeypatch.context() as patch:
        now_s = TimestampSigner("any").get_timestamp()
        patch.setattr(TimestampSigner, "get_timestamp", lambda _: now_s - SEAL_LIFE_S - 2)
        seals["an old one"] = Seal(gateway.settings).sign(ERRAND)
        patch.setattr(TimestampSigner, "get_timestamp", lambda _: now_s + 3600)
        seals["one of the future"] = Seal(gateway.settings).sign(ERRAND)
    for name, seal in seals.items():
        answer = await ask(gateway, seal=seal)
        assert (answer.status_code, name) == (401, name)
    assert (await ask(gateway, authorization=None)).status_code == 401
    assert (await ask(gateway, authorization=Seal(gateway.settings).sign(ERRAND))).status_code == 401
    assert (await ask(gateway)).status_code == 200


async def test_only_the_newest_key_seals(gateway: Gateway):
    seal = Seal(with_key(gateway.settings, "a newer key than the one before, 32 bytes"))
    assert not seal.fits(ERRAND, Seal(gateway.settings).sign(ERRAND))
    assert seal.fits(ERRAND, seal.sign(ERRAND))


async def test_an_errand_that_nobody_knows_is_malformed(gateway: Gateway):
    for body in (b"", b"{", b"[]", b'{"type":"format_disk"}', b'{"type":"erase","store_ids":["acme"]}'):
        answer = await ask(gateway, body)
        assert (answer.status_code, answer.json()["error"]) == (400, "no errand that this gateway knows")
    assert (await ask(gateway, b"x" * (MAX_BYTES + 1))).status_code == 413


async def test_errands_are_posted_to_a_name_of_the_gateway(gateway: Gateway):
    assert (await gateway.request("GET", CONTROL_PATH, headers={"x-forwarded-for": None})).status_code == 405
    assert (await ask(gateway, host="unknown.example")).status_code == 404


async def no_reports() -> AsyncIterator[bytes]:
    return
    yield b""


async def call(endpoint: ControlEndpoint, scope: Scope, gone: asyncio.Event | None = None) -> list[Any]:
    """What the endpoint sends to a client that posts the errand, and goes at `gone`."""
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": ERRAND}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await endpoint({"type": "http", "method": "POST", **scope}, receive, send)
    return sent


async def test_an_errand_ends_when_its_command_goes():
    gone, is_over = asyncio.Event(), asyncio.Event()

    async def work() -> AsyncIterator[bytes]:
        try:
            yield b"1\n"
            gone.set()
            await asyncio.Event().wait()
        finally:
            is_over.set()

    endpoint = ControlEndpoint(lambda _: work(), lambda *_: True)
    headers = [(b"authorization", b"Bearer x")]
    sent = await asyncio.wait_for(call(endpoint, {"client": ("127.0.0.1", 1), "headers": headers}, gone), 60)
    assert [message.get("body") for message in sent] == [None, b"1\n"]
    assert is_over.is_set()


# -- The command's side


async def run(settings: Settings) -> list[Report]:
    return [report async for report in RemoteDesk(settings).run(Erase(("acme",), Person(visitor_id="0" * 32)))]


def at_port(settings: Settings, port: int, host: str = "127.0.0.1") -> Settings:
    return settings.model_copy(update={"server": settings.server.model_copy(update={"port": port, "host": host})})


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_command_finds_the_gateway_where_it_listens(gateway: Gateway, host: str):
    port = int(gateway.base_url.rpartition(":")[2])
    assert (await run(at_port(gateway.settings, port, host)))[-1] == Gone("acme", Erased())


async def test_a_command_with_other_keys_is_told_to_restart_the_gateway(gateway: Gateway):
    settings = at_port(gateway.settings, int(gateway.base_url.rpartition(":")[2]))
    with pytest.raises(CommandError, match="other secret_keys: restart it"):
        await run(with_key(settings, "a newer key than the one before, 32 bytes"))


async def test_a_command_tells_that_nobody_answers(tmp_path: Path):
    with pytest.raises(CommandError, match=re.escape("does not answer at http://127.0.0.1:9/control")):
        await run(at_port(make_settings(tmp_path), 9))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", r"takes no commands \(HTTP 404\)"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}\n", "is of another version"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "stopped in between"),
        (b"", "stopped in between"),
    ],
)
async def test_a_command_understands_no_other_answer(tmp_path: Path, answer: bytes, sentence: str):
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        settings = at_port(make_settings(tmp_path), server.sockets[0].getsockname()[1])
        with pytest.raises(CommandError, match=sentence):
            await run(settings)

"""The real gateway for tests, on loopback: in the test's own event loop, or as a process that can be killed.

`make_settings(tmp_path, consent="required", delivery={"linger_s": 0})` takes top-level tables by name and everything
else as a setting of its one store. `running_gateway(settings)` and `running_process(tmp_path, ...)` give a `Gateway`
that sends what a browser of that store would send, and reads what is on disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.app import build_server
from gateway.settings import Settings

HOST = "t.acme.com"
ORIGIN = "https://www.acme.com"
PIXEL = "C0ABCDEFGHIJKLMNOPQR"
CLIENT_IP = "203.0.113.7"
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
SECRET_KEY = "a test installation's key, 32 bytes and more"

_TABLES = ("server", "storage", "security", "delivery", "retention", "alerts", "stores")
_STORE = {
    "id": "acme",
    "host": HOST,
    "origins": [ORIGIN, "https://acme.com"],
    "cookie_domain": "acme.com",
    "script_path": "/a7/w.js",
    "collect_path": "/a7/q",
    "pixels": [{"code": PIXEL, "access_token": "token-of-a-test"}],
}


def make_tree(**overrides: Any) -> dict[str, Any]:
    """A configuration as TOML would say it: generous limits, nothing outside this machine, `overrides` on top."""
    tree: dict[str, Any] = {
        "server": {"port": 0, "rate_limit": "100000/second"},
        "storage": {"url": "sqlite:///gateway.db"},
        "security": {"secret_keys": [SECRET_KEY]},
        "delivery": {"api_base": "http://127.0.0.1:9", "linger_s": 0},
        "stores": [_STORE | {key: value for key, value in overrides.items() if key not in _TABLES}],
    }
    for table in _TABLES:
        if table in overrides:
            given = overrides[table]
            tree[table] = given if isinstance(given, list) else tree.get(table, {}) | given
    return tree


def make_settings(folder: Path, **overrides: Any) -> Settings:
    """The settings of a test's own installation, its database in this folder."""
    settings = Settings.model_validate(make_tree(**overrides))
    return settings.model_copy(update={"storage": settings.storage.anchored_in(folder)})


def write_config(folder: Path, **overrides: Any) -> Path:
    """The same installation as a gateway.toml in this folder."""
    path = folder / "gateway.toml"
    path.write_text("".join(_to_toml(make_tree(**overrides))))
    return path


def _to_toml(table: Mapping[str, Any], path: str = "") -> list[str]:
    """TOML of plain values first, then of the tables in it; a JSON value is a TOML value."""
    nested = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in table.items() if key not in nested]
    for key, value in nested.items():
        name = f"{path}{key}"
        for inner in value if isinstance(value, list) else [value]:
            header = f"[[{name}]]\n" if isinstance(value, list) else f"[{name}]\n"
            lines += [header, *_to_toml(inner, name + ".")]
    return lines


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


@dataclass
class Gateway:
    """A running gateway as its clients and its database see it. Paths are those of `store`, its first."""

    settings: Settings
    base_url: str
    client: httpx.AsyncClient
    process: asyncio.subprocess.Process | None = None
    log: list[str] = field(default_factory=list)

    async def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """A request of this store's client; `headers` with a value of None are left out."""
        headers = {**self.client.headers, **(how.pop("headers", None) or {})}
        sent = {name: value for name, value in headers.items() if value is not None}
        request = httpx.Request(method, self.base_url + path, headers=sent, **how)
        return await self.client.send(request)

    async def beacon(
        self, body: Any, *, headers: Mapping[str, Any] | None = None, cookies: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """What a page of the store posts: JSON of `body`, or the bytes it is; `cookies` as the browser keeps them."""
        sent = {
            "origin": ORIGIN,
            "content-type": "text/plain;charset=UTF-8",
            **_cookie_header(cookies),
            **(headers or {}),
        }
        return await self.request("POST", self.settings.stores[0].collect_path, content=_to_bytes(body), headers=sent)

    async def px(self, body: Any, *, headers: Mapping[str, Any] | None = None) -> httpx.Response:
        """What Shopify's sandboxed custom pixel posts."""
        sent = {"origin": "null", "content-type": "text/plain;charset=UTF-8", **(headers or {})}
        path = self.settings.stores[0].collect_path + "/px"
        return await self.request("POST", path, content=_to_bytes(body), headers=sent)

    async def go(
        self, query: str, *, headers: Mapping[str, Any] | None = None, cookies: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The answer to a click on an ad that leads to /go."""
        return await self.request("GET", f"/go?{query}", headers={**_cookie_header(cookies), **(headers or {})})

    @property
    def database(self) -> Path:
        """The file that everything is stored in."""
        return Path(self.settings.storage.url.get_secret_value().removeprefix("sqlite:///"))

    def rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """What is committed now."""
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, parameters)]

    async def drained(self, timeout_s: float = 60) -> None:
        """Nothing waits to be sent any more."""
        async with asyncio.timeout(timeout_s):
            while self.outbox:  # noqa: ASYNC110 - a database tells nobody that it has changed
                await asyncio.sleep(0.01)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every stored event, oldest first: its row, with `body` decoded."""
        return [row | {"body": json.loads(row["body"])} for row in self.rows("SELECT * FROM events ORDER BY rowid")]

    @property
    def visitors(self) -> list[dict[str, Any]]:
        """Every stored visitor, oldest first."""
        return self.rows("SELECT * FROM visitors ORDER BY id")

    @property
    def outbox(self) -> list[dict[str, Any]]:
        """What is still to be sent."""
        return self.rows("SELECT * FROM outbox ORDER BY id")


def _to_bytes(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def _cookie_header(cookies: Mapping[str, str] | None) -> dict[str, str]:
    return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}


def listen(port: int = 0) -> socket.socket:
    """A listening loopback socket on a free port, or on this one; clients may connect before anything serves it.

    It names its protocol, for asyncio turns Nagle's algorithm off only where it sees TCP, and then an answer in two
    pieces does not wait 40 ms for the client's ACK.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(512)
    return sock


@contextlib.asynccontextmanager
async def running_gateway(settings: Settings, *, deliver: bool = False, port: int = 0) -> AsyncIterator[Gateway]:
    """A gateway that serves in this event loop while the block runs, and has stopped in order after it."""
    server = build_server(settings, deliver=deliver)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # signals stay pytest's
    stopping = asyncio.Event()
    server.main_loop = stopping.wait  # type: ignore[method-assign,assignment]  # uvicorn looks every 100 ms otherwise
    with listen(port) as sock:
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            async with _open_gateway(settings, sock.getsockname()[1]) as gateway:
                await _answers(gateway, serving)
                yield gateway
        finally:
            stopping.set()
            await serving


@contextlib.asynccontextmanager
async def running_process(
    folder: Path, *arguments: str, command: str = "serve", **overrides: Any
) -> AsyncIterator[Gateway]:
    """`python -m gateway serve` with a gateway.toml in this folder. Kill it as you like; what is left is terminated."""
    config = write_config(folder, **overrides)
    words = (sys.executable, "-m", "gateway", command, "--config", str(config), *arguments)
    process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.PIPE)
    assert process.stderr
    log: list[str] = []
    reading = None
    try:
        port = await _port_in(process.stderr, log)
        reading = asyncio.create_task(_read_log(process.stderr, log))
        async with _open_gateway(make_settings(folder, **overrides), port) as gateway:
            gateway.process, gateway.log = process, log
            yield gateway
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if reading:
            await reading


async def _port_in(stderr: asyncio.StreamReader, log: list[str]) -> int:
    """The port that uvicorn says it listens on."""
    async for line in stderr:
        log.append(line.decode())
        if found := re.search(r"running on http://[^ ]*:(\d+)", log[-1]):
            return int(found[1])
    raise AssertionError("the gateway did not start:\n" + "".join(log))


async def _read_log(stderr: asyncio.StreamReader, log: list[str]) -> None:
    async for line in stderr:
        log.append(line.decode())


async def _answers(gateway: Gateway, serving: asyncio.Task[None]) -> None:
    """The gateway has answered; a failed start fails here instead of hanging."""
    asking = asyncio.create_task(gateway.request("GET", "/healthz"))
    await asyncio.wait({asking, serving}, return_when=asyncio.FIRST_COMPLETED)
    if not asking.done():
        asking.cancel()
        raise AssertionError("the gateway did not start; its log says why")
    assert asking.result().status_code == 200


@contextlib.asynccontextmanager
async def _open_gateway(settings: Settings, port: int) -> AsyncIterator[Gateway]:
    headers = {
        "host": HOST,
        "user-agent": USER_AGENT,
        "x-forwarded-for": CLIENT_IP,
        "accept-language": "de-DE,de;q=0.9",
    }
    base_url = f"http://127.0.0.1:{port}"
    # verify=False: there is no TLS here, and loading the CAs takes longer than the gateway's start
    async with httpx.AsyncClient(headers=headers, trust_env=False, verify=False, timeout=60) as client:
        yield Gateway(settings, base_url, client)

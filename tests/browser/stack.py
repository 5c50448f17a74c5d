"""The whole way on one machine: a browser, Caddy with the repository's Caddyfile, the gateway as a process of its own,
and a fake TikTok that says what it got. Two stores share the gateway: one grants consent, one asks for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.fake_tiktok import FakeTikTok
from gateway.web.answers import Answer, Receive, Scope, Send, send_answer
from gateway.web.hits import to_header_map
from tests.browser.caddy import adapt, add_site, balance_load, move_to_loopback, run_caddy
from tests.browser.shop import PIXEL, STUB, serve
from tests.browser.tiktok_pixel import BASE_CODE
from tests.ports import free_port

VISITOR_IP = "81.2.69.142"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
ACME, BOLT = "acme.test", "bolt.test"
CONSENT = {ACME: "granted", BOLT: "required"}
TAG = '<script async src="https://t.{domain}/a7/w.js"></script>'


class Pages:
    """The shops' pages, by host and path; all have the snippet and the Pixel, and what a test puts on them."""

    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        host = to_header_map(scope)[b"host"].decode()
        head = BASE_CODE + STUB + TAG.format(domain=host.removeprefix("www."))
        body = self.bodies.get(scope["path"], "")
        html = f"<!doctype html><html><head><title>Shop</title>{head}</head><body>{body}</body></html>".encode()
        await send_answer(send, Answer(200, [(b"content-type", b"text/html")], html))


class Gateway:
    """`tag-gateway serve` as an operator runs it."""

    def __init__(self, config: Path, port: int) -> None:
        self._config = config
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """It is ready."""
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self._config)]
        self._process = await asyncio.create_subprocess_exec(*command)
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while not await self._is_ready(client):
                assert self._process.returncode is None, "the gateway ended at once"
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """It has ended, in order."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()

    async def _is_ready(self, client: httpx.AsyncClient) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await client.get(f"http://127.0.0.1:{self._port}/readyz")).status_code == 200
        return False


@dataclass
class Stack:
    """What a test may look at and meddle with."""

    tiktok: FakeTikTok
    gateway: Gateway
    log: Path
    port: int
    pages: Pages = field(default_factory=Pages)

    def told(self, name: str) -> list[dict[str, Any]]:
        """The events of this name that TikTok has accepted."""
        return [event for event in self.tiktok.events if event["event"] == name]

    async def send(self, path: str, content: str | bytes, **headers: str) -> int:
        """The status of a POST to the first store's gateway, through the same door as the browsers'."""
        sent = {"host": f"t.{ACME}", "origin": f"https://www.{ACME}", "user-agent": CHROME, **headers}
        named = {"sni_hostname": f"t.{ACME}"}
        async with httpx.AsyncClient(verify=False) as client:  # the certificate is Caddy's own
            url = f"https://127.0.0.1:{self.port}{path}"
            return (await client.post(url, content=content, headers=sent, extensions=named)).status_code

    async def until_told(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The same, once there are so many. Raises: TimeoutError, telling what did arrive."""
        await self.tiktok.until(lambda: len(self.told(name)) >= count, timeout_s=60)
        return self.told(name)


@contextlib.asynccontextmanager
async def open_stack(tls_port: int, folder: Path) -> AsyncIterator[Stack]:
    """Everything runs while the block does; browsers reach it on `tls_port`."""
    tiktok, pages = FakeTikTok({PIXEL: "token"}), Pages()
    caddy_port, gateway_port = free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        await stack.enter_async_context(serve(pages, sock))
        api_base = await stack.enter_async_context(tiktok.serve())
        config = move_to_loopback(adapt(f"t.{ACME}, t.{BOLT}", f"127.0.0.1:{gateway_port}"), caddy_port, folder)
        for domain in CONSENT:
            add_site(config, f"www.{domain}", f"127.0.0.1:{sock.getsockname()[1]}")
        gateway = Gateway(write_config(folder, gateway_port, api_base), gateway_port)
        stack.push_async_callback(gateway.stop)
        await gateway.start()
        log = await stack.enter_async_context(run_caddy(config, folder))
        await stack.enter_async_context(balance_load(tls_port, caddy_port, VISITOR_IP))
        yield Stack(tiktok, gateway, log, tls_port, pages)


def write_config(folder: Path, port: int, api_base: str) -> Path:
    """A gateway.toml for both stores."""
    stores = "".join(
        f"""
[[stores]]
id = "{domain.partition(".")[0]}"
host = "t.{domain}"
origins = ["https://www.{domain}"]
cookie_domain = "{domain}"
script_path = "/a7/w.js"
collect_path = "/a7/q"
consent = "{consent}"
pixels = [{{ code = "{PIXEL}", access_token = "token" }}]
"""
        for domain, consent in CONSENT.items()
    )
    path = folder / "gateway.toml"
    path.write_text(
        f"""
server.port = {port}
storage.url = "sqlite:///gateway.db"
security.secret_keys = [{json.dumps("k" * 32)}]
delivery.api_base = "{api_base}"
delivery.linger_s = 0.1
{stores}"""
    )
    return path

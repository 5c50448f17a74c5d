"""A shop for browsers on loopback: pages at www.shop.localhost, and at t.shop.localhost a gateway that only records.

The snippet is served by the gateway's own endpoint and every beacon is read by the gateway's own parser; what is played
here is the answer: cookies with consent, and whatever mood a test sets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway.errors import Malformed
from gateway.intake.beacon import MAX_BYTES, parse_beacon
from gateway.model.consent import Consent, ConsentMode, is_allowed
from gateway.settings import StoreSettings
from gateway.web.answers import Answer, Headers, Receive, Scope, Send, send_answer
from gateway.web.front import Endpoint
from gateway.web.hits import read_body, to_header_map
from gateway.web.snippet import SnippetEndpoint

PIXEL = "C0ABCDEFGHIJKLMNOPQR"
COMPANION = "companion-of-this-visitor"
STUB = "<script>window.tg=window.tg||function(){(tg.q=tg.q||[]).push(arguments)}</script>"


@dataclass(frozen=True)
class Beacon:
    """A beacon as it came in."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def is_from_send_beacon(self) -> bool:
        """sendBeacon sends without CORS, fetch with it."""
        return self.headers["sec-fetch-mode"] == "no-cors"


@dataclass
class Shop:
    """The site, the recorder and what they saw. `mood`, when set, is the answer to every beacon."""

    port: int
    settings: StoreSettings
    pages: dict[str, str] = field(default_factory=dict)
    beacons: list[Beacon] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    mood: Answer | None = None
    sets_cookies: bool = True

    def __post_init__(self) -> None:
        self.scripts: dict[str, Endpoint] = {self.settings.script_path: SnippetEndpoint(self.settings)}
        self._changed = asyncio.Condition()

    def url(self, path: str = "/") -> str:
        """A page of the shop."""
        return f"http://www.shop.localhost:{self.port}{path}"

    @property
    def tag(self) -> str:
        """What a theme has in its head."""
        return f'{STUB}<script async src="http://t.shop.localhost:{self.port}{self.settings.script_path}"></script>'

    def put(self, path: str, head: str = "{tag}", body: str = "") -> str:
        """The URL of a page that is now there; `{tag}` in it becomes the snippet's tag."""
        html = f"<!doctype html><html><head><title>Shop</title>{head}</head><body>{body}</body></html>"
        self.pages[path] = html.replace("{tag}", self.tag)
        return self.url(path)

    # What arrived

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every event of every beacon, in order, each with the page that its beacon named."""
        return [{**event, "page": beacon.body["page"]} for beacon in self.beacons for event in beacon.body["events"]]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of this name."""
        return [event for event in self.events if event["event"] == name]

    async def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """The condition, looked at after each beacon, is true. Raises: AssertionError, telling what arrived instead."""
        try:
            async with self._changed, asyncio.timeout(timeout_s):
                await self._changed.wait_for(lambda: bool(condition()))
        except TimeoutError:
            arrived = json.dumps([beacon.body for beacon in self.beacons], indent=1)
            raise AssertionError(
                f"waited {timeout_s} s in vain; arrived:\n{arrived}\nrefused: {self.refused}"
            ) from None

    async def until_named(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of this name, once there are so many."""
        await self.until(lambda: len(self.named(name)) >= count)
        return self.named(name)

    # The server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = to_header_map(scope)
        if not headers[b"host"].startswith(b"t."):
            await send_answer(send, self._page(scope))
        elif script := self.scripts.get(scope["path"]):
            await script(scope, receive, send)
        elif scope["path"] == self.settings.collect_path:
            await send_answer(send, await self._take(headers, await read_body(receive, headers, 2 * MAX_BYTES)))
        else:
            await send_answer(send, Answer(404, []))

    def _page(self, scope: Scope) -> Answer:
        html = self.pages.get(scope["path"])
        body = (html if html is not None else self.put(scope["path"]) and self.pages[scope["path"]]).encode()
        return Answer(200, [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")], body)

    async def _take(self, headers: dict[bytes, bytes], body: bytes) -> Answer:
        async with self._changed:
            answer = self.mood or self._record(headers, body)
            self._changed.notify_all()
        cors = [
            (b"access-control-allow-origin", self.settings.origins[0].encode()),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"retry-after"),
        ]
        return answer._replace(headers=[*answer.headers, *cors])

    def _record(self, headers: dict[bytes, bytes], body: bytes) -> Answer:
        if len(body) > MAX_BYTES:
            return Answer(413, [])
        try:
            beacon = parse_beacon(body)
        except Malformed as error:
            self.refused.append(str(error))
            return Answer(400, [])
        told = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
        self.beacons.append(Beacon(json.loads(body), told))
        said = Consent(beacon.consent.marketing) if beacon.consent else None
        if not is_allowed(ConsentMode(self.settings.consent), said):
            return Answer(204, _cookies("", 0))
        return Answer(204, _cookies(COMPANION, 86_400, beacon.ids.ttclid) if self.sets_cookies else [])


def _cookies(companion: str, age_s: int, ttclid: str | None = None) -> Headers:
    values = {"_tgc": companion, **({"ttclid": ttclid} if ttclid else {})}
    scope = f"Domain=shop.localhost; Path=/; Secure; SameSite=Lax; Max-Age={age_s}"
    return [(b"set-cookie", f"{name}={value}; {scope}".encode()) for name, value in values.items()]


@contextlib.asynccontextmanager
async def open_shop(**choices: Any) -> AsyncIterator[Shop]:
    """A shop that serves while the block runs. `choices` are settings of its store."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        shop = Shop(port, StoreSettings.model_validate(make_settings(port) | choices))
        async with serve(shop, sock):
            yield shop


def make_settings(port: int) -> dict[str, Any]:
    """The settings of the store on this port."""
    return {
        "id": "shop",
        "host": "t.shop.localhost",
        "origins": [f"http://www.shop.localhost:{port}"],
        "cookie_domain": "shop.localhost",
        "script_path": "/a7/w.js",
        "collect_path": "/a7/q",
        "consent": "granted",
        "pixel_mode": "off",
        "pixels": [{"code": PIXEL, "access_token": "unused"}],
    }


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, sock: socket.socket) -> AsyncIterator[None]:
    """The application answers on this socket while the block runs."""
    server = _Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await task


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stay pytest's."""
        yield

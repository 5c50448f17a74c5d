"""Puts the demo up: the real gateway, the demo store and the fake TikTok, wired as on a server, on loopback.

Called by `run`. The gateway is the one of `gateway.app`, its settings come through the parser that reads every
gateway.toml; only its names, its secrets and its patience are the demo's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import uvicorn
from argon2 import PasswordHasher
from msgspec import Struct
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.app import GatewayServer, build_gateway
from gateway.demo.fake_tiktok import DEMO_PIXEL, FakeTikTok, serving
from gateway.demo.site import COLLECT_PATH, DOMAIN, GATEWAY_HOST, SCRIPT_PATH, SHOP, Site
from gateway.demo.storefront import build_storefront
from gateway.demo.tap import Exchange, Tap
from gateway.demo.webhooks import Courier
from gateway.errors import CommandError
from gateway.ops.install import render_custom_pixel
from gateway.settings import Settings, StoreSettings, parse_settings
from gateway.web.front import read_host

DEFAULT_PORT = 8000
LOOPBACK = "127.0.0.1"

GUEST_IP = "203.0.113.77"
"""The address of whoever shops from this machine, as TikTok takes public ones only. Source: RFC 5737."""

HOLD_S = 2
"""How long a browser's Purchase waits for its webhook: long enough to see it, short enough to wait for it."""

_CONFIG = """
[storage]
url = "sqlite:///demo.db"
[security]
secret_keys = ["{key}"]
admin_password_hash = "{password_hash}"
admin_hosts = ["{gateway_host}"]
[delivery]
api_base = "{tiktok_url}"
linger_s = 0.3
purchase_hold_s = {hold_s}
[[stores]]
id = "acme"
host = "{gateway_host}"
origins = ["{store_url}"]
cookie_domain = "{domain}"
script_path = "{script_path}"
collect_path = "{collect_path}"
consent = "required"
[[stores.pixels]]
code = "{pixel}"
access_token = "{token}"
[stores.shopify]
shop = "{shop}"
webhook_secrets = ["{webhook_secret}"]
"""


class Stage(Struct, frozen=True):
    """What is up: its addresses, the TikTok that judges, the folder that holds all the gateway stores.

    `password` opens its dashboard, this time only.
    """

    site: Site
    tiktok: FakeTikTok
    courier: Courier
    folder: Path
    password: str


@contextlib.asynccontextmanager
async def open_stage(
    sock: socket.socket, folder: Path, on_gateway: Callable[[Exchange], None], on_tiktok: Callable[[Exchange], None]
) -> AsyncIterator[Stage]:
    """Everything is up while the block runs; afterwards the gateway has stopped in order, and then TikTok has."""
    site = Site(sock.getsockname()[1], DEMO_PIXEL)
    token, webhook_secret, password = secrets.token_urlsafe(24), secrets.token_hex(32), secrets.token_hex(4)
    tiktok = FakeTikTok({DEMO_PIXEL: token})
    tiktok_sock, tiktok_url = serving.bind()
    async with serving.serve(Tap(tiktok.app, on_tiktok), tiktok_sock):
        settings = build_settings(site, token, webhook_secret, tiktok_url, folder, password)
        gateway = Tap(build_gateway(settings), on_gateway)
        async with contextlib.aclosing(Courier(site, webhook_secret)) as courier:
            store = build_storefront(site, write_custom_pixel(settings.stores[0], site), courier)
            async with _serve(ByHost(gateway, store), sock):
                yield Stage(site, tiktok, courier, folder, password)


def write_custom_pixel(store: StoreSettings, site: Site) -> str:
    """What `tag-gateway install` shows to paste, with the gateway's address here: no TLS, and a port."""
    return render_custom_pixel(store).replace(f"https://{GATEWAY_HOST}", site.gateway_url)


def build_settings(
    site: Site, token: str, webhook_secret: str, tiktok_url: str, folder: Path, password: str
) -> Settings:
    """The gateway's configuration, with a fresh key and its database in this folder."""
    text = _CONFIG.format(
        key=secrets.token_urlsafe(48),
        password_hash=PasswordHasher().hash(password),
        tiktok_url=tiktok_url,
        hold_s=HOLD_S,
        gateway_host=GATEWAY_HOST,
        store_url=site.store_url,
        domain=DOMAIN,
        script_path=SCRIPT_PATH,
        collect_path=COLLECT_PATH,
        pixel=site.pixel_code,
        token=token,
        shop=SHOP,
        webhook_secret=webhook_secret,
    )
    return parse_settings(text, folder, {})


class ByHost:
    """One port for both: the gateway under its own name, the store under every other."""

    def __init__(self, gateway: ASGIApp, store: ASGIApp) -> None:
        self._gateway = gateway
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._gateway(scope, receive, send)
            return
        client = scope["client"]
        if scope["type"] == "http" and client and client[0] == LOOPBACK:
            scope["client"] = (GUEST_IP, client[1])
        is_gateway = scope["type"] == "http" and read_host(scope) == GATEWAY_HOST
        await (self._gateway if is_gateway else self._store)(scope, receive, send)


def take_port(port: int | None) -> socket.socket:
    """A listening socket on this port; without one, on the default port or, if that is taken, on any free one.

    Raises: CommandError when the port that was asked for cannot be had.
    """
    try:
        return socket.create_server((LOOPBACK, DEFAULT_PORT if port is None else port), backlog=512)
    except OSError as error:
        if port is None:
            return socket.create_server((LOOPBACK, 0), backlog=512)
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise CommandError(f"port {port} {why}: name another with --port, or leave it out") from None


class _Server(GatewayServer):
    """A server that leaves signals to the command around it, and says when it is up, or will never be."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_tried = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.has_tried.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _serve(app: ASGIApp, sock: socket.socket) -> AsyncIterator[None]:
    """The application serves in this event loop while the block runs, its lifespan included."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        proxy_headers=True,
        forwarded_allow_ips=[LOOPBACK],
        access_log=False,
        log_config=None,
        ws="none",
        timeout_graceful_shutdown=3,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    await server.has_tried.wait()
    if not server.started:
        await task
        raise CommandError("the gateway did not start; what it said stands above")
    try:
        yield
    finally:
        server.should_exit = True
        await task

"""The composition root: settings → store → intake and delivery → routes. Nothing else wires things.

`build_gateway` gives one ASGI application whose lifespan opens the database, serves, delivers and closes in order;
`run_server` runs it under uvicorn; `run_deliverer` delivers alone. Called by `gateway.cli`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.admin.streams import end_streams
from gateway.delivery.alerts import Watch
from gateway.delivery.troubles import tell_cause
from gateway.delivery.worker import Deliverer, now_ms
from gateway.intake.orders import OrderIntake
from gateway.intake.people import People
from gateway.intake.receive import Intake
from gateway.intake.tokens import Tokens
from gateway.model.browser import read_agent
from gateway.ops.control import CONTROL_PATH, MIRROR_PATH, Seal
from gateway.ops.desk import Desk
from gateway.ops.opening import open_store
from gateway.ops.retention import Retention
from gateway.ops.schedule import keep_reconciled
from gateway.settings import Settings, StoreSettings
from gateway.signals.logs import set_up_logs
from gateway.signals.metrics import keep_adding_up
from gateway.store import Store
from gateway.tiktok.client import TikTokClient
from gateway.web.addon import AddonEndpoint
from gateway.web.beacon import BeaconEndpoint
from gateway.web.connection import Connection
from gateway.web.control import ControlEndpoint
from gateway.web.front import Endpoint, Front
from gateway.web.go import GoEndpoint
from gateway.web.health import Readyz, healthz
from gateway.web.limiter import Limiter
from gateway.web.metrics import MetricsEndpoint
from gateway.web.mirror import Mirror
from gateway.web.pixel import PixelEndpoint
from gateway.web.snippet import SnippetEndpoint, find_addon_path
from gateway.web.webhook import WebhookEndpoint

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Longer than a proxy keeps idle connections: a beacon sent on one that the gateway has closed is lost as a 502."""

WEBHOOK_PATH = "/webhooks/shopify"

SIGN_INS_OF_ONE, SIGN_INS_OF_ALL = "5/minute", "60/minute"
"""Tries of the dashboard's password: of one client address, and of all together, which bounds what argon2 may cost."""

MOST_FILES = 16_384
"""Connections and files open at once, where the system allows so many. A shell or service manager mostly gives 1,024,
which a thousand slow clients could take for themselves."""

WARM_UP_AFTER_S = 1.0
"""A first request loads what it needs itself, the patterns of its own browser; the rest would only compete with it."""

REQUESTS_STOP_S = 2
DELIVERY_STOP_S = 4
STORE_STOP_S = 2
"""How long requests, then deliveries, then writes may take to finish after SIGTERM: together less than the ten seconds
that process managers wait before they kill. A delivery that is cut off is due again at the next start; a write that is
cut off was acknowledged to nobody."""


def build_gateway(settings: Settings, *, deliver: bool = True) -> Front:
    """The whole gateway as one ASGI application. Raises: StoreError when the database cannot be opened."""
    store = open_store(settings)
    tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
    intake = Intake(tokens, store, settings.delivery)
    limiter = Limiter(settings.server.rate_limit)
    desk = Desk(settings, tokens, store, now_ms)
    endpoints: dict[tuple[str, str], Endpoint] = {}
    for shop in settings.stores:
        endpoints.update(build_endpoints(shop, intake, tokens, limiter))
        endpoints[shop.id, WEBHOOK_PATH] = WebhookEndpoint(
            shop, OrderIntake(tokens, store, settings.delivery), People(tokens, store)
        )
    routes = Starlette(
        routes=[
            Route("/go", GoEndpoint(tokens, store, limiter).answer, methods=["GET"]),
            *build_signals(settings, store),
            Route(CONTROL_PATH, ControlEndpoint(desk.take, Seal(settings).fits), methods=["POST"]),
            Route(MIRROR_PATH, Mirror(Seal(settings, MIRROR_PATH).fits).answer, methods=["POST"]),
        ],
        lifespan=lambda _app: run_lifespan(settings, store, desk, deliver=deliver),
    )
    return Front(settings, endpoints, routes, build_admin(settings, tokens, store, desk))


def build_admin(settings: Settings, tokens: Tokens, store: Store, desk: Desk) -> ASGIApp | None:
    """The dashboard; without a password there is none, and what it needs is not loaded."""
    if not settings.security.admin_password_hash.get_secret_value():
        return None
    from gateway.admin.access import Access
    from gateway.admin.dashboard import build_dashboard
    from gateway.admin.page import Backend
    from gateway.intake.inquiry import parse_inquiry
    from gateway.ops.buttons import Buttons
    from gateway.ops.forecast import Forecast
    from gateway.ops.install import build_install

    access = Access(settings.security, Limiter(SIGN_INS_OF_ONE).check, Limiter(SIGN_INS_OF_ALL).check)
    backend = Backend(
        settings,
        store,
        clock=now_ms,
        build_install=partial(build_install, settings),
        inquire=partial(parse_inquiry, tokens),
        predict_cookies=Forecast().predict,
        tell_trouble=tell_cause,
        buttons=Buttons(desk),
    )
    return build_dashboard(backend, access)


def build_signals(settings: Settings, store: Store) -> list[Route]:
    """What a process tells of itself, on any Host."""
    return [
        Route("/healthz", healthz),
        Route("/readyz", Readyz(store, [shop.id for shop in settings.stores]).answer),
        Route("/metrics", build_metrics(settings, store), methods=["GET"]),
    ]


def build_metrics(settings: Settings, store: Store) -> MetricsEndpoint:
    """The numbers, of every store's every pixel."""
    lanes = [(shop.id, pixel.code) for shop in settings.stores for pixel in shop.pixels]
    return MetricsEndpoint(store, lanes, settings.security.metrics_token.get_secret_value())


def build_endpoints(
    shop: StoreSettings, intake: Intake, tokens: Tokens, limiter: Limiter
) -> dict[tuple[str, str], Endpoint]:
    """What one store serves under paths of its own choosing."""
    endpoints: dict[tuple[str, str], Endpoint] = {
        (shop.id, shop.script_path): SnippetEndpoint(shop),
        (shop.id, shop.collect_path): BeaconEndpoint(shop, intake, tokens, limiter),
        (shop.id, shop.collect_path + "/px"): PixelEndpoint(shop, intake, tokens, limiter),
    }
    if addon_path := find_addon_path(shop):
        endpoints[shop.id, addon_path] = AddonEndpoint(shop)
    return endpoints


@contextlib.asynccontextmanager
async def run_lifespan(settings: Settings, store: Store, desk: Desk, *, deliver: bool) -> AsyncIterator[None]:
    """The store is open and events are delivered while the server runs; then nothing is in flight or unwritten."""
    allow_files()
    async with contextlib.AsyncExitStack() as stack:
        await store.start(now_ms())
        stack.push_async_callback(store.stop, STORE_STOP_S)
        client = TikTokClient(settings.delivery.api_base)
        stack.push_async_callback(client.aclose)
        deliverer = Deliverer(settings, store, client) if deliver else None
        if deliverer:
            await stack.enter_async_context(delivering(deliverer))
        await stack.enter_async_context(alongside(warm_up(), "warm-up"))
        await stack.enter_async_context(alongside(keep_adding_up(), "metrics"))
        await stack.enter_async_context(alongside(keep_reconciled(desk, settings), "reconcile"))
        await stack.enter_async_context(alongside(Retention(settings, store, now_ms).keep(), "retention"))
        await stack.enter_async_context(alongside(Watch(settings, store, deliverer).run(), "watch"))
        yield


async def warm_up(after_s: float = WARM_UP_AFTER_S) -> None:
    """What some requests need, and no start waits for, is loaded: how all browsers and phone numbers are written."""
    await asyncio.sleep(after_s)
    await asyncio.to_thread(read_agent, "any")
    await asyncio.to_thread(importlib.import_module, "phonenumbers")


def allow_files() -> None:
    """This process may have as many connections and files open as it is allowed to ask for, up to `MOST_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextlib.asynccontextmanager
async def delivering(deliverer: Deliverer) -> AsyncIterator[None]:
    """The deliverer runs; afterwards it has settled what was in flight, or was cut off after `DELIVERY_STOP_S`."""
    delivery = asyncio.create_task(deliverer.run(), name="delivery")
    try:
        yield
    finally:
        deliverer.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(delivery, DELIVERY_STOP_S)


@contextlib.asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """The work goes on meanwhile, and has ended afterwards."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def run_server(settings: Settings, *, deliver: bool = True) -> None:
    """Serves until SIGTERM or SIGINT; what was acknowledged is on disk, what was in flight is settled."""
    set_up_logs()
    _serve(build_server(settings, deliver=deliver))


def _serve(server: uvicorn.Server) -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more after an orderly stop: that is exit 0
    gc.freeze()  # what was built so far stays for good: the collector need not walk it again and again
    gc.set_threshold(10_000, 20, 50)  # a request makes hundreds of objects, and no cycles
    server.run()


class GatewayServer(uvicorn.Server):
    """A server that ends the dashboard's streams before it waits for what is in flight."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        end_streams()
        await super().shutdown(sockets)


def build_server(settings: Settings, *, deliver: bool = True) -> uvicorn.Server:
    """A uvicorn server around a new gateway, not yet running."""
    return GatewayServer(build_config(settings, build_gateway(settings, deliver=deliver)))


def build_config(settings: Settings, gateway: Front | str, **workers: Any) -> uvicorn.Config:
    """How uvicorn serves a gateway, or one that each of several workers makes for itself."""
    return uvicorn.Config(
        gateway,
        http=Connection,
        host=settings.server.host,
        port=settings.server.port,
        proxy_headers=False,  # `gateway.web.forwarded` does that
        access_log=False,
        server_header=False,
        log_config=None,
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=REQUESTS_STOP_S,
        **workers,
    )


def run_deliverer(settings: Settings, port: int | None = None) -> None:
    """Delivers what gateways on the same database take in, until SIGTERM or SIGINT; what was in flight is settled.

    With a port it tells there how it does, and takes nothing in.
    """
    set_up_logs()
    store = open_store(settings)
    if port is None:
        asyncio.run(_deliver(settings, store))
        return
    telling = settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
    routes = Starlette(routes=build_signals(settings, store), lifespan=lambda _app: _delivering(settings, store))
    _serve(GatewayServer(build_config(telling, Front(settings, {}, routes))))


async def _deliver(settings: Settings, store: Store) -> None:
    stopping = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, stopping.set)
    async with _delivering(settings, store):
        await stopping.wait()


@contextlib.asynccontextmanager
async def _delivering(settings: Settings, store: Store) -> AsyncIterator[None]:
    tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
    async with run_lifespan(settings, store, Desk(settings, tokens, store, now_ms), deliver=True):
        log.info("delivering for %d stores", len(settings.stores))
        yield

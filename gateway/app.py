"""The composition root: settings → store → intake → routes; what goes on beside serving is wired by `gateway.beside`.

`build_gateway` gives one ASGI application whose lifespan opens the database, serves, soon delivers and does all else
that goes on beside, and closes in order; `run_server` runs it under uvicorn; `run_deliverer` delivers alone. Called by
`gateway.cli`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from gateway.admin.streams import end_streams
from gateway.clock import now_ms
from gateway.intake.orders import OrderIntake
from gateway.intake.people import People
from gateway.intake.receive import Intake
from gateway.intake.tokens import Tokens
from gateway.loading import loading
from gateway.ops.opening import open_store
from gateway.ops.seal import CONTROL_PATH, MIRROR_PATH, Seal
from gateway.settings import Settings, StoreSettings
from gateway.signals.logs import set_up_logs
from gateway.store import Store
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

if TYPE_CHECKING:
    from gateway.ops.desk import Desk

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75
"""Longer than a proxy keeps idle connections: a beacon sent on one that the gateway has closed is lost as a 502."""

WEBHOOK_PATH = "/webhooks/shopify"

SIGN_INS_OF_ONE, SIGN_INS_OF_ALL = "5/minute", "60/minute"
"""Tries of the dashboard's password: of one client address, and of all together, which bounds what argon2 may cost."""

MOST_FILES = 16_384
"""Connections and files open at once, where the system allows so many. A shell or service manager mostly gives 1,024,
which a thousand slow clients could take for themselves."""

BESIDE_AFTER_S = 0.25
"""When what is done beside serving is loaded and begins: requests that wait for the start would compete with it."""

REQUESTS_STOP_S = 2
STORE_STOP_S = 2
"""How long requests, and in the end writes, may take to finish after SIGTERM: with `gateway.beside.DELIVERY_STOP_S` in
between less than the ten seconds that process managers wait before they kill. A write that is cut off was acknowledged
to nobody."""


def build_gateway(settings: Settings, *, deliver: bool = True) -> Front:
    """The whole gateway as one ASGI application. Raises: StoreError when the database cannot be opened."""
    store = open_store(settings)
    tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
    intake = Intake(tokens, store, settings.delivery)
    limiter = Limiter(settings.server.rate_limit)

    @cache
    def open_desk() -> Desk:  # with the first errand, as most processes see none
        from gateway.ops.desk import Desk

        return Desk(settings, tokens, store, now_ms)

    control = ControlEndpoint(lambda body: open_desk().take(body), Seal(settings).fits)
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
            Route(CONTROL_PATH, control, methods=["POST"]),
            Route(MIRROR_PATH, Mirror(Seal(settings, MIRROR_PATH).fits).answer, methods=["POST"]),
        ],
        lifespan=lambda _app: run_lifespan(settings, tokens, store, deliver=deliver),
    )
    return Front(settings, endpoints, routes, build_admin(settings, tokens, store, open_desk))


def build_admin(settings: Settings, tokens: Tokens, store: Store, open_desk: Callable[[], Desk]) -> ASGIApp | None:
    """The dashboard; without a password there is none, and what it needs is not loaded."""
    if not settings.security.admin_password_hash.get_secret_value():
        return None
    from gateway.admin.access import Access
    from gateway.admin.dashboard import build_dashboard
    from gateway.admin.page import Backend
    from gateway.delivery.troubles import tell_cause
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
        buttons=Buttons(open_desk()),
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
async def run_lifespan(settings: Settings, tokens: Tokens, store: Store, *, deliver: bool) -> AsyncIterator[None]:
    """The store is open, and soon all that is done beside serving; then nothing is in flight or unwritten."""
    allow_files()
    await store.start(now_ms())
    beside = asyncio.create_task(work_beside(settings, tokens, store, deliver=deliver), name="beside")
    try:
        yield
    finally:
        beside.cancel()
        await asyncio.wait([beside])
        await store.stop(STORE_STOP_S)


async def work_beside(settings: Settings, tokens: Tokens, store: Store, *, deliver: bool) -> None:
    """Runs until cancelled. A process that cannot do its work stops, as one that only takes events in looks healthy."""
    try:
        await asyncio.sleep(BESIDE_AFTER_S)
        working = await asyncio.to_thread(_load_beside)
        async with working(settings, tokens, store, deliver=deliver):
            await asyncio.Event().wait()
    except Exception:
        log.exception("what is done beside serving cannot be done: stopping")
        signal.raise_signal(signal.SIGTERM)


def _load_beside() -> Callable[..., contextlib.AbstractAsyncContextManager[None]]:
    with loading():
        from gateway.beside import working

    return working


def allow_files() -> None:
    """This process may have as many connections and files open as it is allowed to ask for, up to `MOST_FILES`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


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
    async with run_lifespan(settings, tokens, store, deliver=True):
        log.info("delivering for %d stores", len(settings.stores))
        yield

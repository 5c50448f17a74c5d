"""Fixtures for everything that talks to a gateway."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from gateway.store.tables import metadata
from tests.beacons import Browser
from tests.postgres import Server, running_postgres
from tests.servers import Gateway, make_settings, running_gateway
from tests.webhooks import Shop, on_clock, running_shop

signal.signal(signal.SIGINT, signal.default_int_handler)
"""Ctrl-C ends what the tests start, too where a shell ran them in the background and so had it ignored."""

settings.register_profile("ours", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")
"""The same examples every time, and no failure because the machine is busy."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for all tests that need no more of it than a database of their own."""
    with running_postgres() as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lasting_gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """One gateway for all the tests that need no settings of their own: it stores and does not deliver."""
    async with running_gateway(make_settings(tmp_path_factory.mktemp("gateway"))) as gateway:
        yield gateway


@pytest.fixture
def gateway(lasting_gateway: Gateway) -> Gateway:
    """A gateway of one store in consent mode `shopify`; its database is empty."""
    with contextlib.closing(sqlite3.connect(lasting_gateway.database)) as connection, connection:
        for table in metadata.tables:
            connection.execute(f"DELETE FROM {table}")
    return lasting_gateway


@pytest.fixture
def browser(gateway: Gateway) -> Browser:
    """A browser that has been nowhere."""
    return Browser(gateway)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lasting_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with running_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="session")
async def shop(lasting_shop: Shop) -> AsyncIterator[Shop]:
    """A shop in consent mode `shopify`, whose gateway delivers; nothing has happened in it yet."""
    await lasting_shop.reset()
    with on_clock(lasting_shop):
        yield lasting_shop


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lasting_open_shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with running_shop(tmp_path_factory.mktemp("open_shop"), consent="granted") as shop:
        yield shop


@pytest_asyncio.fixture(loop_scope="session")
async def open_shop(lasting_open_shop: Shop) -> AsyncIterator[Shop]:
    """The same in consent mode `granted`."""
    await lasting_open_shop.reset()
    with on_clock(lasting_open_shop):
        yield lasting_open_shop


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What lasts serves in the session's event loop, so the tests that ask it run there too."""
    lasting = {"lasting_gateway", "lasting_shop", "lasting_open_shop"}
    for item in items:
        if not lasting.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)

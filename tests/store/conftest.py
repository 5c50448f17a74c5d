"""A store on each database that there is, and two ways to record that must come to the same."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psycopg
import pytest

from gateway.store import Receipt, Recorded, Store
from gateway.store.database import newest_revision
from gateway.store.tables import metadata
from tests.postgres import Server
from tests.store.samples import NOW_MS, record_apart, record_together

Record = Callable[..., Awaitable[list[Recorded]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """The URL of a database without rows, of each kind in turn."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated: Path) -> str:
    path = tmp_path / "gateway.db"
    shutil.copy(migrated, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has been through every migration: copying it is quicker than migrating for each test."""
    path = tmp_path_factory.mktemp("migrated") / "gateway.db"
    asyncio.run(Store(f"sqlite:///{path}").stop())
    return path


@pytest.fixture
def postgresql_url(lasting_url: str) -> str:
    """The one database of these tests, emptied: quicker than another one for each test."""
    with psycopg.connect(lasting_url, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '5s'")
        connection.execute("; ".join(f"DELETE FROM {table}" for table in metadata.tables))
        connection.execute("UPDATE alembic_version SET version_num = %s", [newest_revision()])
    return lasting_url


@pytest.fixture(scope="session")
def lasting_url(postgres: Server) -> str:
    url = postgres.make_database("store_tests")
    asyncio.run(Store(url).stop())
    return url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = Store(url)
    await opened.start(NOW_MS)
    yield opened
    await opened.stop()


@pytest.fixture(params=[record_together, record_apart], ids=["one commit", "many commits"])
def record(request: pytest.FixtureRequest, store: Store) -> Record:
    """Records receipts: whether they share a transaction must make no difference."""

    async def record(*receipts: Receipt) -> list[Recorded]:
        return await request.param(store, receipts)

    return record

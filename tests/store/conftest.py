"""A store on each database that there is, and two ways to record that must come to the same."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from gateway.store import Receipt, Recorded, Store
from tests.store.samples import NOW_MS, record_apart, record_together

Record = Callable[..., Awaitable[list[Recorded]]]


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> str:
    """The URL of a database without rows, of each kind in turn."""
    path = tmp_path / "gateway.db"
    shutil.copy(migrated, path)
    return {"sqlite": f"sqlite:///{path}"}[request.param]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has been through every migration: copying it is quicker than migrating for each test."""
    path = tmp_path_factory.mktemp("migrated") / "gateway.db"
    asyncio.run(Store(f"sqlite:///{path}").stop())
    return path


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

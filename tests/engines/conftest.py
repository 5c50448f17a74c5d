"""One network for all tests here, with the whole way in it; one Firefox, and for each test a profile of its own."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page

from tests.browsers import UBLOCK, find_lack
from tests.engines.firefox import open_firefox
from tests.engines.shop import ORIGIN
from tests.engines.stack import Stack, open_stack
from tests.engines.webkit import WebKit, open_webkit


def need(what: str) -> None:
    """The test goes on if this is here; else it is skipped with the reason, and under CI it fails."""
    if lack := find_lack(what):
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lack)


@pytest.fixture(scope="session")
def filter_lists() -> list[Path]:
    """The filter lists that uBlock Origin begins with."""
    need("lists")
    return [*UBLOCK.glob("assets/thirdparties/*/*.txt"), *UBLOCK.glob("assets/ublock/*.min.txt")]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    need("namespace")
    async with open_stack(tmp_path_factory.mktemp("engines")) as opened:
        yield opened


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The whole way, and a TikTok that has heard nothing yet."""
    running.reset()
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def firefox(running: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Firefox ESR, whose uBlock Origin blocks."""
    need("firefox")
    async with open_firefox(running.namespace, tmp_path_factory.mktemp("firefox"), ORIGIN) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(firefox: Browser) -> AsyncIterator[BrowserContext]:
    """A profile of that Firefox that has been nowhere."""
    context = await firefox.new_context(ignore_https_errors=True)
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(visitor: BrowserContext) -> Page:
    """A tab of that visitor."""
    return await visitor.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def webkit(running: Stack, tmp_path: Path) -> AsyncIterator[WebKit]:
    """A WebKit with ITP on that has been nowhere."""
    need("webkit")
    async with open_webkit(running.namespace, tmp_path) as opened:
        yield opened

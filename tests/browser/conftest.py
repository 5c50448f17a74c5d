"""One Chromium for the session; for each test a fresh visitor, and a shop with the settings it asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.browser.shop import Shop, open_shop
from tests.browser.stack import CHROME
from tests.browser.storefront import Storefront, open_storefront
from tests.browsers import SWITCHED_OFF, find_chromium
from tests.ports import free_port

HERE = Path(__file__).parent

expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def tls_port() -> int:
    """A port for the one server that browsers reach as https://…test."""
    return free_port()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser that `python -m tests.browsers` names."""
    path = find_chromium()
    if path is None:
        pytest.fail("no Chromium here; python -m tests.browsers installs one")
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(chromium_path: str, tls_port: int) -> AsyncIterator[Browser]:
    """A browser for which *.test is the server on `tls_port`, and which reaches nothing beyond this machine.

    It says that it is an ordinary Chrome, not a headless one, which is a bot; on the command line, because Playwright's
    own way does not reach the beacons of pages that end.
    """
    rules = f"MAP *.test 127.0.0.1:{tls_port}, MAP * ~NOTFOUND, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path,
            args=[
                f"--host-resolver-rules={rules}",
                f"--user-agent={CHROME}",
                f"--disable-features={','.join(SWITCHED_OFF)}",
            ],
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def farewells(chromium: Browser) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Visitors who are leaving: nobody waits for them before the end, which saves a quarter of the time."""
    leaving: list[asyncio.Task[None]] = []
    yield leaving
    await asyncio.gather(*leaving)


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(chromium: Browser, farewells: list[asyncio.Task[None]]) -> AsyncIterator[BrowserContext]:
    """A browser profile that has been nowhere."""
    context = await chromium.new_context(ignore_https_errors=True)
    yield context
    await context.unroute_all(behavior="ignoreErrors")
    farewells.append(asyncio.create_task(context.close()))


@pytest_asyncio.fixture(loop_scope="session")
async def page(visitor: BrowserContext) -> AsyncIterator[Page]:
    """A tab of that visitor; whatever a page throws fails its test."""
    thrown: list[str] = []
    page = await visitor.new_page()
    page.on("pageerror", lambda error: thrown.append(str(error)))
    yield page
    assert not thrown, "the page threw"


@pytest_asyncio.fixture(loop_scope="session")
async def shop(request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """The shop; `parametrize("shop", [{...}], indirect=True)` sets its store's settings."""
    async with open_shop(**getattr(request, "param", {})) as opened:
        yield opened
        assert not opened.refused, "the gateway would have refused a beacon"


@pytest_asyncio.fixture(loop_scope="session")
async def storefront(request: pytest.FixtureRequest) -> AsyncIterator[Storefront]:
    """The shop as Shopify serves it, in consent mode `shopify`; settings as for `shop`."""
    async with open_storefront(**getattr(request, "param", {})) as opened:
        yield opened
        assert not opened.refused, "the gateway would have refused a beacon"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser lives in the session's event loop, so its tests do too."""
    for item in items:
        if item.path.parent == HERE and isinstance(item, pytest.Function) and iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)

"""Firefox ESR with uBlock Origin on, both as Debian has them; the filter lists are those of the package.

Playwright drives the stock browser (its channel moz-firefox); its driver and the browser run inside the namespace.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import playwright
import pytest
from playwright.async_api import Browser, async_playwright

from tests.browsers import FIREFOX
from tests.engines.namespace import PATIENCE_S, Namespace

_NODE = Path(playwright.__file__).with_name("driver") / "node"
_PREFERENCES: dict[str, str | float | bool] = {
    "extensions.autoDisableScopes": 0,  # the system's extensions are on without being asked for
    "extensions.enabledScopes": 15,
    "xpinstall.signatures.required": False,
}
_BLOCKED_PATH = "/web-pixel-shopify-app-pixel@1"  # by EasyPrivacy


@contextlib.asynccontextmanager
async def open_firefox(namespace: Namespace, folder: Path, origin: str) -> AsyncIterator[Browser]:
    """A Firefox runs in there while the block does, and its uBlock Origin has read its lists; `origin` is any site."""
    node = folder / "node"
    node.write_text(f'#!/bin/sh\nexec {" ".join(namespace.command(_NODE))} "$@"\n')
    node.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAYWRIGHT_NODEJS_PATH", str(node))
        driver = await async_playwright().start()
    try:
        browser = await driver.firefox.launch(
            channel="moz-firefox",
            executable_path=FIREFOX,
            firefox_user_prefs=_PREFERENCES,
            timeout=PATIENCE_S * 1000,
        )
        await _until_blocking(browser, origin)
        yield browser
        await browser.close()
    finally:
        await driver.stop()


async def _until_blocking(browser: Browser, origin: str) -> None:
    page = await browser.new_page(ignore_https_errors=True)
    await page.goto(origin)
    is_blocked = f"() => fetch('{_BLOCKED_PATH}').then(() => false, () => true)"
    await page.wait_for_function(is_blocked, polling=100, timeout=PATIENCE_S * 1000)
    await page.close()

"""TikTok's Pixel as a page has it: base code that queues calls, and a library that comes later and takes them.

Written after the facts of TikTok's own (Events API spec 7): the same globals, slots and order of things. The library
lists every call it gets in `window.pixelCalls`, as [method, ...arguments].
"""

from __future__ import annotations

from typing import Any

from playwright.async_api import BrowserContext, Page, Route

from tests.browser.shop import PIXEL

LIBRARY_URL = "https://analytics.tiktok.com/**"

BASE_CODE = f"""<script>
(function (w, name) {{
  w.TiktokAnalyticsObject = name;
  const ttq = (w[name] = w[name] || []);
  ttq.methods = ["page", "track", "identify", "ready", "holdConsent", "grantConsent", "revokeConsent"];
  ttq.setAndDefer = (list, method) => {{
    list[method] = function () {{ list.push([method].concat([].slice.call(arguments))); }};
  }};
  const defer = (list) => (ttq.methods.forEach((method) => ttq.setAndDefer(list, method)), list);
  defer(ttq);
  ttq.instance = (code) => defer(ttq._i[code] || []);
  ttq.load = (code) => {{
    ttq._i = ttq._i || {{}};
    ttq._i[code] = [];
    const script = document.createElement("script");
    script.async = true;
    script.src = "https://analytics.tiktok.com/i18n/pixel/events.js?sdkid=" + code + "&lib=" + name;
    document.head.appendChild(script);
  }};
  ttq.load("{PIXEL}");
  ttq.page();
}})(window, "ttq");
</script>"""

_LIBRARY = """(function () {
  const queued = window.ttq;
  const calls = (window.pixelCalls = []);
  const note = (call) => calls.push(call);
  const take = (method) => (...args) => { note([method, ...args]); };
  const library = {};
  queued.methods.forEach((method) => (library[method] = take(method)));
  library.instance = () => ({ track: take("track"), identify: take("identify") });
  const waiting = [...queued, ...Object.values(queued._i).flat()];
  queued.length = 0;
  INSTALL
  waiting.forEach(([method, ...args]) => library[method](...args));
})();"""

REPLACING = _LIBRARY.replace("INSTALL", "window.ttq = library;")
"""A library that puts an object of its own in the place of the base code's list."""

PATCHING = _LIBRARY.replace("INSTALL", "Object.assign(queued, library);")
"""A library that keeps the list and replaces its methods."""


async def serve_library(visitor: BrowserContext, source: str = REPLACING, *, is_first: bool = False) -> None:
    """TikTok's host answers with this library: after the snippet has started, being larger, unless `is_first`."""

    async def answer(route: Route) -> None:
        if not is_first:
            await _until_snippet(route)
        await route.fulfill(body=source, content_type="text/javascript")

    await visitor.route(LIBRARY_URL, answer)


async def block_library(visitor: BrowserContext, *, is_first: bool = True) -> None:
    """An ad blocker stops TikTok's host, at once; without `is_first`, only after the snippet has started."""

    async def refuse(route: Route) -> None:
        if not is_first:
            await _until_snippet(route)
        await route.abort("blockedbyclient")

    await visitor.route(LIBRARY_URL, refuse)


async def stall_library(visitor: BrowserContext) -> None:
    """TikTok's host never answers."""
    await stall(visitor, LIBRARY_URL)


async def stall(visitor: BrowserContext, url: str) -> None:
    """This address never answers."""
    await visitor.route(url, lambda _route: None)


async def _until_snippet(route: Route) -> None:
    await route.request.frame.wait_for_function("window.tg && tg.on")


async def pixel_calls(page: Page, method: str = "track") -> list[list[Any]]:
    """The arguments of every call of this method that reached the library."""
    calls: list[list[Any]] = await page.evaluate("window.pixelCalls || []")
    return [call[1:] for call in calls if call[0] == method]

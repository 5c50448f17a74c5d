"""From a click on an ad to TikTok's Events API: real Chromium, real TLS, our Caddyfile, the gateway as it is run."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from tests.browser.shop import PIXEL
from tests.browser.stack import CHROME, VISITOR_IP, Stack, open_stack
from tests.browser.tiktok_pixel import block_library, pixel_calls, serve_library

CLICK = "E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH"
SHOP = "https://www.acme.test"
TEE = '{content_type: "product", contents: [{content_id: "44", price: 20, quantity: 1}], value: 20, currency: "EUR"}'
DAY_S = 86_400


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(tls_port: int, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The stack starts once: Caddy makes its certificates, the gateway its database."""
    async with open_stack(tls_port, tmp_path_factory.mktemp("stack")) as opened:
        opened.pages.bodies["/products/tee"] = f"<script>ttq.track('ViewContent', {TEE})</script>"
        yield opened


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The stack, with a TikTok that has heard nothing yet."""
    running.tiktok.reset()
    return running


async def test_a_click_on_an_ad_reaches_tiktok_with_every_event(
    visitor: BrowserContext, page: Page, stack: Stack
) -> None:
    await serve_library(visitor)
    await page.goto(f"{SHOP}/?ttclid={CLICK}", referer="https://www.tiktok.com/")
    await page.goto(f"{SHOP}/products/tee")
    (viewed,) = await stack.until_told("ViewContent")
    calls = await pixel_calls(page)
    await page.evaluate(f"tg('track', 'AddToCart', {TEE}); location.href = '/cart'")
    (added,) = await stack.until_told("AddToCart")
    await page.wait_for_url("**/cart")
    await page.wait_for_function("tg.on && !localStorage.length")

    assert [options["event_id"] for _, _, options in calls] == [viewed["event_id"]]
    for event in (viewed, added):
        assert event["user"]["ttclid"] == CLICK
        assert (event["user"]["ip"], event["user"]["user_agent"]) == (VISITOR_IP, CHROME)
        assert event["page"]["url"] == f"{SHOP}/products/tee"
        assert event["properties"]["contents"] == [{"content_id": "44", "price": 20, "quantity": 1}]
    assert {(name, count) for (_, name, _), count in stack.tiktok.counts.items()} == {
        ("ViewContent", 1),
        ("AddToCart", 1),
    }
    assert len(stack.tiktok.events) == 2, "page views are the Pixel's own where it runs, and nothing was sent twice"


async def test_the_four_cookies_have_the_attributes_of_the_contract(
    visitor: BrowserContext, page: Page, stack: Stack
) -> None:
    await visitor.add_cookies([{"name": "_ttp", "value": "01JABC_.tt.1", "url": SHOP}])
    async with page.expect_response(lambda response: response.url.endswith("/a7/q")):
        await page.goto(f"{SHOP}/?ttclid={CLICK}")
    await page.wait_for_function("document.cookie.includes('_tgc')")
    cookies = {(cookie["name"], cookie["domain"]): cookie for cookie in await visitor.cookies()}
    expected = {
        ("_tgv", "t.acme.test"): (True, 400),
        ("_tgc", ".acme.test"): (False, 400),
        ("ttclid", ".acme.test"): (False, 90),
        ("_ttp", ".acme.test"): (False, 395),
    }
    assert expected.keys() <= cookies.keys()
    for key, (is_http_only, days) in expected.items():
        cookie = cookies[key]
        assert (cookie["path"], cookie["secure"], cookie["sameSite"]) == ("/", True, "Lax")
        assert cookie["httpOnly"] is is_http_only
        assert cookie["expires"] == pytest.approx(time.time() + days * DAY_S, abs=120)
    assert (cookies["ttclid", ".acme.test"]["value"], cookies["_ttp", ".acme.test"]["value"]) == (CLICK, "01JABC_.tt.1")


@pytest.mark.parametrize("lost", [None, "ttclid", "_tgv"])
async def test_a_later_visit_without_the_click_still_delivers_it(
    visitor: BrowserContext, page: Page, stack: Stack, lost: str | None
) -> None:
    await page.goto(f"{SHOP}/?ttclid={CLICK}")
    await page.wait_for_function("document.cookie.includes('_tgc') && !localStorage.length")
    await page.close()
    if lost:
        await visitor.clear_cookies(name=lost)
    later = await visitor.new_page()
    await later.goto(f"{SHOP}/")
    await later.evaluate("tg('track', 'Search', {search_string: 'tee'})")
    (searched,) = await stack.until_told("Search")
    assert searched["user"]["ttclid"] == CLICK
    assert searched["page"]["url"] == f"{SHOP}/"


async def test_with_the_pixel_blocked_the_events_say_so_and_arrive_all_the_same(
    visitor: BrowserContext, page: Page, stack: Stack
) -> None:
    await block_library(visitor)
    sent: list[dict[str, str]] = []
    page.on(
        "request", lambda request: sent.extend(json.loads(request.post_data)["events"]) if request.post_data else None
    )
    await page.goto(f"{SHOP}/products/tee?ttclid={CLICK}")
    (viewed,) = await stack.until_told("ViewContent")
    await stack.until_told("Pageview")
    assert {(event["event"], event["pixel"]) for event in sent} == {("Pageview", "blocked"), ("ViewContent", "blocked")}
    assert viewed["user"]["ttclid"] == CLICK


@pytest.mark.parametrize("answer", ["tg('consent', {marketing: false})", "0"], ids=["refused", "not asked"])
async def test_without_consent_nothing_is_set_stored_or_sent(
    visitor: BrowserContext, page: Page, stack: Stack, answer: str
) -> None:
    await serve_library(visitor)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method) if "t.bolt.test" in request.url else None)
    await page.goto(f"https://www.bolt.test/?ttclid={CLICK}")
    await page.evaluate(f"{answer}; ttq.track('ViewContent'); tg('track', 'AddToCart')")
    await page.goto("https://www.bolt.test/products/tee")
    await page.evaluate(f"{answer}; dispatchEvent(new Event('pagehide'))")
    assert await visitor.cookies() == []
    assert await page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert set(asked) == {"GET"}, "the script is all that was asked for"
    assert [event for event in stack.tiktok.events if "bolt.test" in event["page"]["url"]] == []


async def test_consent_sends_what_was_held_and_its_withdrawal_takes_the_cookies_away(
    visitor: BrowserContext, page: Page, stack: Stack
) -> None:
    await block_library(visitor)
    await page.goto(f"https://www.bolt.test/products/tee?ttclid={CLICK}")
    await page.evaluate("tg('consent', {marketing: true})")
    (viewed,) = await stack.until_told("ViewContent")
    assert viewed["user"]["ttclid"] == CLICK
    await page.wait_for_function("document.cookie.includes('_tgc')")
    await page.evaluate("tg('consent', {marketing: false})")
    await page.wait_for_function("!document.cookie.includes('_tgc')")
    assert await visitor.cookies() == []


async def test_an_event_survives_a_restart_of_the_gateway(visitor: BrowserContext, page: Page, stack: Stack) -> None:
    await serve_library(visitor)
    await page.goto(f"{SHOP}/?ttclid={CLICK}")
    await page.wait_for_function("document.cookie.includes('_tgc') && !localStorage.length")
    await stack.gateway.stop()
    await page.evaluate("tg('track', 'AddToCart', {}, {event_id: 'kept'})")
    await page.wait_for_function("localStorage.length")
    await stack.gateway.start()
    (added,) = await stack.until_told("AddToCart")
    await page.wait_for_function("!localStorage.length")
    assert (added["event_id"], added["user"]["ttclid"]) == ("kept", CLICK)
    assert stack.tiktok.counts[PIXEL, "AddToCart", "kept"] == len(stack.told("AddToCart")) == 1


async def test_answers_carry_the_security_headers_and_no_servers_name(stack: Stack, page: Page) -> None:
    answer = await page.goto("https://t.acme.test/a7/w.js")
    assert answer
    headers = await answer.all_headers()
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert headers["content-encoding"] == "br"
    assert headers.keys().isdisjoint({"server", "via"})


async def test_the_access_log_holds_no_personal_data(visitor: BrowserContext, page: Page, stack: Stack) -> None:
    await visitor.add_cookies([{"name": "_tgv", "value": "secret-cookie", "url": "https://t.acme.test"}])
    await page.goto(f"https://t.acme.test/readyz?secret=query&ttclid={CLICK}", referer=f"{SHOP}/?secret=referrer")
    log = stack.log.read_text()
    assert '"uri":"/readyz"' in log
    assert "secret" not in log
    assert CLICK not in log
    assert VISITOR_IP not in log
    assert "81.2.69.0" in log


async def test_a_claimed_address_is_not_believed(stack: Stack) -> None:
    beacon = {"v": 1, "page": {"url": SHOP}, "events": [{"event": "Search", "event_id": "claimed"}]}
    status = await stack.send("/a7/q", json.dumps(beacon), **{"x-forwarded-for": "9.9.9.9, 8.8.8.8"})
    (searched,) = await stack.until_told("Search")
    assert (status, searched["user"]["ip"]) == (204, VISITOR_IP)

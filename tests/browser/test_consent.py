"""The gate: nothing is set, stored or sent before consent, and nothing after its withdrawal."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.web.answers import Answer
from tests.browser.shop import COMPANION, Shop
from tests.browser.tiktok_pixel import BASE_CODE, pixel_calls, serve_library

either_mode = pytest.mark.parametrize("shop", [{"consent": "required"}, {"consent": "shopify"}], indirect=True)
needs_consent = pytest.mark.parametrize("shop", [{"consent": "required"}], indirect=True)
drives_pixel = pytest.mark.parametrize("shop", [{"consent": "required", "pixel_mode": "drive"}], indirect=True)
mirrors_pixel = pytest.mark.parametrize("shop", [{"consent": "required", "pixel_mode": "mirror"}], indirect=True)


async def traces(visitor: BrowserContext, page: Page) -> list[Any]:
    """Whatever of a visit is kept in the browser."""
    stored = await page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    return [*stored, *(await visitor.cookies())]


async def settle(page: Page, shop: Shop) -> None:
    """What could be sent has arrived: the page believes that it ends, and a later request has been answered."""
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    await page.evaluate(f"fetch('http://t.shop.localhost:{shop.port}/a7/w.js', {{mode: 'no-cors', cache: 'no-store'}})")


@either_mode
async def test_before_consent_events_wait_in_memory_alone(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/?ttclid=click"))
    await page.evaluate(
        "tg('track', 'ViewContent'); tg('identify', {email: 'a@shop.test'}); tg('consent', {analytics: true})"
    )
    await settle(page, shop)
    assert shop.beacons == []
    assert await traces(visitor, page) == []
    asked_at = await page.evaluate("Date.now()")
    await page.evaluate("tg('consent', {marketing: true, source: 'banner'})")
    (viewed,) = await shop.until_named("ViewContent")
    (body,) = [beacon.body for beacon in shop.beacons]
    assert viewed["at"] <= asked_at
    assert body["consent"] == {"marketing": True, "analytics": True, "source": "banner"}
    assert body["user"] == {"email": "a@shop.test"}
    assert body["ids"]["ttclid"] == "click"
    assert [event["event"] for event in body["events"]] == ["Pageview", "ViewContent"]


@either_mode
async def test_after_a_refusal_nothing_is_set_stored_or_sent(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/?ttclid=click"))
    await page.evaluate("tg('track', 'Held'); tg('consent', {marketing: false}); tg('track', 'After')")
    await settle(page, shop)
    told = await page.evaluate("new Promise((done) => tg('ids', done))")
    await page.goto(shop.url("/next"))
    assert (shop.beacons, any(told.values())) == ([], False)
    assert await traces(visitor, page) == []


@needs_consent
async def test_what_was_refused_stays_untold_when_consent_comes_later(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate("tg('track', 'Refused'); tg('consent', {marketing: false}); tg('consent', {marketing: true})")
    await page.evaluate("tg('track', 'Wanted')")
    await shop.until_named("Wanted")
    assert [event["event"] for event in shop.events] == ["Wanted"]


@needs_consent
async def test_only_a_boolean_is_consent(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate("for (const said of ['yes', 'true', 1, {}, null, undefined]) tg('consent', {marketing: said})")
    await settle(page, shop)
    assert shop.beacons == []


@needs_consent
async def test_a_gateway_that_knows_the_visitor_hears_of_the_withdrawal(
    visitor: BrowserContext, page: Page, shop: Shop
) -> None:
    shop.put("/", body="<script>tg('consent', {marketing: true})</script>")
    await page.goto(shop.url("/?ttclid=click"))
    await page.wait_for_function("document.cookie.includes('_tgc')")
    await page.evaluate(
        "tg('identify', {email: 'a@shop.test'}); tg('track', 'Held'); tg('consent', {marketing: false})"
    )
    await shop.until(lambda: len(shop.beacons) == 2)
    body = shop.beacons[1].body
    assert (body["consent"]["marketing"], body["events"], body["ids"]) == (False, [], {"companion": COMPANION})
    assert "user" not in body
    await page.wait_for_function("!document.cookie.includes('_tgc')")
    assert await page.evaluate("Object.keys(localStorage)") == []


async def test_a_withdrawal_forgets_what_was_waiting(page: Page, shop: Shop) -> None:
    shop.mood = Answer(503, [])
    await page.goto(shop.url("/"))
    await page.wait_for_function("localStorage.length")
    await page.evaluate("tg('consent', {marketing: false})")
    assert await page.evaluate("localStorage.length") == 0
    shop.mood = None
    await page.evaluate("dispatchEvent(new Event('online'))")
    await settle(page, shop)
    assert shop.events == []


async def test_where_consent_is_granted_a_refusal_still_closes(page: Page, shop: Shop) -> None:
    shop.put("/", head="{tag}<script>tg('consent', {marketing: false})</script>")
    await page.goto(shop.url("/"))
    await page.evaluate("tg('track', 'After')")
    await settle(page, shop)
    assert shop.beacons == []


async def test_a_refused_sale_is_told_with_every_beacon(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate("tg('consent', {sale_of_data: false})")
    await shop.until(lambda: len(shop.beacons) == 2)
    assert shop.beacons[1].body["consent"] == {"sale_of_data": False}
    assert shop.beacons[1].body["events"] == []


async def test_global_privacy_control_refuses_the_sale(page: Page, shop: Shop) -> None:
    await page.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})")
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    assert shop.beacons[0].body["consent"] == {"sale_of_data": False}


@drives_pixel
async def test_the_pixel_is_not_loaded_before_consent(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await serve_library(visitor)
    await page.goto(shop.url("/"))
    await page.evaluate("tg('track', 'ViewContent')")
    await settle(page, shop)
    assert await page.evaluate("[typeof ttq, document.querySelectorAll('script[src*=tiktok]').length]") == [
        "undefined",
        0,
    ]
    await page.evaluate("tg('consent', {marketing: true})")
    (viewed,) = await shop.until_named("ViewContent")
    assert viewed["pixel"] == "fired"
    assert [call[2]["event_id"] for call in await pixel_calls(page)] == [viewed["event_id"]]
    await page.evaluate("tg('consent', {marketing: false})")
    assert len(await pixel_calls(page, "revokeConsent")) == 1


@mirrors_pixel
async def test_what_only_tg_was_told_does_not_reach_the_pixel_before_consent(
    visitor: BrowserContext, page: Page, shop: Shop
) -> None:
    await serve_library(visitor)
    shop.put("/", head=BASE_CODE + "{tag}")
    await page.goto(shop.url("/"))
    await page.wait_for_function("window.pixelCalls && tg.on")
    await page.evaluate("tg('track', 'ViewContent'); tg('identify', {email: 'a@shop.test'})")
    assert await pixel_calls(page) == await pixel_calls(page, "identify") == []
    await page.evaluate("tg('consent', {marketing: true})")
    assert len(await pixel_calls(page)) == len(await pixel_calls(page, "identify")) == 1

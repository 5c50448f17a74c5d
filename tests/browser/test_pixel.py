"""The two legs of an event: the page's TikTok Pixel and the gateway tell TikTok one event under one id."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.shop import PIXEL, Shop
from tests.browser.tiktok_pixel import (
    BASE_CODE,
    LIBRARY_URL,
    PATCHING,
    REPLACING,
    block_library,
    pixel_calls,
    serve_library,
    stall,
    stall_library,
)

mirror = pytest.mark.parametrize("shop", [{"pixel_mode": "mirror"}], indirect=True)
drive = pytest.mark.parametrize("shop", [{"pixel_mode": "drive"}], indirect=True)
either_library = pytest.mark.parametrize("library", [REPLACING, PATCHING], ids=["replacing", "patching"])
either_order = pytest.mark.parametrize("head", [BASE_CODE + "{tag}", "{tag}" + BASE_CODE], ids=["after", "before"])

EARLY = f"<script>ttq.track('ViewContent', {{value: 5}}); ttq.instance('{PIXEL}').track('Search')</script>"


@mirror
@either_library
@either_order
async def test_every_call_of_the_pixel_reaches_both_legs_under_one_id(
    visitor: BrowserContext, page: Page, shop: Shop, library: str, head: str
) -> None:
    await serve_library(visitor, library)
    shop.put("/", head=head + EARLY)
    await page.goto(shop.url("/"))
    await shop.until_named("Search")
    await page.wait_for_function("tg.on && window.pixelCalls")
    await page.evaluate("ttq.track('AddToCart'); ttq.instance('C0').track('AddToWishlist', {}, {event_id: 'mine'})")
    await shop.until_named("AddToWishlist")
    told = {
        (event["event"], event["event_id"]): event["pixel"] for event in shop.events if event["event"] != "Pageview"
    }
    fired = [(name, options["event_id"]) for name, _, options in await pixel_calls(page)]
    assert sorted(told) == sorted(fired)
    assert ("AddToWishlist", "mine") in told
    assert set(told.values()) == {"fired"}
    assert len(await pixel_calls(page, "page")) == 1


@mirror
@either_library
async def test_what_tg_is_told_reaches_the_pixel_too(
    visitor: BrowserContext, page: Page, shop: Shop, library: str
) -> None:
    await serve_library(visitor, library)
    shop.put("/", head=BASE_CODE + "{tag}")
    await page.goto(shop.url("/"))
    await page.evaluate(
        """() => {
            tg('identify', {email: 'a@shop.test', phone: '+15550100', external_id: 7});
            tg('track', 'Purchase', {value: 9.5, custom: {kept: 1}}, {event_id: 'purchase_1'});
        }"""
    )
    (bought,) = await shop.until_named("Purchase")
    assert (bought["event_id"], bought["properties"]["value"]) == ("purchase_1", 9.5)
    assert await pixel_calls(page) == [["Purchase", {"value": 9.5, "custom": {"kept": 1}}, {"event_id": "purchase_1"}]]
    (identified,) = await pixel_calls(page, "identify")
    assert identified == [{"email": "a@shop.test", "phone_number": "+15550100", "external_id": "7"}]
    assert shop.beacons[-1].body["user"] == {"email": "a@shop.test", "phone": "+15550100", "external_id": "7"}


@mirror
async def test_whom_the_pixel_is_told_the_gateway_is_told(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await serve_library(visitor)
    hashed = "0" * 64
    shop.put(
        "/", head=BASE_CODE + f"<script>ttq.identify({{sha256_email: '{hashed}', phone_number: '+1'}})</script>{{tag}}"
    )
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    assert shop.beacons[0].body["user"] == {"email": hashed, "phone": "+1"}
    await page.evaluate("ttq.identify({external_id: 'c1'})")
    await shop.until(lambda: len(shop.beacons) == 2)
    assert shop.beacons[1].body["user"] == {"email": hashed, "phone": "+1", "external_id": "c1"}


@mirror
@either_library
async def test_a_library_that_was_first_keeps_its_early_calls_and_shares_the_later_ones(
    visitor: BrowserContext, page: Page, shop: Shop, library: str
) -> None:
    await serve_library(visitor, library, is_first=True)
    load = (
        f"const script = document.createElement('script'); script.src = 'http://t.shop.localhost:{shop.port}/a7/w.js';"
    )
    shop.put("/", head=BASE_CODE + EARLY + f"<script>onload = () => {{ {load} document.head.append(script) }}</script>")
    await page.goto(shop.url("/"))
    await page.wait_for_function("window.tg && tg.on")
    await page.evaluate("ttq.track('AddToCart')")
    (added,) = await shop.until_named("AddToCart")
    assert [event["event"] for event in shop.events] == ["Pageview", "AddToCart"]
    assert {event["pixel"] for event in shop.events} == {"fired"}
    assert (await pixel_calls(page))[-1] == ["AddToCart", {}, {"event_id": added["event_id"]}]


def waited_ms(shop: Shop) -> int:
    """How long the first beacon was held back."""
    body = shop.beacons[0].body
    return int(body["sent_at"] - body["events"][0]["at"])


@mirror
async def test_a_pixel_blocked_before_the_snippet_came_is_told_once_the_page_is_complete(
    visitor: BrowserContext, page: Page, shop: Shop
) -> None:
    await block_library(visitor)
    shop.put("/", head=BASE_CODE + "<script>ttq.track('ViewContent')</script>{tag}")
    await page.goto(shop.url("/"))
    await shop.until_named("ViewContent")
    assert {event["pixel"] for event in shop.events} == {"blocked"}
    assert waited_ms(shop) < 2000


@mirror
@pytest.mark.parametrize("fate", ["blocked", "fired"])
async def test_what_becomes_of_the_library_is_told_while_the_page_still_loads(
    visitor: BrowserContext, page: Page, shop: Shop, fate: str
) -> None:
    """The library is known by its script; a real one then loads a second part, which here never comes."""
    if fate == "blocked":
        await block_library(visitor, is_first=False)
    else:
        await serve_library(visitor, "/* the first part */")
    await stall(visitor, "**/never.png")
    shop.put("/", head=BASE_CODE + "{tag}", body='<img src="/never.png">')
    await page.goto(shop.url("/"), wait_until="commit")
    (view,) = await shop.until_named("Pageview")
    assert view["pixel"] == fate
    assert waited_ms(shop) < 2000


@mirror
async def test_a_library_that_does_not_come_counts_as_blocked(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await stall_library(visitor)
    shop.put("/", head=BASE_CODE + "{tag}")
    await page.goto(shop.url("/"), wait_until="commit")
    (view,) = await shop.until_named("Pageview")
    assert view["pixel"] == "blocked"
    assert shop.beacons[0].body["sent_at"] - view["at"] >= 2000


@mirror
async def test_a_page_that_ends_while_the_library_loads_says_blocked(
    visitor: BrowserContext, page: Page, shop: Shop
) -> None:
    await stall_library(visitor)
    shop.put("/", head=BASE_CODE + "{tag}")
    await page.goto(shop.url("/"), wait_until="commit")
    await page.wait_for_function("window.tg && tg.on")
    await page.goto("about:blank")
    (view,) = await shop.until_named("Pageview")
    assert view["pixel"] == "blocked"


@mirror
async def test_a_page_without_a_pixel_says_so(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    (view,) = await shop.until_named("Pageview")
    assert view["pixel"] == "absent"


@mirror
@either_library
async def test_a_pixel_that_a_tag_manager_brings_late_is_mirrored(
    visitor: BrowserContext, page: Page, shop: Shop, library: str
) -> None:
    await serve_library(visitor, library)
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate(
        "(html) => document.head.append(document.createRange().createContextualFragment(html))", BASE_CODE + EARLY
    )
    (viewed,) = await shop.until_named("ViewContent")
    (searched,) = await shop.until_named("Search")
    fired = {options["event_id"] for _, _, options in await pixel_calls(page)}
    assert {viewed["event_id"], searched["event_id"]} == fired
    assert viewed["pixel"] == "fired"


@mirror
async def test_the_pages_own_event_id_is_kept(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await serve_library(visitor)
    shop.put("/", head=BASE_CODE + "{tag}<script>ttq.track('Purchase', {}, {event_id: 5678, test: 1})</script>")
    await page.goto(shop.url("/"))
    (bought,) = await shop.until_named("Purchase")
    assert bought["event_id"] == "5678"
    assert await pixel_calls(page) == [["Purchase", {}, {"event_id": "5678", "test": 1}]]


async def test_a_pixel_that_is_off_is_left_alone(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await serve_library(visitor)
    shop.put("/", head=BASE_CODE + "{tag}<script>ttq.track('Purchase', {value: 1})</script>")
    await page.goto(shop.url("/"))
    await page.evaluate("tg('track', 'AddToCart')")
    (added,) = await shop.until_named("AddToCart")
    assert added["pixel"] == "off"
    assert shop.named("Purchase") == []
    await page.wait_for_function("window.pixelCalls")
    assert await pixel_calls(page) == [["Purchase", {"value": 1}]]


@drive
async def test_drive_loads_the_pixel_and_makes_both_legs(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await serve_library(visitor)
    await page.goto(shop.url("/"))
    await page.evaluate("tg('identify', {email: 'a@shop.test'}); tg('track', 'AddToCart', {value: 1})")
    (added,) = await shop.until_named("AddToCart")
    source = await page.evaluate("document.querySelector('script[src*=tiktok]').src")
    assert source == f"https://analytics.tiktok.com/i18n/pixel/events.js?sdkid={PIXEL}&lib=ttq"
    assert await pixel_calls(page) == [["AddToCart", {"value": 1}, {"event_id": added["event_id"]}]]
    assert len(await pixel_calls(page, "page")) == 1
    assert await page.evaluate("window.pixelCalls.map((call) => call[0])") == ["page", "identify", "track"]
    await page.evaluate("history.pushState({}, '', '/next')")
    await shop.until_named("Pageview", 2)
    assert len(await pixel_calls(page, "page")) == 2
    assert {event["pixel"] for event in shop.events} == {"fired"}


@drive
async def test_a_driven_pixel_that_is_blocked_says_so(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await block_library(visitor)
    await page.goto(shop.url("/"))
    (view,) = await shop.until_named("Pageview")
    assert view["pixel"] == "blocked"


@drive
async def test_a_driven_pixel_hears_of_a_refused_sale(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await visitor.route(
        LIBRARY_URL, lambda route: route.fulfill(body="window.options = ttq._o", content_type="text/javascript")
    )
    shop.put("/", head="{tag}<script>tg('consent', {sale_of_data: false})</script>")
    await page.goto(shop.url("/"))
    await page.wait_for_function("window.options")
    assert await page.evaluate("options") == {PIXEL: {"limited_data_use": True}}

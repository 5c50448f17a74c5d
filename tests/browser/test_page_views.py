"""What a visit tells without anybody calling `tg`."""

from __future__ import annotations

import re

from playwright.async_api import Page

from tests.browser.shop import Shop

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def test_a_page_is_reported_on_load(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/products/tee?color=red#reviews"), referer="https://www.tiktok.com/")
    (view,) = await shop.until_named("Pageview")
    assert view["page"] == {"url": shop.url("/products/tee?color=red"), "referrer": "https://www.tiktok.com/"}
    assert UUID7.fullmatch(view["event_id"])
    assert view["at"] <= shop.beacons[0].body["sent_at"]


async def test_a_pushed_address_is_a_page_view_and_each_event_keeps_its_own_page(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate(
        """() => {
            tg('track', 'Search', {search_string: 'tee'});
            history.pushState({}, '', '/products/tee');
            tg('track', 'ViewContent');
        }"""
    )
    (found,) = await shop.until_named("Search")
    (viewed,) = await shop.until_named("ViewContent")
    _, pushed = shop.named("Pageview")
    assert found["page"] == {"url": shop.url("/"), "referrer": ""}
    assert pushed["page"] == viewed["page"] == {"url": shop.url("/products/tee"), "referrer": shop.url("/")}


async def test_going_back_is_a_page_view(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate("history.pushState({}, '', '/cart'); history.back()")
    views = await shop.until_named("Pageview", 3)
    assert [view["page"]["url"] for view in views] == [shop.url("/"), shop.url("/cart"), shop.url("/")]


async def test_a_rewritten_address_and_a_fragment_are_no_page_views(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/products/tee"))
    await page.evaluate(
        """async () => {
            history.replaceState({}, '', '/products/tee?variant=2');
            history.pushState({}, '', '#reviews');
            location.hash = 'size-guide';
            await new Promise((done) => addEventListener('hashchange', done, {once: true}));
            tg('track', 'AddToCart');
        }"""
    )
    (added,) = await shop.until_named("AddToCart")
    assert len(shop.named("Pageview")) == 1
    assert added["page"]["url"] == shop.url("/products/tee?variant=2")


async def test_the_pages_own_history_calls_work_as_before(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    assert await page.evaluate("history.pushState({step: 1}, '', '/a'), history.state.step") == 1
    refusal = "try { history.pushState({}, '', 'https://elsewhere.test/') } catch (error) { error.name }"
    assert await page.evaluate(refusal) == "SecurityError"


async def test_a_page_view_can_be_reported_by_hand(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate("tg('page')")
    views = await shop.until_named("Pageview", 2)
    assert len({view["event_id"] for view in views}) == 2


async def test_a_page_rendered_ahead_is_viewed_when_it_is_visited(page: Page, shop: Shop) -> None:
    await page.add_init_script("Object.defineProperty(document, 'prerendering', {value: true})")
    await page.goto(shop.url("/"))
    await page.evaluate("tg('track', 'Early')")
    await page.wait_for_function(
        "performance.getEntriesByType('resource').some((entry) => entry.name.endsWith('w.js'))"
    )
    assert shop.beacons == []
    await page.evaluate("document.dispatchEvent(new Event('prerenderingchange'))")
    await shop.until_named("Early")
    assert len(shop.named("Pageview")) == 1

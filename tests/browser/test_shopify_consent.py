"""Consent mode `shopify`: the gate is shut until Shopify's Customer Privacy API, or another tool, says yes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.shop import COMPANION
from tests.browser.storefront import TEE, Storefront


async def until_quiet(page: Page, storefront: Storefront) -> None:
    """What could be sent has arrived: the page believes that it ends, and a later request has been answered."""
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    await page.evaluate(
        f"fetch('http://t.shop.localhost:{storefront.port}/a7/w.js', {{mode: 'no-cors', cache: 'no-store'}})"
    )


async def traces(visitor: BrowserContext, page: Page) -> list[Any]:
    """Whatever of a visit is kept in the browser."""
    stored = await page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    return [*stored, *(await visitor.cookies())]


@pytest.fixture
def product_page(storefront: Storefront) -> str:
    """A page with something of everything to tell."""
    return storefront.theme("/products/tee", "product", product=TEE, customer={"id": 7, "email": "ada@example.com"})


async def test_a_region_or_visitor_that_allows_it_opens_the_gate(
    visitor: BrowserContext, page: Page, storefront: Storefront, product_page: str
) -> None:
    await page.goto(product_page)
    await storefront.until_named("ViewContent")
    said = {"marketing": True, "analytics": True, "sale_of_data": True, "source": "shopify"}
    assert storefront.beacons[0].body["consent"] == said
    await page.wait_for_function("document.cookie.includes('_tgc')")


@pytest.mark.parametrize("choice", ["", "no"])
async def test_without_consent_nothing_is_set_stored_or_sent(
    visitor: BrowserContext, page: Page, storefront: Storefront, product_page: str, choice: str
) -> None:
    storefront.choice = choice
    await page.clock.install()
    await page.goto(product_page + "?ttclid=click")
    await page.clock.run_for(100)
    await page.wait_for_function("Shopify.customerPrivacy")
    await page.evaluate("fetch('/cart/add.js', {method: 'POST', body: 'id=77'}).then(() => 1)")
    await page.clock.run_for(5000)
    await until_quiet(page, storefront)
    assert storefront.requests == 0
    assert await traces(visitor, page) == []


async def test_what_waited_for_the_choice_leaves_with_a_yes(
    page: Page, storefront: Storefront, product_page: str
) -> None:
    storefront.choice = ""
    await page.goto(product_page + "?ttclid=click")
    await page.wait_for_function("Shopify.customerPrivacy")
    await until_quiet(page, storefront)
    assert storefront.requests == 0
    await page.evaluate("choose('yes')")
    await storefront.until_named("ViewContent")
    (body,) = [beacon.body for beacon in storefront.beacons]
    assert [event["event"] for event in body["events"]] == ["Pageview", "ViewContent"]
    assert (body["consent"]["marketing"], body["ids"]["ttclid"], body["user"]["external_id"]) == (True, "click", "7")


async def test_what_was_told_before_a_no_is_never_sent(page: Page, storefront: Storefront, product_page: str) -> None:
    storefront.choice = ""
    await page.goto(product_page)
    await page.wait_for_function("Shopify.customerPrivacy")
    await page.evaluate("choose('no'); choose('yes'); tg('track', 'After')")
    await storefront.until_named("After")
    assert [event["event"] for event in storefront.events] == ["After"]


@pytest.mark.parametrize("privacy", ["fails", "missing"])
async def test_an_api_that_does_not_come_leaves_the_gate_shut(
    visitor: BrowserContext, page: Page, storefront: Storefront, product_page: str, privacy: str
) -> None:
    storefront.privacy = privacy
    await page.goto(product_page)
    await page.wait_for_function("window.tg && tg.on")
    await until_quiet(page, storefront)
    assert storefront.requests == 0
    assert await traces(visitor, page) == []


async def test_an_api_that_comes_with_the_banner_is_still_heard(
    page: Page, storefront: Storefront, product_page: str
) -> None:
    storefront.privacy, storefront.choice = "missing", ""
    await page.goto(product_page)
    await page.wait_for_function("window.tg && tg.on")
    await page.evaluate("choose('yes')")
    await storefront.until_named("ViewContent")


async def test_shopifys_script_may_come_after_ours(page: Page, storefront: Storefront) -> None:
    tag = storefront.theme("/", product=None)
    html = storefront.pages["/"]
    storefront.pages["/"] = html.replace("{shopify}", "").replace("</body>", "{shopify}</body>")
    await page.goto(tag)
    await storefront.until_named("Pageview")


async def test_another_consent_tool_opens_the_gate_by_itself(
    page: Page, storefront: Storefront, product_page: str
) -> None:
    storefront.privacy = "missing"
    await page.goto(product_page)
    await page.wait_for_function("window.tg && tg.on")
    await page.evaluate("tg('consent', {marketing: true, source: 'banner'})")
    await storefront.until_named("ViewContent")
    assert storefront.beacons[0].body["consent"] == {"marketing": True, "source": "banner"}


async def test_a_withdrawal_is_told_and_forgets_everything(
    visitor: BrowserContext, page: Page, storefront: Storefront, product_page: str
) -> None:
    await page.goto(product_page)
    await page.wait_for_function("(localStorage._tgw || '').includes('true')")
    await page.evaluate("choose('no')")
    await storefront.until(lambda: storefront.beacons[-1].body["consent"]["marketing"] is False)
    body = storefront.beacons[-1].body
    assert (body["ids"], body["events"]) == ({"companion": COMPANION}, [])
    await page.wait_for_function("!document.cookie.includes('_tgc')")
    assert await traces(visitor, page) == []


async def test_a_sale_that_was_opted_out_of_is_told(page: Page, storefront: Storefront, product_page: str) -> None:
    storefront.sale = False
    await page.goto(product_page)
    await storefront.until_named("ViewContent")
    assert storefront.beacons[0].body["consent"]["sale_of_data"] is False


async def test_global_privacy_control_outweighs_the_shops_settings(
    page: Page, storefront: Storefront, product_page: str
) -> None:
    await page.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})")
    await page.goto(product_page)
    await storefront.until_named("ViewContent")
    assert storefront.beacons[0].body["consent"]["sale_of_data"] is False


@pytest.mark.parametrize("storefront", [{"consent": "required"}], indirect=True)
async def test_where_the_shops_own_banner_decides_shopify_is_not_asked(
    page: Page, storefront: Storefront, product_page: str
) -> None:
    await page.goto(product_page)
    await page.wait_for_function("window.tg && tg.on")
    await page.evaluate("choose('yes')")
    await until_quiet(page, storefront)
    assert storefront.requests == 0
    await page.evaluate("tg('consent', {marketing: true})")
    await storefront.until_named("ViewContent")

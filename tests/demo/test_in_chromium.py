"""The demo as a person tries it: a real browser in the store, and TikTok's stand-in behind the gateway."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Frame, Page, async_playwright

from gateway.demo.hearing import read_tellings
from gateway.demo.stage import Stage
from tests.browsers import SWITCHED_OFF, find_chromium
from tests.demo.conftest import overhear_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def chromium_path() -> str | None:
    """Asked outside any event loop, as Playwright wants it."""
    return find_chromium()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(chromium_path: str | None) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path, args=[f"--disable-features={','.join(SWITCHED_OFF)}"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A tab of a browser that has been nowhere; whatever a page throws fails its test."""
    thrown: list[str] = []
    async with await chromium.new_context() as context:
        page = await context.new_page()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        yield page
    assert not thrown, "the page threw"


@pytest_asyncio.fixture(loop_scope="module")
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with overhear_stage(tmp_path) as on_stage:
        yield on_stage.stage


async def accepted(stage: Stage, name: str) -> dict[str, Any]:
    """The event of this name, once TikTok has accepted it."""

    def find() -> list[dict[str, Any]]:
        return [event for event in stage.tiktok.events if event["event"] == name]

    await stage.tiktok.until(find, timeout_s=60)
    (event,) = find()
    return event


async def sandbox(page: Page) -> Frame:
    """The frame of the custom pixel, once the pixel runs."""
    await page.wait_for_function("document.querySelector('#WebPixelsManagerSandboxContainer iframe')")
    (frame,) = page.frames[1:]
    await until(frame, "window.analytics")
    return frame


async def until(frame: Frame, expression: str) -> None:
    """The expression is true. A hidden frame is never painted, so it cannot be looked at with each painting."""
    await frame.wait_for_function(expression, polling=20)


async def pay(page: Page) -> None:
    await page.get_by_label("Email").fill("kim@example.com")
    await page.get_by_role("button", name="Pay").click()
    await page.get_by_role("heading", name="Thank you").wait_for()


# -- the way of an event


async def test_an_ad_click_with_consent_becomes_a_purchase_with_every_match_key(stage: Stage, page: Page):
    await page.goto(f"{stage.site.gateway_url}/go?to=/products/morning-mug&ttclid=E.C.P.kim")
    await page.get_by_role("button", name="Yes, that is fine").click()
    viewed = await accepted(stage, "ViewContent")
    assert await page.locator("[data-panel=rows] .pixel", has_text=viewed["event_id"]).count() == 1
    await page.get_by_role("button", name="Add to cart").click()
    await page.get_by_role("link", name="View cart").click()
    await page.get_by_role("button", name="Check out").click()
    await pay(page)
    bought = await accepted(stage, "Purchase")

    assert viewed["user"]["ttclid"] == bought["user"]["ttclid"] == "E.C.P.kim"
    assert {"ttp", "email", "phone", "ip", "user_agent", "external_id"} <= set(bought["user"])
    assert await page.get_by_text(bought["event_id"]).count() == 1
    assert (await accepted(stage, "AddPaymentInfo"))["user"]["ttclid"] == "E.C.P.kim"


@pytest.mark.parametrize(
    ("query", "told_by"),
    [
        ("ttclid=E.C.P.kim", {"snippet", "custom pixel", "checkouts/create"}),
        ("ttclid=E.C.P.kim&pixel=blocked", {"snippet, Pixel blocked", "checkouts/create"}),
    ],
    ids=["all of them", "pixels blocked"],
)
async def test_going_to_the_checkout_counts_once_whoever_tells_of_it(
    tmp_path: Path, page: Page, query: str, told_by: set[str]
):
    async with overhear_stage(tmp_path) as on_stage:
        stage = on_stage.stage
        await page.goto(f"{stage.site.store_url}/products/morning-mug?{query}")
        await page.get_by_role("button", name="Yes, that is fine").click()
        await page.get_by_role("button", name="Add to cart").click()
        await accepted(stage, "AddToCart")
        await page.get_by_role("link", name="View cart").click()
        await page.wait_for_url("**/cart")  # with all of its scripts
        await page.get_by_role("button", name="Check out").click()
        await page.wait_for_url("**/checkouts/**")
        token = page.url.split("/")[-1].partition("?")[0]
        await stage.courier.wait()
        started = await accepted(stage, "InitiateCheckout")
        await pay(page)
        await accepted(stage, "Purchase")
        tellings = [telling for exchange in on_stage.at_gateway for telling in read_tellings(exchange)]

        assert {telling.by for telling in tellings if telling.event == "InitiateCheckout"} == told_by
        assert started["event_id"] == f"checkout_{token}_InitiateCheckout"
        assert (started["user"]["ttclid"], started["properties"]["value"]) == ("E.C.P.kim", 18)
        assert read_starts(stage.folder) == [(started["event_id"], len(told_by) - 1, "accepted")]


def read_starts(folder: Path) -> list[tuple[str, int, str]]:
    """Every start of a checkout that the gateway has stored: its id, how often it was told once more, its fate."""
    with contextlib.closing(sqlite3.connect(folder / "demo.db")) as connection:
        query = "SELECT event_id, duplicates, fate FROM events WHERE event = 'InitiateCheckout'"
        return connection.execute(query).fetchall()


async def test_buy_it_now_finds_the_click_without_a_cart(stage: Stage, page: Page):
    await page.goto(f"{stage.site.gateway_url}/go?to=/products/supper-plates&ttclid=E.C.P.kim")
    await page.get_by_role("button", name="Yes, that is fine").click()
    await accepted(stage, "ViewContent")
    await page.get_by_role("button", name="Buy it now").click()
    await pay(page)

    assert (await accepted(stage, "Purchase"))["user"]["ttclid"] == "E.C.P.kim"


async def test_a_blocked_pixel_hides_nothing_from_the_gateway(stage: Stage, page: Page):
    await page.goto(f"{stage.site.store_url}/products/field-vase?pixel=blocked")
    await page.get_by_role("button", name="Yes, that is fine").click()
    viewed = await accepted(stage, "ViewContent")

    assert (await accepted(stage, "Pageview"))["page"]["url"].endswith("?pixel=blocked")
    assert "ttp" not in viewed["user"]
    assert await page.locator("[data-panel=pixel]").text_content() == "blocked"
    assert len(page.frames) == 1


async def test_with_both_pixels_blocked_the_cart_leads_the_order_to_its_click(stage: Stage, page: Page):
    await page.goto(f"{stage.site.store_url}/products/field-vase?pixel=blocked&ttclid=E.C.P.kim")
    await page.get_by_role("button", name="Yes, that is fine").click()
    async with page.expect_response("**/cart/update.js"):
        await accepted(stage, "ViewContent")
    await page.get_by_role("button", name="Add to cart").click()
    await page.get_by_role("link", name="View cart").click()
    await page.get_by_role("button", name="Check out").click()
    await pay(page)

    assert (await accepted(stage, "Purchase"))["user"]["ttclid"] == "E.C.P.kim"


async def test_a_refusal_is_kept_by_the_store_and_by_nobody_else(stage: Stage, page: Page):
    await page.goto(f"{stage.site.store_url}/products/field-vase?ttclid=E.C.P.kim")
    await page.get_by_role("button", name="No, thank you").click()
    await page.get_by_role("button", name="Add to cart").click()
    await page.get_by_role("link", name="View cart").click()
    await page.get_by_role("button", name="Check out").click()
    await pay(page)
    await stage.courier.wait()
    cookies = {cookie["name"] for cookie in await page.context.cookies()}

    assert cookies == {"demo_consent", "demo_visit"}
    assert not stage.tiktok.requests


# -- the sandbox


async def test_the_sandbox_is_a_stranger_to_its_page(stage: Stage, page: Page):
    await page.goto(stage.site.store_url)
    frame = await sandbox(page)
    tokens = await page.locator("iframe").get_attribute("sandbox")

    assert tokens == "allow-scripts allow-forms"
    assert frame.name.startswith("web-pixel-sandbox-CUSTOM-")
    assert await frame.evaluate("origin") == "null"
    assert await frame.evaluate("(() => { try { return document.cookie } catch (error) { return error.name } })()") == (
        "SecurityError"
    )


async def test_the_pixel_reaches_the_pages_cookies_and_storage_by_asking(stage: Stage, page: Page):
    await page.goto(stage.site.store_url)
    frame = await sandbox(page)
    await frame.evaluate("browser.cookie.set('colour=red; Path=/')")
    await frame.evaluate("browser.localStorage.setItem('size', 'L')")
    await frame.evaluate("browser.sessionStorage.setItem('shape', 'round')")

    assert "colour=red" in await page.evaluate("document.cookie")
    assert await page.evaluate("[localStorage.size, sessionStorage.shape]") == ["L", "round"]
    assert await frame.evaluate("browser.cookie.get('colour')") == "red"
    assert await frame.evaluate("browser.localStorage.getItem('size')") == "L"
    assert (
        await frame.evaluate("browser.sessionStorage.removeItem('shape').then(() => browser.sessionStorage.length())")
        >= 0
    )
    assert await page.evaluate("sessionStorage.shape") is None


async def test_late_subscribers_hear_what_the_page_has_published(stage: Stage, page: Page):
    await page.goto(f"{stage.site.store_url}/products/morning-mug")
    frame = await sandbox(page)
    await frame.evaluate("window.heard = []; analytics.subscribe('all_standard_events', (event) => heard.push(event))")
    await frame.evaluate("analytics.subscribe('product_added_to_cart', (event) => heard.push(event))")
    await page.evaluate("Shopify.analytics.publish('mine', {x: 1})")
    await page.get_by_role("button", name="No, thank you").click()
    await page.get_by_role("button", name="Add to cart").click()
    await until(frame, "heard.length === 4")
    heard = await frame.evaluate("heard")

    assert [event["name"] for event in heard] == [
        "page_viewed",
        "product_viewed",
        "product_added_to_cart",
        "product_added_to_cart",
    ]
    assert heard[1]["data"]["productVariant"]["product"]["title"] == "Morning Mug"
    assert heard[2]["data"]["cartLine"]["merchandise"]["price"] == {"amount": 18, "currencyCode": "EUR"}
    assert heard[0]["context"]["document"]["location"]["pathname"] == "/products/morning-mug"
    assert len({event["clientId"] for event in heard}) == 1


async def test_the_pixel_is_told_of_consent_at_its_start_and_when_it_changes(stage: Stage, page: Page):
    await page.goto(stage.site.store_url)
    frame = await sandbox(page)
    await frame.evaluate(
        "api.customerPrivacy.subscribe('visitorConsentCollected', (event) => (window.chosen = event.customerPrivacy))"
    )
    before = await frame.evaluate("init.customerPrivacy.marketingAllowed")
    await page.get_by_role("button", name="Yes, that is fine").click()
    await until(frame, "window.chosen")

    assert before is False
    assert await frame.evaluate("chosen") == dict.fromkeys(
        ("analyticsProcessingAllowed", "marketingAllowed", "preferencesProcessingAllowed", "saleOfDataAllowed"), True
    )

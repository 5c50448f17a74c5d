"""The demo as a person tries it: a real browser in the store, and TikTok's stand-in behind the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright

from gateway.demo.stage import Stage, open_stage, take_port
from tests.browsers import find_chromium


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    with take_port(0) as sock:
        async with open_stage(sock, tmp_path, lambda _: None, lambda _: None) as stage:
            yield stage


@pytest.fixture(scope="module")
def chromium_path() -> str | None:
    """Asked outside any event loop, as Playwright wants it."""
    return find_chromium()


@pytest.fixture
async def page(chromium_path: str | None) -> AsyncIterator[Page]:
    """A tab of a browser that has been nowhere; whatever a page throws fails its test."""
    thrown: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path)
        page = await browser.new_page()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        yield page
        await browser.close()
    assert not thrown, "the page threw"


async def accepted(stage: Stage, name: str) -> dict[str, Any]:
    """The event of this name, once TikTok has accepted it."""

    def find() -> list[dict[str, Any]]:
        return [event for event in stage.tiktok.events if event["event"] == name]

    await stage.tiktok.until(find)
    (event,) = find()
    return event


async def buy(page: Page) -> None:
    await page.get_by_role("button", name="Add to cart").click()
    await page.get_by_role("link", name="View cart").click()
    await page.get_by_role("button", name="Check out").click()
    await page.get_by_label("Email").fill("kim@example.com")
    await page.get_by_role("button", name="Pay").click()
    await page.get_by_role("heading", name="Thank you").wait_for()


async def test_an_ad_click_with_consent_becomes_a_purchase_with_every_match_key(stage: Stage, page: Page):
    await page.goto(f"{stage.site.gateway_url}/go?to=/products/morning-mug&ttclid=E.C.P.kim")
    await page.get_by_role("button", name="Yes, that is fine").click()
    viewed = await accepted(stage, "ViewContent")
    await buy(page)
    bought = await accepted(stage, "Purchase")

    assert await page.locator("[data-panel=rows] .pixel", has_text=viewed["event_id"]).count() == 1
    assert viewed["user"]["ttclid"] == bought["user"]["ttclid"] == "E.C.P.kim"
    assert {"ttp", "email", "phone", "ip", "user_agent", "external_id"} <= set(bought["user"])
    assert await page.get_by_text(bought["event_id"]).count() >= 1


async def test_a_blocked_pixel_hides_nothing_from_the_gateway(stage: Stage, page: Page):
    await page.goto(f"{stage.site.store_url}/products/field-vase?pixel=blocked")
    await page.get_by_role("button", name="Yes, that is fine").click()
    viewed = await accepted(stage, "ViewContent")

    assert (await accepted(stage, "Pageview"))["page"]["url"].endswith("?pixel=blocked")
    assert "ttp" not in viewed["user"]
    assert await page.locator("[data-panel=pixel]").text_content() == "blocked"


async def test_a_refusal_is_kept_by_the_store_and_by_nobody_else(stage: Stage, page: Page):
    await page.goto(f"{stage.site.store_url}/products/field-vase?ttclid=E.C.P.kim")
    await page.get_by_role("button", name="No, thank you").click()
    await page.get_by_role("button", name="Add to cart").click()
    await page.get_by_role("link", name="View cart").click()
    await page.get_by_role("heading", name="Your cart").wait_for()
    cookies = {cookie["name"] for cookie in await page.context.cookies()}

    assert cookies == {"demo_consent", "cart"}
    assert not await page.get_by_role("button", name="No, thank you").is_visible()
    assert not stage.tiktok.requests

"""The pages of figures in a browser, with a month to show: every look, by axe-core, and what their buttons do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.admin.desk import Reader
from tests.admin.figures import running_figures
from tests.browser.test_dashboard import LOOKS, find_faults, has_sideways_scroll, page, to_shot
from tests.servers import PIXEL

__all__ = ["page"]

PIXELS = [{"code": code, "access_token": "token-of-a-test"} for code in (PIXEL, "C0OTHERPIXEL00000000")]
FIGURES = ("overview", "recovered", "orders", "match-keys", "cookies")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def seeded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """A month of a shop with two pixels, one of which nothing was sent to."""
    async with running_figures(tmp_path_factory.mktemp("month"), pixels=PIXELS) as reader:
        yield reader


async def enter(page: Page, reader: Reader) -> None:
    """The first page, with a session that is there already: a password is tried five times a minute at most."""
    url = f"{reader.gateway.base_url}/admin"
    await page.context.add_cookies([{"name": "tag_gateway_session", "value": reader.cookie or "", "url": url}])
    await page.goto(f"{url}/")


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=["phone-light", "phone-dark", "desk-light", "desk-dark"])
async def test_pages_of_figures_are_sound(
    page: Page, seeded: Reader, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    look, faults = request.node.callspec.id, {}
    await enter(page, seeded)
    for name in FIGURES:
        await page.goto(f"{seeded.gateway.base_url}/admin/{name}")
        await expect(page.locator("figure.chart svg").first).to_be_visible()
        for table in await page.get_by_text("The same as a table").all():
            await table.click()
        faults[name] = await find_faults(page)
        await page.screenshot(path=to_shot(tmp_path, f"{name}-month", look), full_page=True)
        if await has_sideways_scroll(page):
            faults[name].append("the page is wider than the screen")
    await search(page, seeded, "#1000")
    faults["ledger"] = await find_faults(page)
    await page.screenshot(path=to_shot(tmp_path, "ledger-found", look), full_page=True)
    assert not {name: found for name, found in faults.items() if found}


async def search(page: Page, seeded: Reader, text: str) -> None:
    await page.goto(f"{seeded.gateway.base_url}/admin/ledger")
    await expect(page.get_by_label("Order number or id")).to_be_focused()
    await page.keyboard.type(text)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_be_visible()


async def test_a_person_is_looked_for_without_leaving_a_trace_in_the_address(page: Page, seeded: Reader) -> None:
    (person,) = seeded.gateway.rows("SELECT id FROM visitors WHERE email IS NOT NULL ORDER BY id LIMIT 1")
    await enter(page, seeded)
    await search(page, seeded, f"shopper{int(person['id'][-19:])}@example.com")
    await expect(page.get_by_text(person["id"]).first).to_be_visible()
    assert page.url.endswith("/admin/ledger")
    assert "@" not in await page.content()


async def test_the_period_and_the_pixel_are_chosen_and_kept(page: Page, seeded: Reader) -> None:
    await enter(page, seeded)
    await page.get_by_role("link", name="30 days").click()
    await page.get_by_label("Pixel").select_option("C0OTHERPIXEL00000000")
    await page.wait_for_url(re.compile("days=30&pixel=C0OTHERPIXEL00000000"))
    await expect(page.get_by_role("heading", name="Nothing came in")).to_be_visible()
    await page.get_by_role("link", name="90 days").click()
    await expect(page.get_by_label("Pixel")).to_have_value("C0OTHERPIXEL00000000")


async def test_a_chart_tells_its_values_as_a_table_to_the_keyboard(page: Page, seeded: Reader) -> None:
    await enter(page, seeded)
    first = page.locator("figure").first
    await first.locator("summary").focus()
    await page.keyboard.press("Enter")
    await expect(first.get_by_role("table")).to_be_visible()
    await expect(first.get_by_role("img", name="Events")).to_be_visible()


async def test_the_heal_button_says_why_it_is_off(page: Page, seeded: Reader) -> None:
    await enter(page, seeded)
    await page.goto(f"{seeded.gateway.base_url}/admin/orders")
    heal = page.get_by_role("button", name="Heal the last 7 days")
    await expect(heal).to_be_disabled()
    await expect(heal).to_have_accessible_description(re.compile("no .stores.shopify. table"))

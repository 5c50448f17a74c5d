"""The dashboard in a browser: every page on a phone and on a desk, light and dark, with the keyboard and by axe-core.

Screenshots go to the folder in $DASHBOARD_SHOTS, else to the test's own.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, expect

from gateway.admin.pages import PAGES
from tests.admin.desk import PASSWORD, Reader
from tests.admin.seeded import running_seeded
from tests.beacons import make_beacon, make_event

NAMES = [page.name for page in PAGES]
ONE_MORE_TICK = """new Promise((done) => {
    const source = new EventSource("/admin/live/stream?event=Subscribe");
    source.addEventListener("row", () => { source.close(); done(); });
})"""
"""Until another look at the same stream has brought the event."""

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 860}


@pytest_asyncio.fixture(loop_scope="session")
async def seeded(tmp_path: Path) -> AsyncIterator[Reader]:
    """A dashboard with something to see, that a browser reaches as 127.0.0.1."""
    async with running_seeded(tmp_path) as (reader, _):
        yield reader


@pytest_asyncio.fixture(loop_scope="session")
async def page(request: pytest.FixtureRequest, chromium: Browser, seeded: Reader) -> AsyncIterator[Page]:
    """A tab, closed before the gateway is; whatever it complains of fails the test.

    `parametrize("page", [{...}], indirect=True)` sets its context.
    """
    context = await chromium.new_context(
        **{"viewport": DESK, "timezone_id": "Europe/Berlin", **getattr(request, "param", {})}
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
    yield page
    await context.close()
    assert not complaints


def is_complaint(said: ConsoleMessage) -> bool:
    """An error, a warning, or a word of the policy; but for the 401 that a wrong password is answered with."""
    return said.type in ("error", "warning") and "status of 401" not in said.text


async def sign_in(page: Page, reader: Reader) -> None:
    await page.goto(f"{reader.gateway.base_url}/admin/")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/admin/*")
    await expect(page.get_by_role("navigation", name="Pages")).to_be_visible()


async def find_faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical."""
    found = (await Axe().run(page)).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']][:3]}" for one in grave]


async def has_sideways_scroll(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def to_shot(folder: Path, *parts: str) -> Path:
    return Path(os.environ.get("DASHBOARD_SHOTS") or folder) / f"{'-'.join(parts)}.png"


LOOKS: list[dict[str, Any]] = [
    {"viewport": size, "color_scheme": scheme} for size in (PHONE, DESK) for scheme in ("light", "dark")
]


@pytest.mark.parametrize("page", LOOKS, indirect=True, ids=["phone-light", "phone-dark", "desk-light", "desk-dark"])
async def test_every_page_is_sound(page: Page, seeded: Reader, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    look = request.node.callspec.id
    await page.goto(f"{seeded.gateway.base_url}/admin/sign-in")
    await page.screenshot(path=to_shot(tmp_path, "sign-in", look))
    faults = {"sign-in": await find_faults(page)}
    await sign_in(page, seeded)
    for name in NAMES:
        await page.goto(f"{seeded.gateway.base_url}/admin/{name}")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.screenshot(path=to_shot(tmp_path, name, look), full_page=True)
        faults[name] = await find_faults(page)
        if await has_sideways_scroll(page):
            faults[name].append("the page is wider than the screen")
    assert not {name: found for name, found in faults.items() if found}


async def test_live_shows_an_event_as_it_comes_and_its_outcome_as_it_is_known(page: Page, seeded: Reader) -> None:
    await sign_in(page, seeded)
    await page.goto(f"{seeded.gateway.base_url}/admin/live")
    await expect(page.get_by_text("Live.", exact=True)).to_be_visible()
    await seeded.gateway.beacon(make_beacon(make_event("Subscribe")))
    row = page.get_by_role("row", name="Subscribe")
    await expect(row).to_contain_text("accepted")
    await expect(row).to_have_count(1)


async def test_live_holds_still_while_it_is_paused(page: Page, seeded: Reader) -> None:
    await sign_in(page, seeded)
    await page.goto(f"{seeded.gateway.base_url}/admin/live")
    await expect(page.get_by_text("Live.", exact=True)).to_be_visible()
    pause = page.get_by_role("button", name="Pause")
    await pause.click()
    await expect(page.get_by_text("Paused.")).to_be_visible()
    await seeded.gateway.beacon(make_beacon(make_event("Subscribe")))
    await page.evaluate(ONE_MORE_TICK)
    await expect(page.get_by_role("row", name="Subscribe")).to_have_count(0)
    await pause.click()
    await expect(page.get_by_role("row", name="Subscribe")).to_have_count(1)


async def test_the_ticks_of_the_installation_come_by_themselves(page: Page, seeded: Reader) -> None:
    await sign_in(page, seeded)
    await page.goto(f"{seeded.gateway.base_url}/admin/install")
    await expect(page.locator(".ticks .done")).to_have_count(3)
    await seeded.gateway.beacon(make_beacon(make_event("Subscribe")))
    await expect(page.get_by_text("5 events in 7 days").first).to_be_visible()


async def test_what_is_to_be_pasted_is_copied_by_a_button(page: Page, seeded: Reader) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await sign_in(page, seeded)
    await page.goto(f"{seeded.gateway.base_url}/admin/install")
    await page.get_by_role("button", name="Copy").nth(1).click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "t.acme.com/a7/w.js" in await page.evaluate("navigator.clipboard.readText()")


async def test_the_keyboard_reaches_the_page_past_the_menu(page: Page, seeded: Reader) -> None:
    await sign_in(page, seeded)
    await page.goto(f"{seeded.gateway.base_url}/admin/install")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()


async def test_times_are_the_readers_until_utc_is_asked_for(page: Page, seeded: Reader) -> None:
    await sign_in(page, seeded)
    await expect(page.get_by_text("Times in Europe/Berlin")).to_be_visible()
    await page.get_by_role("button", name="Show UTC").click()
    await expect(page.get_by_text("Times in UTC")).to_be_visible()
    await page.get_by_role("button", name="Show my time zone").click()
    await expect(page.get_by_text("Times in Europe/Berlin")).to_be_visible()


async def test_a_wrong_password_is_told_and_the_right_one_leads_on(page: Page, seeded: Reader) -> None:
    await page.goto(f"{seeded.gateway.base_url}/admin/install")
    await page.get_by_label("Password").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not the password")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/admin/install")
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url("**/admin/sign-in")
    await page.goto(f"{seeded.gateway.base_url}/admin/install")
    await expect(page.get_by_label("Password")).to_be_visible()

"""A guest on somebody's page: it takes one name, breaks nothing, and hides nothing it could not do."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page

from gateway.web.snippet import build_snippet
from tests.browser.shop import Shop, open_shop

HOSTILE = {
    "history": "Object.freeze(history); Object.freeze(History.prototype)",
    "storage": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no') }})",
    "full storage": "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }",
    "spoilt storage": "localStorage.setItem('_tgq', '{\"not\": \"a list\"}')",
    "pixel": "window.ttq = Object.freeze({track() { throw new Error('pixel') }, identify: 1})",
    "queue": "window.ttq = [null, 1, ['track'], ['identify', null], {}]; ttq.track = () => ttq.push(0)",
    "stub": "window.tg = {q: 7}",
}


@pytest.mark.parametrize("mode", ["off", "mirror"])
async def test_no_name_but_tg_is_taken(visitor: BrowserContext, mode: str) -> None:
    names = "Object.getOwnPropertyNames(window).sort()"
    async with open_shop(pixel_mode=mode) as shop:
        page = await visitor.new_page()
        await page.goto(shop.put("/plain", head=""))
        before = await page.evaluate(names)
        await page.goto(shop.put("/tagged"))
        await shop.until_named("Pageview")
        assert set(await page.evaluate(names)) - set(before) == {"tg"}


@pytest.mark.parametrize("shop", [{"pixel_mode": "mirror"}], indirect=True)
@pytest.mark.parametrize("trouble", HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_page_is_neither_broken_nor_missed(page: Page, shop: Shop, trouble: str) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
    shop.put("/", head=f"<script>{trouble}</script>{{tag}}")
    await page.goto(shop.url("/"))
    await page.wait_for_function("tg.on")
    await page.evaluate("tg('track', 'ViewContent', {value: 1})")
    await shop.until_named("ViewContent")
    assert len(shop.named("Pageview")) == 1
    assert complaints == []


def _is_complaint(message: ConsoleMessage) -> bool:
    return message.type in ("error", "warning") and "favicon" not in message.location["url"]


async def test_nonsense_is_ignored(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate(
        """() => {
            tg(); tg('nothing'); tg('track'); tg('track', null); tg('consent'); tg('identify'); tg('ids', 3);
            tg('track', 'A', null, null); tg('track', 'B', 'text', 7);
            tg('ids', () => { throw new Error('callback') });
        }"""
    )
    await shop.until_named("B")
    assert [event["event"] for event in shop.events] == ["Pageview", "A", "B"]


async def test_commands_before_and_after_the_script_are_kept_in_order(page: Page, shop: Shop) -> None:
    shop.put("/", head="{tag}<script>const early = tg; tg('track', 'One'); tg('track', 'Two')</script>")
    await page.goto(shop.url("/"))
    await page.wait_for_function("tg.on")
    await page.evaluate("early('track', 'Three'); tg('track', 'Four')")
    await shop.until_named("Four")
    assert [event["event"] for event in shop.events] == ["Pageview", "One", "Two", "Three", "Four"]


async def test_a_second_copy_of_the_snippet_does_nothing(page: Page, shop: Shop) -> None:
    shop.put("/", head="{tag}{tag}")
    await page.goto(shop.url("/"))
    await page.evaluate("tg('track', 'Once')")
    await shop.until_named("Once")
    assert [event["event"] for event in shop.events] == ["Pageview", "Once"]


async def test_a_snippet_without_a_stub_starts_by_itself(page: Page, shop: Shop) -> None:
    source = f"http://t.shop.localhost:{shop.port}/a7/w.js"
    shop.put("/", head=f'<script src="{source}"></script><script>tg("track", "Straight")</script>')
    await page.goto(shop.url("/"))
    await shop.until_named("Straight")


async def test_beacons_go_to_the_host_that_served_the_script(page: Page, shop: Shop) -> None:
    """The settings know no port; the script's own address does."""
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    assert shop.beacons[0].headers["host"] == f"t.shop.localhost:{shop.port}"


async def test_a_copy_on_another_host_goes_to_the_stores_own(page: Page, shop: Shop) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    await page.goto(shop.put("/copied", head="<script>tg = undefined</script>"))
    await page.evaluate("(code) => new Function(code)()", build_snippet(shop.settings).plain.body.decode())
    async with page.expect_request("https://t.shop.localhost/a7/q"):
        pass

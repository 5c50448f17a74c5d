"""The ids that lead back to a visitor: click id, companion, first, `_ttp`."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Page

from tests.browser.shop import COMPANION, Shop

CLICK = "E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH"


async def land(page: Page, shop: Shop, path: str) -> dict[str, str]:
    """The ids of the first beacon of a visit that begins here."""
    await page.goto(shop.url(path))
    await shop.until(lambda: shop.beacons)
    ids: dict[str, str] = shop.beacons[0].body["ids"]
    return ids


LANDINGS = {
    f"?ttclid={CLICK}&utm_source=tiktok": CLICK,
    f"?utm_source=tiktok&tc={CLICK}": CLICK,
    f"?tc=second&ttclid={CLICK}": CLICK,
    f"?ttclid=__CLICKID__&tc={CLICK}": CLICK,
    "?ttclid=E.C.P.a%2Fb": "E.C.P.a/b",
    "?ttclid=E.C.P.a+b": "E.C.P.a+b",
    "?ttclid=__CLICKID__": None,
    "?ttclid=": None,
    "?xttclid=no": None,
    "?ttclid=%": None,
    f"?ttclid={'x' * 2049}": None,
}


async def test_the_click_id_of_the_address_is_told_verbatim(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    told: dict[str, str | None] = {}
    for number, query in enumerate(LANDINGS, 1):
        await page.goto(shop.url(f"/{query}"))
        await shop.until(lambda number=number: len(shop.beacons) == number)
        told[query] = shop.beacons[-1].body["ids"].get("ttclid")
        await page.wait_for_function("!localStorage.length")
        await page.goto("about:blank")
        await visitor.clear_cookies()
    assert told == LANDINGS


async def test_the_click_id_of_the_page_before_is_told(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"), referer=shop.url(f"/landing?ttclid={CLICK}"))
    await shop.until(lambda: shop.beacons)
    assert shop.beacons[0].body["ids"]["ttclid"] == CLICK


async def test_a_click_id_in_another_sites_address_is_not_ours(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"), referer=f"https://www.tiktok.com/?ttclid={CLICK}")
    await shop.until(lambda: shop.beacons)
    assert "ttclid" not in shop.beacons[0].body["ids"]


async def test_the_cookies_are_told_and_a_click_in_the_address_is_newer(
    visitor: BrowserContext, page: Page, shop: Shop
) -> None:
    await visitor.add_cookies(
        [
            {"name": name, "value": value, "url": shop.url()}
            for name, value in (("ttclid", "old"), ("_ttp", "01J_.tt.1"))
        ]
    )
    assert (await land(page, shop, "/"))["ttclid"] == "old"
    await page.goto(shop.url("/?ttclid=new"))
    await shop.until(lambda: len(shop.beacons) == 2)
    ids = shop.beacons[1].body["ids"]
    assert (ids["ttclid"], ids["ttp"]) == ("new", "01J_.tt.1")


async def test_a_browser_names_itself_until_the_gateway_has(page: Page, shop: Shop) -> None:
    first = await land(page, shop, "/")
    assert len(first["first"]) == 36
    assert "companion" not in first
    await page.wait_for_function("document.cookie.includes('_tgc')")
    await page.goto(shop.url("/next"))
    await shop.until(lambda: len(shop.beacons) == 2)
    assert shop.beacons[1].body["ids"] == {"companion": COMPANION}


async def test_ids_are_told_once_the_gateway_has_answered(page: Page, shop: Shop) -> None:
    shop.put("/", body="<script>tg('ids', (ids) => { window.told = ids })</script>")
    await page.goto(shop.url(f"/?ttclid={CLICK}"))
    told = await page.wait_for_function("window.told")
    assert await told.evaluate("told => [told.companion, told.ttclid]") == [COMPANION, CLICK]
    assert (await page.evaluate("new Promise((done) => tg('ids', done))"))["companion"] == COMPANION

"""The companion in the cart: there once, early, and without ever troubling Shopify."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from gateway.web.answers import Answer
from tests.browser.shop import COMPANION
from tests.browser.storefront import CART, CHALLENGE, CHECKOUT, Storefront

DONE = "(localStorage._tgw || '').includes('isDone')"
TRIED = "localStorage._tgw && JSON.parse(localStorage._tgw).tries === %d"


def cart(**changes: Any) -> dict[str, Any]:
    """The cart as Liquid has it."""
    return {"currency": {"iso_code": "EUR"}, "token": None, "item_count": 0, **changes}


NOTICE = """const { setItem } = Storage.prototype;
Storage.prototype.setItem = function (key, value) {
    if (key === "_tgw") window.hasDecided = true;
    %s
    setItem.call(this, key, value);
}"""
"""The add-on writes down what it decides before it asks the cart."""


async def browse(page: Page, storefront: Storefront, path: str, **liquid: Any) -> None:
    """A page of the theme, looked at until the add-on has decided about the cart; what it asked has arrived."""
    await page.add_init_script(NOTICE % "")
    await page.goto(storefront.theme(path, **liquid))
    await page.wait_for_function("window.hasDecided")
    await page.evaluate("fetch('/a-later-request').then(() => 1)")


async def test_the_companion_is_written_once_over_several_pages(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/"))
    await page.wait_for_function(DONE)
    for path in ("/one", "/two"):
        await browse(page, storefront, path)
    assert storefront.cart_writes == [{"attributes": {"__tg": COMPANION}}]


async def test_the_carts_token_is_told_once_shopify_has_named_it(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/"))
    await storefront.until(lambda: storefront.beacons and storefront.beacons[-1].body["ids"].get("cart"))
    body = storefront.beacons[-1].body
    assert (body["ids"]["cart"], body["ids"]["companion"], body["events"]) == (CART, COMPANION, [])
    assert "secret" not in str(storefront.beacons)
    assert "secret" not in await page.evaluate("JSON.stringify(localStorage)")


async def test_a_changed_companion_is_written_again(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/"))
    await page.wait_for_function(DONE)
    await page.evaluate(f"localStorage._tgw = localStorage._tgw.replace('{COMPANION}', 'another')")
    await browse(page, storefront, "/next")
    assert [write["attributes"]["__tg"] for write in storefront.cart_writes] == [COMPANION] * 2


@pytest.mark.parametrize(
    ("before", "after"),
    [(cart(), cart(token="another-cart")), (cart(item_count=2), cart(item_count=0))],
    ids=["by its token", "by what it has lost"],
)
async def test_a_new_cart_is_written_to(
    page: Page, storefront: Storefront, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await page.goto(storefront.theme("/", cart=before))
    await page.wait_for_function(DONE)
    await browse(page, storefront, "/next", cart=after)
    assert len(storefront.cart_writes) == 2


async def test_the_same_cart_filling_up_is_no_new_cart(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/"))
    await page.wait_for_function(DONE)
    await browse(page, storefront, "/next", cart=cart(token=f"{CART}?key=k", item_count=1))
    assert len(storefront.cart_writes) == 1


MOODS = {
    "a challenge": CHALLENGE,
    "HTML": Answer(200, [(b"content-type", b"text/html")], b"<!doctype html>"),
    "a refusal": Answer(422, [(b"content-type", b"application/json")], b"{}"),
}


@pytest.mark.parametrize("mood", MOODS.values(), ids=MOODS)
async def test_a_cart_that_does_not_take_it_is_asked_on_one_more_page_and_no_more(
    page: Page, storefront: Storefront, mood: Answer
) -> None:
    storefront.cart_mood = mood
    await page.goto(storefront.theme("/"))
    await page.wait_for_function(TRIED % 1)
    await browse(page, storefront, "/one")
    await browse(page, storefront, "/two")
    assert len(storefront.cart_writes) == 2


async def test_without_storage_the_cart_is_left_alone(page: Page, storefront: Storefront) -> None:
    await page.add_init_script(NOTICE % "throw new DOMException('full', 'QuotaExceededError');")
    await page.goto(storefront.theme("/"))
    await page.wait_for_function("window.hasDecided")
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert storefront.cart_writes == []
    assert storefront.told("Pageview")


async def test_the_checkout_is_left_alone(page: Page, storefront: Storefront) -> None:
    await page.clock.install()
    await page.goto(storefront.theme(f"/checkouts/cn/{CHECKOUT}"))
    await storefront.until_named("Pageview")
    await page.wait_for_function("document.cookie.includes('_tgc')")
    await page.clock.run_for(5000)
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert storefront.cart_writes == []


async def test_a_market_in_a_folder_has_its_cart_there(page: Page, storefront: Storefront) -> None:
    storefront.theme("/en-ca", head="<script>Shopify.routes.root = '/en-ca/'</script>")
    async with page.expect_request("**/en-ca/cart/update.js") as writing:
        await page.goto(storefront.url("/en-ca"))
    assert (await writing.value).post_data_json == {"attributes": {"__tg": COMPANION}}

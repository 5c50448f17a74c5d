"""Going to the checkout from a page of the theme: one InitiateCheckout for each cart, however the theme goes there."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.web.answers import to_json
from tests.browser.storefront import CART, CHECKOUT, LINE, Storefront
from tests.browser.test_shopify_theme import until_settled
from tests.browser.tiktok_pixel import BASE_CODE, block_library, pixel_calls, serve_library

mirrors = pytest.mark.parametrize("storefront", [{"pixel_mode": "mirror"}], indirect=True)
drives = pytest.mark.parametrize("storefront", [{"pixel_mode": "drive"}], indirect=True)

NAME = "InitiateCheckout"
FORM = '<form action="/cart" method="post"><input name="note"><button name="checkout">Check out</button></form>'
LINK = '<a href="%s"><b>Check out</b></a>'

TEES = {
    "variant_id": 44,
    "product_id": 42,
    "sku": "TEE-S",
    "final_price": 1999,
    "quantity": 2,
    "product": {"title": "Tee </script><b>", "type": "Shirts"},
    "vendor": "Acme",
}
"""A line of the cart as Liquid has it."""

FILLED = {"currency": {"iso_code": "EUR"}, "token": f"{CART}?key=secret", "item_count": 2, "items": [TEES]}


async def open_cart(page: Page, storefront: Storefront, body: str = FORM, *, path: str = "/cart", **said: Any) -> None:
    """The cart's page, its add-on at work. Whatever is beyond it is not the theme's any more."""
    for beyond in ("/checkout", "/de/checkout", f"/checkouts/cn/{CHECKOUT}"):
        storefront.put(beyond, head="")
    await page.goto(storefront.theme(path, "cart", body=body, **{"cart": FILLED, **said}))
    await page.wait_for_function("document.cookie.includes('_tgc')")


WAYS = {
    "the cart's form": FORM,
    "a button beside its form": '<form id="f" action="/cart" method="post"></form>'
    '<button form="f" name="checkout">Check out</button>',
    "a form of its own": '<form action="/checkout"><button>Check out</button></form>',
    "a form's other target": '<form action="/cart"><button formaction="/checkout">Check out</button></form>',
    "a link": LINK % "/checkout",
    "a link in another language": LINK % "/de/checkout?locale=de",
    "a script": "<button onclick=\"location.href = '/checkout'\">Check out</button>",
    "a script that sends the form": '<form action="/checkout"></form>'
    '<button onclick="document.forms[0].submit()">Check out</button>',
    "a link that a script follows": LINK.replace("<a", "<a onclick=\"event.preventDefault(); location = '/checkout'\"")
    % "/checkout",
    "Buy it now": f"<button onclick=\"location.assign('/checkouts/cn/{CHECKOUT}')\">Buy it now</button>",
}


@pytest.mark.parametrize("body", WAYS.values(), ids=WAYS)
async def test_every_way_to_the_checkout_is_told_once_as_the_page_ends(
    page: Page, storefront: Storefront, body: str
) -> None:
    await open_cart(page, storefront, body)
    async with page.expect_navigation():
        await page.click("button, b")
    (started,) = await storefront.until_named(NAME)
    assert started["page"]["url"] == storefront.url("/cart")
    assert storefront.beacons[-1].body["ids"]["cart"] == CART
    await until_settled(page, storefront)
    assert len(storefront.told(NAME)) == 1


OTHERS = {
    "a link that stays": LINK.replace("<a", '<a onclick="return false"') % "/checkout",
    "a form that stays": FORM.replace("<form", '<form onsubmit="return false"'),
    "a page about it": LINK % "/pages/checkout",
    "a longer name": LINK % "/checkout-help",
    "another shop's": LINK % "http://other.shop.localhost/checkout",
    "another form": '<form action="/search"><button name="find">Find</button></form>',
    "nothing to click": "<b>Check out</b>",
}


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
async def test_what_leads_elsewhere_is_no_checkout(page: Page, storefront: Storefront, body: str) -> None:
    await page.route("http://other.shop.localhost/**", lambda route: route.fulfill(body="another shop"))
    await open_cart(page, storefront, body)
    await page.click("button, b")
    await until_settled(page, storefront)
    assert storefront.told(NAME) == []


# What is in the cart


async def start(page: Page, storefront: Storefront) -> dict[str, Any]:
    """What the event says of the goods when the shopper goes to the checkout now."""
    await page.click("button")
    (started,) = await storefront.until_named(NAME)
    properties: dict[str, Any] = started["properties"]
    return properties


async def test_it_says_what_is_in_the_cart_and_what_that_is_worth(page: Page, storefront: Storefront) -> None:
    await open_cart(page, storefront)
    assert await start(page, storefront) == {
        "content_type": "product",
        "content_ids": ["44"],
        "contents": [
            {
                "content_id": "44",
                "content_name": "Tee </script><b>",
                "content_category": "Shirts",
                "brand": "Acme",
                "price": 19.99,
                "quantity": 2,
            }
        ],
        "value": 39.98,
        "currency": "EUR",
    }


async def test_what_the_page_has_changed_is_known_from_the_carts_own_answers(
    page: Page, storefront: Storefront
) -> None:
    await open_cart(page, storefront)
    await page.evaluate("fetch('/cart/add.js', {method: 'POST', body: 'id=77&quantity=2'}).then(() => 1)")
    await storefront.until_named("AddToCart")
    assert {one["content_id"]: one["quantity"] for one in (await start(page, storefront))["contents"]} == {
        "44": 2,
        "77": 5,
    }


CHANGES = {
    "fetch": "fetch('/cart/change.js', {method: 'POST', body: '{}'}).then((response) => response.json())",
    "XHR": """new Promise((done) => {
        const request = new XMLHttpRequest();
        request.open("POST", "/de/cart/change.js");
        request.onload = () => setTimeout(done);
        request.send("id=44&quantity=0");
    })""",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_the_page_has_taken_out_is_gone(page: Page, storefront: Storefront, change: str) -> None:
    await open_cart(page, storefront)
    storefront.cart_mood = to_json(200, {"token": CART, "item_count": 5, "items": [LINE]})
    await page.evaluate(change)
    properties = await start(page, storefront)
    assert (properties["content_ids"], properties["value"]) == (["77"], 75)


async def test_without_the_theme_tags_lines_nothing_is_said_of_the_goods(page: Page, storefront: Storefront) -> None:
    """A tag that was pasted before it had them: what was added here may not be all."""
    unfilled = "<script>document.getElementById('tg-config').remove()</script>"
    await open_cart(page, storefront, unfilled + FORM)
    properties = await start(page, storefront)
    assert properties.get("value") is None


async def test_what_is_bought_past_the_cart_is_not_what_is_in_it(page: Page, storefront: Storefront) -> None:
    await open_cart(page, storefront, WAYS["Buy it now"])
    assert (await start(page, storefront)).get("value") is None


# Once for each cart


async def test_going_there_again_is_told_once(page: Page, storefront: Storefront) -> None:
    for _ in range(2):
        await open_cart(page, storefront)
        async with page.expect_navigation():
            await page.click("button")
    await until_settled(page, storefront)
    assert len(storefront.told(NAME)) == 1


AFTER = {
    "another token": {**FILLED, "token": "another"},
    "the cart was empty between": FILLED,
}


@pytest.mark.parametrize("cart", AFTER.values(), ids=AFTER)
async def test_the_next_cart_is_another_start(page: Page, storefront: Storefront, cart: dict[str, Any]) -> None:
    await open_cart(page, storefront)
    await page.click("button")
    await storefront.until_named(NAME)
    if cart is FILLED:
        await page.goto(storefront.theme("/", cart={**FILLED, "item_count": 0, "items": []}))
        await page.wait_for_function(
            "(localStorage._tgw || '').includes('tries') && !localStorage._tgw.includes('isOut')"
        )
    await open_cart(page, storefront, cart=cart)
    await page.click("button")
    await storefront.until(lambda: len(storefront.told(NAME)) == 2)


# Consent


async def test_without_consent_it_is_neither_told_nor_remembered(page: Page, storefront: Storefront) -> None:
    storefront.choice = ""
    storefront.put("/checkout", head="")
    await page.goto(storefront.theme("/cart", "cart", body=LINK % "/checkout", cart=FILLED))
    await page.wait_for_function("tg.on")
    await page.click("b")
    await page.wait_for_url("**/checkout")
    assert await page.evaluate("[document.cookie, localStorage.length + sessionStorage.length]") == ["", 0]
    assert storefront.requests == 0


# TikTok's Pixel


@mirrors
@pytest.mark.parametrize("after_ms", [0, 300], ids=["with the click", "after it"])
async def test_what_the_pages_own_pixel_tells_is_left_to_it(
    visitor: BrowserContext, page: Page, storefront: Storefront, after_ms: int
) -> None:
    await serve_library(visitor)
    track = "() => ttq.track('InitiateCheckout', {}, {event_id: 'the-pixels'})"
    stays = f'<form action="/checkout" onsubmit="setTimeout({track}, {after_ms})" target="there">'
    await open_cart(
        page,
        storefront,
        f'<iframe name="there"></iframe>{stays}<button name="checkout">Go</button></form>',
        head=BASE_CODE,
    )
    await page.click("button")
    await storefront.until_named(NAME)
    await until_settled(page, storefront)
    assert [(event["event_id"], event["pixel"]) for event in storefront.told(NAME)] == [("the-pixels", "fired")]


@pytest.mark.parametrize("storefront", [{"pixel_mode": "mirror"}, {"pixel_mode": "drive"}], indirect=True)
async def test_a_pixel_that_works_is_not_told_of_it_here(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    """In the checkout it is, under the checkout's own id, where it is ours to drive."""
    await serve_library(visitor)
    link = '<a href="/checkout" target="there"><b>Check out</b></a><iframe name="there"></iframe>'
    await open_cart(page, storefront, link, head=BASE_CODE if storefront.settings.pixel_mode == "mirror" else "")
    await page.wait_for_function("window.pixelCalls")
    await page.evaluate("tg('track', 'AddToCart', {}, {event_id: 'the-pages'})")
    await page.click("b")
    (started,) = await storefront.until_named(NAME)
    assert "pixel" not in started
    assert [name for name, *_ in await pixel_calls(page)] == ["AddToCart"]


@mirrors
async def test_a_pixel_that_is_blocked_is_said_to_be(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await block_library(visitor)
    await open_cart(page, storefront, head=BASE_CODE)
    await page.click("button")
    (started,) = await storefront.until_named(NAME)
    assert started["pixel"] == "blocked"


GETS_STUCK = """
const send = window.fetch;
window.fetch = (...args) => {
    if (!window.isStuck || !args[1].keepalive) return send(...args);
    window.isOut = true;
    return new Promise(() => {});
};"""
"""Once told so, the page's beacons leave and are never answered."""


async def test_it_is_told_from_a_page_whose_last_beacon_is_still_out(page: Page, storefront: Storefront) -> None:
    await page.add_init_script(GETS_STUCK)
    await open_cart(page, storefront, WAYS["a form of its own"])
    await page.evaluate("isStuck = true; tg('track', 'Subscribe')")
    await page.wait_for_function("window.isOut")
    await page.get_by_text("Check out").click()
    await storefront.until_named(NAME)

"""The demo store's pages: they render, carry the merchant's tags, and lead from a product to an order."""

from __future__ import annotations

import re

import httpx
import pytest

from gateway.demo.browser import read_data
from gateway.demo.catalogue import CATALOGUE
from gateway.demo.pages import SANDBOX_PATH
from tests.demo.conftest import CUSTOM_PIXEL, SITE, Notes

VARIANT = CATALOGUE[1].variants[0]
PAGES = ["/", "/collections/all", "/cart", *(f"/products/{product.handle}" for product in CATALOGUE)]


async def open_checkout(browser: httpx.AsyncClient, quantity: int = 2) -> httpx.Response:
    """The checkout of a cart with some teapots."""
    await browser.post("/cart/add.js", json={"id": VARIANT.id, "quantity": quantity})
    return await browser.post("/cart")


# -- the theme


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_carries_the_gateways_tag_and_the_pixels_base_code(browser: httpx.AsyncClient, path: str):
    page = await browser.get(path)

    assert page.status_code == 200
    assert f'<script async src="{SITE.script_url}"></script>' in page.text
    assert f'ttq.load("{SITE.pixel_code}")' in page.text
    assert "demo store" in page.text


async def test_everything_a_page_names_is_served(browser: httpx.AsyncClient):
    for path in PAGES:
        page = await browser.get(path)
        for asset in set(re.findall(r'(?:src|href)="(/demo/[^"]+)"', page.text)):
            assert (await browser.get(asset)).status_code == 200, asset
    assert (await browser.get("/demo/pixel/events.js?sdkid=x&lib=ttq")).status_code == 200


async def test_a_blocked_library_does_not_load(browser: httpx.AsyncClient):
    assert (await browser.get("/blocked/pixel/events.js?sdkid=x&lib=ttq")).status_code == 404


@pytest.mark.parametrize("path", ["/nowhere", "/products/none", "/checkouts/cn/none", "/checkouts/cn/none/thank-you"])
async def test_what_is_not_there_is_a_page_with_404(browser: httpx.AsyncClient, path: str):
    page = await browser.get(path)

    assert page.status_code == 404
    assert "There is nothing here" in page.text


async def test_a_products_theme_tells_the_pixel_without_an_event_id(browser: httpx.AsyncClient):
    data = read_data((await browser.get("/products/garden-teapot")).text)
    ((event, properties, options),) = data["page-calls"]

    assert (event, options) == ("ViewContent", {})
    assert properties["contents"][0]["content_id"] == str(VARIANT.id)
    assert (properties["value"], properties["currency"]) == (54.0, "EUR")
    assert data["tg-config"]["product"]["selected"] == {"id": str(VARIANT.id), "sku": VARIANT.sku, "price": 5400}


async def test_the_theme_tag_knows_the_cart_once_there_is_one(browser: httpx.AsyncClient):
    before = read_data((await browser.get("/cart")).text)["tg-config"]
    token = (await browser.post("/cart/update.js", json={"attributes": {"__tg": "c1"}})).json()["token"]
    after = read_data((await browser.get("/cart")).text)["tg-config"]

    assert (before["cart"], before["items"]) == (None, 0)
    assert after["cart"] == token


# -- the checkout


async def test_no_theme_code_runs_in_the_checkout(browser: httpx.AsyncClient):
    checkout = await open_checkout(browser)
    thanks = await browser.post(checkout.url.path)

    for page in (checkout, thanks):
        assert SITE.script_url not in page.text
        assert "ttq" not in page.text
        assert "store.js" not in page.text
        assert SANDBOX_PATH in page.text


async def test_a_cart_becomes_a_checkout_and_an_order(browser: httpx.AsyncClient, courier: Notes):
    checkout = await open_checkout(browser)
    thanks = await browser.post(checkout.url.path, data={"email": " kim@example.com ", "first_name": "Kim<b>"})
    ((_, started),) = read_data(checkout.text)["wpm-events"]
    ((name, completed),) = read_data(thanks.text)["wpm-events"]
    (order,) = courier.orders

    assert re.fullmatch(r"/checkouts/cn/[0-9a-f]{32}", checkout.url.path)
    assert started["checkout"]["order"] == {"id": None, "customer": None}
    assert started["checkout"]["totalPrice"] == {"amount": 108.0, "currencyCode": "EUR"}
    assert (name, completed["checkout"]["order"]["id"]) == ("checkout_completed", str(order.id))
    assert (order.buyer.email, order.client.user_agent) == ("kim@example.com", "Mozilla/5.0 (test)")
    assert "Thank you, Kim&lt;b&gt;." in thanks.text
    assert (await browser.get("/cart.js")).json()["item_count"] == 0


async def test_the_thank_you_page_tells_of_the_order_once(browser: httpx.AsyncClient):
    checkout = await open_checkout(browser)
    thanks = await browser.post(checkout.url.path)

    assert read_data((await browser.get(thanks.url.path)).text)["wpm-events"] == []


async def test_paying_twice_orders_once(browser: httpx.AsyncClient, courier: Notes):
    checkout = await open_checkout(browser)
    for _ in range(2):
        await browser.post(checkout.url.path)

    assert len(courier.orders) == 1
    assert (await browser.get(checkout.url.path)).url.path.endswith("/thank-you")


async def test_an_empty_cart_cannot_be_checked_out(browser: httpx.AsyncClient, courier: Notes):
    page = await browser.post("/cart")

    assert page.url.path == "/cart"
    assert "nothing in it yet" in page.text
    assert not courier.checkouts


async def test_the_checkout_copies_the_cart_when_it_opens(browser: httpx.AsyncClient, courier: Notes):
    token = (await browser.post("/cart/update.js", json={"attributes": {"__tg": "c1"}})).json()["token"]
    await open_checkout(browser)
    await browser.post("/cart/update.js", json={"attributes": {"__tg": "too late"}})
    (checkout,) = courier.checkouts

    assert checkout.attributes == {"__tg": "c1"}
    assert checkout.cart_token == token.partition("?")[0]


async def test_buy_it_now_leaves_the_cart_and_its_attributes_behind(browser: httpx.AsyncClient, courier: Notes):
    await browser.post("/cart/update.js", json={"attributes": {"__tg": "c1"}})
    await browser.post("/cart/add.js", json={"id": CATALOGUE[0].variants[0].id})
    checkout = await browser.post("/buy-now", data={"id": str(VARIANT.id), "quantity": "3"})
    await browser.post(checkout.url.path)
    (opened,) = courier.checkouts

    assert (opened.cart_token, opened.attributes) == (None, {})
    assert [(line.variant.id, line.quantity) for line in opened.lines] == [(VARIANT.id, 3)]
    assert (await browser.get("/cart.js")).json()["item_count"] == 1


async def test_a_checkout_remembers_the_first_page_of_the_visit(browser: httpx.AsyncClient, courier: Notes):
    await browser.get("/products/garden-teapot?ttclid=E.C.P.x", headers={"referer": "https://www.tiktok.com/"})
    await browser.get("/collections/all")
    await open_checkout(browser)
    (checkout,) = courier.checkouts

    assert checkout.visit.landing_site == "/products/garden-teapot?ttclid=E.C.P.x"
    assert checkout.visit.referring_site == "https://www.tiktok.com/"


# -- the custom pixel


async def test_the_sandbox_carries_the_pasted_code_and_nothing_can_end_it_early(browser: httpx.AsyncClient):
    frame = await browser.get(f"{SANDBOX_PATH}/products/garden-teapot?ttclid=x")

    assert read_data(frame.text)["custom-pixel"] == CUSTOM_PIXEL
    assert (await browser.get("/demo/wpm/sandbox.js")).status_code == 200


async def test_pixels_are_not_told_private_attributes(browser: httpx.AsyncClient):
    await browser.post("/cart/update.js", json={"attributes": {"__tg": "c1", "gift": "yes"}})
    cart = read_data((await browser.get("/cart")).text)["wpm-init"]["data"]["cart"]

    assert cart["attributes"] == [{"key": "gift", "value": "yes"}]

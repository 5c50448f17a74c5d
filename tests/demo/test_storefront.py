"""The demo store's pages: they render, carry the merchant's tags, and lead from a product to an order."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.demo.browser import read_calls
from gateway.demo.catalogue import CATALOGUE
from gateway.demo.site import Site
from gateway.demo.storefront import build_storefront

SITE = Site(8000, "C0DEMOPIXEL000000000")
VARIANT = CATALOGUE[1].variants[0]


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the store, which keeps its cookies and follows redirects."""
    transport = httpx.ASGITransport(build_storefront(SITE))
    async with httpx.AsyncClient(transport=transport, base_url=SITE.store_url, follow_redirects=True) as client:
        yield client


PAGES = ["/", "/collections/all", "/cart", *(f"/products/{product.handle}" for product in CATALOGUE)]


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
    ((event, properties, options),) = read_calls((await browser.get("/products/garden-teapot")).text)

    assert (event, options) == ("ViewContent", {})
    assert properties["contents"][0]["content_id"] == str(VARIANT.id)
    assert (properties["value"], properties["currency"]) == (54.0, "EUR")


async def test_a_cart_becomes_a_checkout_and_an_order(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"id": VARIANT.id, "quantity": 2})
    checkout = await browser.post("/cart")
    ((started, started_with, _),) = read_calls(checkout.text)
    thanks = await browser.post(checkout.url.path, data={"email": " kim@example.com ", "first_name": "Kim<b>"})
    ((bought, bought_with, options),) = read_calls(thanks.text)

    assert re.fullmatch(r"/checkouts/cn/[0-9a-f]{32}", checkout.url.path)
    assert (started, started_with["value"]) == ("InitiateCheckout", 108.0)
    assert bought == "Purchase"
    assert options == {"event_id": f"purchase_{bought_with['order_id']}"}
    assert bought_with["order_id"].isdigit()
    assert "Thank you, Kim&lt;b&gt;." in thanks.text
    assert (await browser.get("/cart.js")).json()["item_count"] == 0


async def test_paying_twice_orders_once(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"id": VARIANT.id})
    checkout = await browser.post("/cart")
    ids = [read_calls((await browser.post(checkout.url.path)).text)[0][2]["event_id"] for _ in range(2)]

    assert ids[0] == ids[1]


async def test_an_empty_cart_cannot_be_checked_out(browser: httpx.AsyncClient):
    page = await browser.post("/cart")

    assert page.url.path == "/cart"
    assert "nothing in it yet" in page.text

"""What the theme tag alone makes a storefront report: each thing once, whichever way the theme works."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, Route

from tests.browser.shop import PIXEL
from tests.browser.storefront import CART, TEE, Storefront
from tests.browser.tiktok_pixel import BASE_CODE, pixel_calls, serve_library

mirrors = pytest.mark.parametrize("storefront", [{"pixel_mode": "mirror"}], indirect=True)

VIEWED = {
    "content_type": "product",
    "content_ids": ["44"],
    "contents": [
        {
            "content_id": "44",
            "content_name": "Tee </script><b>",
            "content_category": "Shirts",
            "brand": "Acme",
            "price": 19.99,
            "quantity": 1,
        }
    ],
    "value": 19.99,
    "currency": "EUR",
}


async def until_settled(page: Page, storefront: Storefront) -> None:
    """Whatever waits has been told: the page has ended, and a last page's view has arrived."""
    await page.goto(storefront.theme("/last"))
    await storefront.until(lambda: storefront.events_on("/last"))


async def test_a_product_page_reports_its_product(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/products/tee", "product", product=TEE))
    (viewed,) = await storefront.until_named("ViewContent")
    assert viewed["properties"] == VIEWED
    (body,) = [beacon.body for beacon in storefront.beacons]
    assert [event["event"] for event in body["events"]] == ["Pageview", "ViewContent"], "both in one beacon"


@pytest.mark.parametrize("storefront", [{"consent": "granted"}], indirect=True)
async def test_what_the_snippet_knows_waits_for_what_the_add_on_knows(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    async def be_slow(route: Route) -> None:
        """Longer than the snippet collects what happens together."""
        await route.request.frame.wait_for_function("performance.now() > 800")
        await route.continue_()

    await visitor.route("**/*.s.js", be_slow)
    await page.goto(storefront.theme("/products/tee", "product", product=TEE, customer={"id": 7, "email": None}))
    await storefront.until_named("ViewContent")
    (body,) = [beacon.body for beacon in storefront.beacons]
    assert [event["event"] for event in body["events"]] == ["Pageview", "ViewContent"]
    assert (body["user"], body["ids"]["customer"]) == ({"external_id": "7"}, "7")


@pytest.mark.parametrize("storefront", [{"consent": "granted"}], indirect=True)
async def test_a_page_without_the_add_on_is_told_all_the_same(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await visitor.route("**/*.s.js", lambda route: route.abort("blockedbyclient"))
    await page.goto(storefront.theme("/"))
    await storefront.until_named("Pageview")


@pytest.mark.parametrize(
    ("storefront", "content_id", "content_type"),
    [
        ({"shopify": {"content_id": "variant"}}, "44", "product"),
        ({"shopify": {"content_id": "product"}}, "42", "product_group"),
        ({"shopify": {"content_id": "sku"}}, "TEE-S", "product"),
    ],
    indirect=["storefront"],
)
async def test_products_have_the_catalogues_kind_of_id(
    page: Page, storefront: Storefront, content_id: str, content_type: str
) -> None:
    await page.goto(storefront.theme("/products/tee", "product", product=TEE))
    (viewed,) = await storefront.until_named("ViewContent")
    properties = viewed["properties"]
    assert (properties["content_ids"], properties["content_type"]) == ([content_id], content_type)


async def test_a_search_is_reported_once(page: Page, storefront: Storefront) -> None:
    search = {"performed": True, "terms": 'blue "tee" </script>'}
    await page.goto(storefront.theme("/search", "search", search=search))
    (searched,) = await storefront.until_named("Search")
    assert searched["properties"]["search_string"] == 'blue "tee" </script>'
    await page.evaluate(
        """(terms) => {
            const update = (query) => Object.assign(new Event("shopify:search:update"), { search: { query } });
            const say = (query) => document.dispatchEvent(update(query));
            say(terms); say("red cap"); say("red cap");
        }""",
        search["terms"],
    )
    await until_settled(page, storefront)
    assert [event["properties"]["search_string"] for event in storefront.told("Search")] == [search["terms"], "red cap"]


async def test_a_signed_in_customer_is_known_by_id_and_digest(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/", customer={"id": 8832137625682, "email": " Ada@Example.com "}))
    await storefront.until_named("Pageview")
    body = storefront.beacons[0].body
    digest = hashlib.sha256(b"ada@example.com").hexdigest()
    assert body["user"] == {"email": digest, "external_id": "8832137625682"}
    assert body["ids"]["customer"] == "8832137625682"
    assert "Ada@Example.com" not in await page.content()


async def test_the_carts_token_goes_along_without_its_key(page: Page, storefront: Storefront) -> None:
    cart = {"currency": {"iso_code": "EUR"}, "token": f"{CART}?key=secret", "item_count": 1}
    await page.goto(storefront.theme("/", cart=cart))
    await storefront.until_named("Pageview")
    assert storefront.beacons[0].body["ids"]["cart"] == CART


async def test_choosing_another_variant_is_no_further_view(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/products/tee", "product", product=TEE))
    await storefront.until_named("ViewContent")
    await page.evaluate(VIEW, ["page", 42, 45])
    await until_settled(page, storefront)
    assert len(storefront.told("ViewContent")) == 1


VIEW = """([context, product, variant]) => document.dispatchEvent(Object.assign(new Event("shopify:product:view"), {
    context,
    product: {
        id: "gid://shopify/Product/" + product,
        title: "Cap",
        selectedVariant: variant && {
            id: "gid://shopify/ProductVariant/" + variant, price: { amount: "15.0", currencyCode: "EUR" }
        },
    },
}))"""


async def test_a_product_in_a_dialog_is_viewed_and_a_card_in_a_list_is_not(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/collections/all", "collection"))
    await storefront.until_named("Pageview")
    await page.evaluate(VIEW, ["collection", 69, None])
    await page.evaluate(VIEW, ["dialog", 70, 77])
    (viewed,) = await storefront.until_named("ViewContent")
    assert viewed["properties"]["contents"] == [{"content_id": "77", "content_name": "Cap", "price": 15, "quantity": 1}]
    assert (viewed["properties"]["value"], viewed["properties"]["currency"]) == (15, "EUR")


async def test_a_merchant_in_the_theme_editor_is_no_visitor(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.theme("/", request={"page_type": "index", "design_mode": True}))
    assert await page.evaluate("[typeof tg, document.scripts.length]") == ["undefined", 1]


async def test_a_page_without_the_themes_block_still_tells_views(page: Page, storefront: Storefront) -> None:
    await page.goto(storefront.put("/plain", head="{shopify}{tag}"))
    await storefront.until_named("Pageview")


# The page's own Pixel, mirrored: what it reports is not reported again.


@mirrors
@pytest.mark.parametrize("place", ["early", "late"])
async def test_a_view_that_the_pages_pixel_reports_is_left_to_it(
    visitor: BrowserContext, page: Page, storefront: Storefront, place: str
) -> None:
    await serve_library(visitor)
    track = "ttq.track('ViewContent', {content_id: '44'}, {event_id: 'the-pixels'})"
    script = track if place == "early" else f"addEventListener('load', () => setTimeout(() => {track}, 300))"
    head = BASE_CODE + f"<script>{script}</script>"
    await page.goto(storefront.theme("/products/tee", "product", product=TEE, head=head))
    await storefront.until_named("ViewContent")
    await until_settled(page, storefront)
    assert [event["event_id"] for event in storefront.told("ViewContent")] == ["the-pixels"]


@mirrors
async def test_a_view_that_the_pages_pixel_does_not_report_is_told_to_both(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await serve_library(visitor)
    await page.goto(storefront.theme("/products/tee", "product", product=TEE, head=BASE_CODE))
    (viewed,) = await storefront.until_named("ViewContent")
    assert (viewed["pixel"], viewed["properties"]) == ("fired", VIEWED)
    assert [options["event_id"] for _, _, options in await pixel_calls(page)] == [viewed["event_id"]]


@mirrors
async def test_a_page_left_at_once_has_told_its_product(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await page.goto(storefront.theme("/products/tee", "product", product=TEE))
    await page.wait_for_function("window.Shopify.customerPrivacy")
    await until_settled(page, storefront)
    assert [event["page"]["url"] for event in storefront.told("ViewContent")] == [storefront.url("/products/tee")]


async def test_what_the_page_tells_by_hand_is_not_told_again(page: Page, storefront: Storefront) -> None:
    stub = "window.tg=window.tg||function(){(tg.q=tg.q||[]).push(arguments)}"
    head = f"<script>{stub};tg('track', 'ViewContent', {{}}, {{event_id: 'by-hand'}})</script>"
    await page.goto(storefront.theme("/products/tee", "product", product=TEE, head=head))
    await storefront.until_named("ViewContent")
    await until_settled(page, storefront)
    assert [event["event_id"] for event in storefront.told("ViewContent")] == ["by-hand"]


@pytest.mark.parametrize("storefront", [{"pixel_mode": "drive"}], indirect=True)
async def test_a_driven_pixel_is_told_under_the_same_id(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await serve_library(visitor)
    await page.goto(storefront.theme("/products/tee", "product", product=TEE))
    (viewed,) = await storefront.until_named("ViewContent")
    calls: list[list[Any]] = await pixel_calls(page)
    assert [(name, options["event_id"]) for name, _, options in calls] == [("ViewContent", viewed["event_id"])]
    assert PIXEL in await page.evaluate(
        "Object.keys(ttq._i || {}).join() || document.querySelector('script[src*=tiktok]').src"
    )

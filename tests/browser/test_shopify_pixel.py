"""The custom pixel in Shopify's sandbox: it tells of the checkout, carries the ids across, and stops nothing."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.checkouts import make_checkout, make_line, make_order, money
from tests.browser.shop import COMPANION, PIXEL
from tests.browser.storefront import CART, CHECKOUT, CLIENT, Storefront, publish
from tests.browser.tiktok_pixel import LIBRARY_URL

ALLOWED = {
    "marketingAllowed": True,
    "analyticsProcessingAllowed": True,
    "preferencesProcessingAllowed": True,
    "saleOfDataAllowed": True,
}
UNDECIDED = {**ALLOWED, "marketingAllowed": False, "analyticsProcessingAllowed": False}
LIBRARY = """(() => {
  const waiting = window.ttq;
  window.pixelCalls = [];
  window.ttq = { _o: waiting._o };
  for (const method of waiting.methods) window.ttq[method] = (...args) => window.pixelCalls.push([method, ...args]);
})()"""

drives = pytest.mark.parametrize("storefront", [{"pixel_mode": "drive"}], indirect=True)


async def open_checkout(
    page: Page, storefront: Storefront, privacy: dict[str, Any] | None = None, query: str = "", **data: Any
) -> None:
    """A page of the checkout whose sandbox is ready."""
    given = {"customer": None, "cart": None, **data}
    url = storefront.checkout(data=given, customerPrivacy=ALLOWED if privacy is None else privacy)
    await page.goto(url + query)
    await page.wait_for_function("window.sandboxIsReady")


async def give_cookies(visitor: BrowserContext, storefront: Storefront, **cookies: str) -> None:
    """The visitor has been on the storefront before."""
    scope = {"domain": f".{storefront.settings.cookie_domain}", "path": "/"}
    await visitor.add_cookies([{"name": name, "value": value, **scope} for name, value in cookies.items()])


async def tell(page: Page, storefront: Storefront, name: str, data: dict[str, Any], count: int = 1) -> dict[str, Any]:
    """The body of the pixel's beacon about this event."""
    await publish(page, name, data)
    await storefront.until(lambda: len(storefront.pixel_beacons) >= count)
    return storefront.pixel_beacons[count - 1].body


async def test_the_sandbox_is_as_closed_as_shopifys(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront)
    frame = page.frames[1]
    assert (
        await frame.evaluate("(() => { try { return document.cookie } catch (error) { return error.name } })()")
        == "SecurityError"
    )
    await tell(page, storefront, "checkout_started", make_checkout())
    headers = storefront.pixel_beacons[0].headers
    assert (headers["origin"], headers.get("cookie")) == ("null", None)
    assert headers["content-type"].startswith("text/plain"), "no preflight"


async def test_a_purchase_is_told_with_the_orders_id_and_everything_known(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await give_cookies(visitor, storefront, _tgc=COMPANION, ttclid="E.C.P.click", _ttp="01J_.tt.1")
    await open_checkout(page, storefront, cart={"id": f"gid://shopify/Cart/{CART}?key=secret"})
    body = await tell(page, storefront, "checkout_completed", make_order())
    assert body["ids"] == {
        "companion": COMPANION,
        "ttclid": "E.C.P.click",
        "ttp": "01J_.tt.1",
        "client": CLIENT,
        "cart": CART,
        "checkout": CHECKOUT,
        "customer": "8832137625682",
    }
    assert body["user"] == {"email": "Ada@Example.com", "phone": "+15555550123", "external_id": "8832137625682"}
    assert body["consent"] == {"marketing": True, "analytics": True, "sale_of_data": True, "source": "shopify"}
    (event,) = body["events"]
    assert (event["event"], event["event_id"]) == ("Purchase", "purchase_6589808345170")
    assert event["at"] <= body["sent_at"]
    assert event["properties"] == {
        "contents": [
            {
                "content_id": "40537120407634",
                "content_name": "Ornament",
                "content_category": "Decor",
                "brand": "Acme",
                "price": 15.95,
                "quantity": 3,
            }
        ],
        "content_ids": ["40537120407634"],
        "content_type": "product",
        "value": 38.36,
        "currency": "USD",
        "num_items": 3,
        "order_id": "6589808345170",
        "customer_type": "new",
    }


@pytest.mark.parametrize(
    "order_id",
    ["6589808345170", "gid://shopify/OrderIdentity/6589808345170", "gid://shopify/Order/6589808345170?key=x"],
)
async def test_however_shopify_writes_it_the_orders_id_is_its_number(
    page: Page, storefront: Storefront, order_id: str
) -> None:
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_completed", make_order(order_id))
    assert body["events"][0]["event_id"] == "purchase_6589808345170"
    assert body["events"][0]["properties"]["order_id"] == "6589808345170"


async def test_a_completed_checkout_without_its_order_yet_is_left_to_the_webhook(
    page: Page, storefront: Storefront
) -> None:
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_completed", make_checkout())
    assert (body["events"], body["ids"]["checkout"]) == ([], CHECKOUT)


STEPS = {"checkout_started": "InitiateCheckout", "payment_info_submitted": "AddPaymentInfo"}


@pytest.mark.parametrize(("name", "event"), STEPS.items())
async def test_a_step_of_the_checkout_has_the_checkouts_id(
    page: Page, storefront: Storefront, name: str, event: str
) -> None:
    await open_checkout(page, storefront)
    body = await tell(page, storefront, name, make_checkout())
    assert [(one["event"], one["event_id"]) for one in body["events"]] == [(event, f"checkout_{CHECKOUT}_{event}")]


@pytest.mark.parametrize("step", ["contact", "address", "shipping"])
async def test_other_steps_tell_who_checks_out_and_no_event(page: Page, storefront: Storefront, step: str) -> None:
    await open_checkout(page, storefront, customer={"id": "7"})
    body = await tell(page, storefront, f"checkout_{step}_info_submitted", make_checkout())
    assert body["events"] == []
    assert (body["user"], body["ids"]["checkout"]) == ({"email": "Ada@Example.com", "external_id": "7"}, CHECKOUT)


async def test_what_the_theme_tag_reports_is_not_told_again(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await give_cookies(visitor, storefront, _tgc=COMPANION)
    await open_checkout(page, storefront)
    for name in ("product_viewed", "search_submitted", "product_added_to_cart", "collection_viewed", "cart_viewed"):
        await publish(page, name, {})
    await tell(page, storefront, "checkout_started", make_checkout())
    assert [event["event"] for event in storefront.pixel_events] == ["InitiateCheckout"]
    assert len(storefront.pixel_beacons) == 1


@pytest.mark.parametrize(
    ("storefront", "content_id", "content_type"),
    [
        ({"shopify": {"content_id": "product"}}, "6994888523858", "product_group"),
        ({"shopify": {"content_id": "sku"}}, "HSC1", "product"),
    ],
    indirect=["storefront"],
)
async def test_products_have_the_catalogues_kind_of_id(
    page: Page, storefront: Storefront, content_id: str, content_type: str
) -> None:
    await open_checkout(page, storefront)
    properties = (await tell(page, storefront, "checkout_completed", make_order()))["events"][0]["properties"]
    assert (properties["content_ids"], properties["content_type"]) == ([content_id], content_type)


EMPTY: dict[str, dict[str, Any]] = {
    "nothing but a token": {"checkout": {"token": CHECKOUT}},
    "nulls": make_checkout(
        order=None, email=None, lineItems=None, totalPrice=None, shippingAddress=None, billingAddress=None
    ),
    "a line without its variant": make_checkout(lineItems=[{"title": "Tip", "quantity": 1, "variant": None}]),
    "a variant without its product": make_checkout(lineItems=[make_line(product=None, sku=None, price=None)]),
    "no amount": make_checkout(totalPrice=money(0)),
}


@pytest.mark.parametrize("data", EMPTY.values(), ids=EMPTY)
async def test_almost_anything_may_be_missing(page: Page, storefront: Storefront, data: dict[str, Any]) -> None:
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_started", data)
    assert body["events"][0]["event_id"] == f"checkout_{CHECKOUT}_InitiateCheckout"


async def test_the_address_is_the_pages_without_what_opens_the_checkout(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront, query="?key=secret&_r=x&utm_source=tiktok&ttclid=E.C.P.a%2Fb#step")
    body = await tell(page, storefront, "checkout_started", make_checkout())
    assert body["page"]["url"] == storefront.url("/checkouts/cn/en-us?utm_source=tiktok&ttclid=E.C.P.a%2Fb")


# Ids: across the sandbox, both ways


async def test_a_lost_companion_and_click_come_back_from_the_answer(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    storefront.pixel_answer = {"visitor": "restored", "ttclid": "E.C.P.kept"}
    await open_checkout(page, storefront)
    await tell(page, storefront, "checkout_started", make_checkout())
    await page.wait_for_function(
        "document.cookie.includes('_tgc=restored') && document.cookie.includes('ttclid=E.C.P.kept')"
    )
    cookies = {cookie["name"]: cookie for cookie in await visitor.cookies()}
    companion, click = cookies["_tgc"], cookies["ttclid"]
    assert (companion["domain"], companion["path"], companion["secure"], companion["sameSite"]) == (
        ".shop.localhost",
        "/",
        True,
        "Lax",
    )
    now = await page.evaluate("Date.now() / 1000")
    assert [round((cookie["expires"] - now) / 86400) for cookie in (companion, click)] == [400, 90]


async def test_a_click_that_the_browser_has_is_left_alone(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await give_cookies(visitor, storefront, _tgc=COMPANION, ttclid="newer")
    storefront.pixel_answer = {"visitor": "restored", "ttclid": "older"}
    await open_checkout(page, storefront)
    await tell(page, storefront, "checkout_started", make_checkout())
    await page.wait_for_function("document.cookie.includes('restored')")
    assert "ttclid=newer" in await page.evaluate("document.cookie")


async def test_shopifys_id_of_the_browser_is_told_once_for_each_visitor(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await give_cookies(visitor, storefront, _tgc=COMPANION)
    for _ in range(2):
        await open_checkout(page, storefront)
        await publish(page, "page_viewed", {})
        await page.wait_for_function("localStorage._tgl")
    body = await tell(page, storefront, "checkout_started", make_checkout(), count=2)
    assert body["events"], "the second page view was not told"
    linked = storefront.pixel_beacons[0].body
    assert (linked["ids"], linked["events"]) == ({"companion": COMPANION, "client": CLIENT}, [])


async def test_without_a_companion_a_page_view_makes_no_second_visitor(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront)
    await publish(page, "page_viewed", {})
    body = await tell(page, storefront, "checkout_started", make_checkout())
    assert body["events"]
    assert len(storefront.pixel_beacons) == 1


async def test_after_a_purchase_the_next_cart_is_written_to(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront)
    await page.evaluate("localStorage._tgw = '{}'")
    await tell(page, storefront, "checkout_completed", make_order())
    await page.wait_for_function("!('_tgw' in localStorage)")


# Consent


async def test_without_consent_nothing_is_sent_or_set_and_with_it_what_was_held_leaves(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await open_checkout(page, storefront, UNDECIDED)
    await publish(page, "checkout_started", make_checkout())
    await publish(page, "checkout_contact_info_submitted", make_checkout())
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert (storefront.requests, await visitor.cookies()) == (0, [])
    await page.evaluate("(privacy) => collect(privacy)", ALLOWED)
    await storefront.until(lambda: len(storefront.pixel_beacons) == 2)
    assert [event["event"] for event in storefront.pixel_events] == ["InitiateCheckout"]


async def test_a_refusal_in_the_checkout_forgets_what_was_held_and_is_told(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await give_cookies(visitor, storefront, _tgc=COMPANION, ttclid="click")
    await open_checkout(page, storefront, UNDECIDED)
    await page.evaluate("localStorage._tgl = localStorage._tgw = '{}'")
    await publish(page, "checkout_started", make_checkout())
    await page.evaluate("(privacy) => collect(privacy)", UNDECIDED)
    await storefront.until(lambda: storefront.pixel_beacons)
    body = storefront.pixel_beacons[0].body
    assert (body["consent"]["marketing"], body["ids"]) == (False, {"companion": COMPANION})
    assert "events" not in body
    await publish(page, "checkout_completed", make_order())
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert len(storefront.pixel_beacons) == 1
    assert await page.evaluate("[document.cookie, Object.keys(localStorage).length]") == ["", 0]


async def test_a_refusal_of_somebody_unknown_is_told_to_nobody(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront, UNDECIDED)
    await publish(page, "checkout_started", make_checkout())
    await page.evaluate("(privacy) => collect(privacy)", UNDECIDED)
    await page.evaluate("(privacy) => collect(privacy)", ALLOWED)
    await tell(page, storefront, "checkout_completed", make_order())
    assert [event["event"] for event in storefront.pixel_events] == ["Purchase"]
    assert len(storefront.pixel_beacons) == 1


async def test_a_refusal_counts_though_it_is_taken_back_at_once(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront, UNDECIDED)
    at_once = "([checkout, ...said]) => { publish('checkout_started', checkout); said.forEach(collect); }"
    await page.evaluate(at_once, [make_checkout(), UNDECIDED, ALLOWED])
    await tell(page, storefront, "checkout_completed", make_order())
    assert [event["event"] for event in storefront.pixel_events] == ["Purchase"]
    assert len(storefront.pixel_beacons) == 1


@pytest.mark.parametrize("privacy", [{}, {"marketingAllowed": "yes"}])
async def test_only_a_boolean_of_shopifys_is_consent(
    page: Page, storefront: Storefront, privacy: dict[str, Any]
) -> None:
    await open_checkout(page, storefront, privacy)
    await publish(page, "checkout_started", make_checkout())
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert storefront.requests == 0


@pytest.mark.parametrize("storefront", [{"consent": "required"}], indirect=True)
async def test_where_the_shops_own_banner_decides_the_companion_is_its_yes(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await open_checkout(page, storefront)
    await publish(page, "checkout_started", make_checkout())
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert storefront.requests == 0
    await give_cookies(visitor, storefront, _tgc=COMPANION)
    await tell(page, storefront, "payment_info_submitted", make_checkout(), count=2)
    assert [event["event"] for event in storefront.pixel_events] == ["InitiateCheckout", "AddPaymentInfo"]
    assert storefront.pixel_beacons[0].body["consent"] == {"marketing": True}


@pytest.mark.parametrize("storefront", [{"consent": "granted"}], indirect=True)
async def test_where_consent_is_granted_only_a_refusal_counts(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront, UNDECIDED)
    body = await tell(page, storefront, "checkout_started", make_checkout())
    assert body["consent"] == {}
    await page.evaluate("(privacy) => collect(privacy)", UNDECIDED)
    await page.wait_for_function("!document.cookie.includes('_tgc')")
    await publish(page, "checkout_completed", make_order())
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert [event["event"] for event in storefront.pixel_events] == ["InitiateCheckout"]


@pytest.mark.parametrize("how", ["opted out", "privacy control"])
async def test_a_sale_that_was_opted_out_of_is_told(page: Page, storefront: Storefront, how: str) -> None:
    if how == "privacy control":
        await page.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {value: true})")
    await open_checkout(page, storefront, {**ALLOWED, "saleOfDataAllowed": how != "opted out"})
    body = await tell(page, storefront, "checkout_started", make_checkout())
    assert body["consent"]["sale_of_data"] is False


# Trouble


@pytest.mark.parametrize("status", [503, 429])
async def test_what_the_gateway_could_not_take_is_sent_again(page: Page, storefront: Storefront, status: int) -> None:
    storefront.pixel_moods = [status]
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_completed", make_order())
    assert body["events"][0]["event_id"] == "purchase_6589808345170"
    assert body["sent_at"] - body["events"][0]["at"] >= 2000


async def test_what_the_gateway_refuses_is_given_up(page: Page, storefront: Storefront) -> None:
    storefront.pixel_moods = [400]
    await open_checkout(page, storefront)
    await publish(page, "checkout_started", make_checkout())
    await tell(page, storefront, "checkout_completed", make_order())
    assert [event["event"] for event in storefront.pixel_events] == ["Purchase"]


async def test_events_of_no_use_stop_nothing(page: Page, storefront: Storefront) -> None:
    await open_checkout(page, storefront)
    for data in ({}, {"checkout": 7}, {"checkout": {"lineItems": "no"}}):
        await publish(page, "checkout_started", data)
    await publish(page, "checkout_completed", make_order())
    await storefront.until(lambda: [event for event in storefront.pixel_events if event["event"] == "Purchase"])


# TikTok's Pixel in the checkout


@drives
async def test_a_driven_pixel_hears_of_the_checkout_under_the_same_id(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await visitor.route(LIBRARY_URL, lambda route: route.fulfill(body=LIBRARY, content_type="text/javascript"))
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_completed", make_order())
    (event,) = body["events"]
    identified, tracked = await page.frames[1].evaluate("window.pixelCalls")
    assert identified == [
        "identify",
        {"email": "Ada@Example.com", "phone_number": "+15555550123", "external_id": "8832137625682"},
    ]
    assert tracked == ["track", "Purchase", event["properties"], {"event_id": event["event_id"]}]
    assert event["pixel"] == "fired"
    assert await page.frames[1].evaluate("ttq._o") == {PIXEL: {}}


@drives
@pytest.mark.parametrize("trouble", ["blocked", "stalled"])
async def test_a_driven_pixel_that_does_not_come_is_told_as_blocked(
    visitor: BrowserContext, page: Page, storefront: Storefront, trouble: str
) -> None:
    await visitor.route(LIBRARY_URL, lambda route: route.abort("blockedbyclient") if trouble == "blocked" else None)
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_completed", make_order())
    assert body["events"][0]["pixel"] == "blocked"
    assert await page.frames[1].evaluate("ttq.length") == 0, "a library that comes later finds nothing to report"


@drives
async def test_a_driven_pixel_is_not_loaded_before_consent(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await open_checkout(page, storefront, UNDECIDED)
    await publish(page, "checkout_started", make_checkout())
    await page.evaluate("fetch('/a-later-request').then(() => 1)")
    assert [url for url in asked if "tiktok" in url] == []


@drives
async def test_a_driven_pixel_hears_of_a_refused_sale(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await visitor.route(LIBRARY_URL, lambda route: route.fulfill(body=LIBRARY, content_type="text/javascript"))
    await open_checkout(page, storefront, {**ALLOWED, "saleOfDataAllowed": False})
    await tell(page, storefront, "checkout_started", make_checkout())
    assert await page.frames[1].evaluate("ttq._o") == {PIXEL: {"limited_data_use": True}}


@pytest.mark.parametrize(
    ("storefront", "told"), [({"pixel_mode": "off"}, "off"), ({"pixel_mode": "mirror"}, None)], indirect=["storefront"]
)
async def test_a_pixel_that_is_not_driven_is_not_loaded(page: Page, storefront: Storefront, told: str | None) -> None:
    await open_checkout(page, storefront)
    body = await tell(page, storefront, "checkout_started", make_checkout())
    assert body["events"][0].get("pixel") == told
    assert await page.frames[1].evaluate("typeof ttq") == "undefined"

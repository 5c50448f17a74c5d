"""Each way from an order back to the visitor who clicked, with all the others removed."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.beacons import make_beacon
from tests.shopify.payloads import address
from tests.webhooks import CLICK, DAY_S, LANDED, ORDER_ID, Shop, make_purchase, to_attributes

CART, CHECKOUT, CLIENT = "hWN3NvqPtE14ixpbtuXffV7h", "e9afbbf20aea73e47f32bb4e90432653", "5a0f0c3e-8a55-4c7c-b8f2"
CUSTOMER = {"id": 8832137625682}

Way = Callable[[Shop], Awaitable[dict[str, Any]]]
"""Somebody lands with a click and leaves one trace; what their order says that leads to it."""


async def by_companion(shop: Shop) -> dict[str, Any]:
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    return {"note_attributes": to_attributes(browser.cookies["_tgc"])}


async def by_cart(shop: Shop) -> dict[str, Any]:
    await shop.browser().beacon(page=LANDED, ids={"cart": f"{CART}?key=b0d1"})
    return {"cart_token": CART}


async def by_checkout(shop: Shop) -> dict[str, Any]:
    await shop.browser().beacon(page=LANDED, ids={"checkout": CHECKOUT})
    return {"checkout_token": CHECKOUT}


async def by_customer(shop: Shop) -> dict[str, Any]:
    await shop.browser().beacon(page=LANDED, ids={"customer": str(CUSTOMER["id"])})
    return {"customer": CUSTOMER}


async def by_email(shop: Shop) -> dict[str, Any]:
    await shop.browser().beacon(page=LANDED, user={"email": " Zoe@Example.com "})
    return {"email": "zoe@example.com"}


async def by_hashed_email(shop: Shop) -> dict[str, Any]:
    digest = hashlib.sha256(b"zoe@example.com").hexdigest()
    await shop.browser().beacon(page=LANDED, user={"email": digest})
    return {"email": "ZOE@example.com"}


async def by_phone(shop: Shop) -> dict[str, Any]:
    await shop.browser().beacon(page=LANDED, user={"phone": "+1 (408) 555-0199"})
    return {"phone": "+14085550199"}


async def by_phone_of_the_address(shop: Shop) -> dict[str, Any]:
    await shop.browser().beacon(page=LANDED, user={"phone": "+14085550199"})
    return {"billing_address": address(phone="(408) 555-0199")}


async def by_client(shop: Shop) -> dict[str, Any]:
    """The custom pixel's clientId restores the browser, which then tells the checkout."""
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    await shop.gateway.px(make_beacon(ids={"companion": browser.cookies["_tgc"], "client": CLIENT}))
    restored = (await shop.gateway.px(make_beacon(ids={"client": CLIENT, "checkout": CHECKOUT}))).json()
    assert restored == {"visitor": browser.cookies["_tgc"], "ttclid": CLICK}
    return {"checkout_token": CHECKOUT}


async def by_twin(shop: Shop) -> dict[str, Any]:
    """The thank-you page tells the same Purchase."""
    await shop.browser().beacon(make_purchase(), page=LANDED)
    return {}


WAYS = [
    by_companion, by_cart, by_checkout, by_customer, by_email, by_hashed_email, by_phone, by_phone_of_the_address,
    by_client, by_twin,
]  # fmt: skip
LASTING = [way for way in WAYS if way is not by_twin]


@pytest.mark.parametrize("way", WAYS)
async def test_each_way_alone_leads_from_an_order_to_the_click(shop: Shop, way: Way):
    said = await way(shop)
    await shop.order(**said)
    await shop.deliver()
    [purchase] = shop.purchases
    assert (purchase["event_id"], purchase["user"]["ttclid"]) == (f"purchase_{ORDER_ID}", CLICK)
    [visitor] = shop.gateway.visitors
    assert (shop.find_order()["visitor_id"], shop.find_order()["reason"]) == (visitor["id"], None)


@pytest.mark.parametrize("way", LASTING)
async def test_without_its_way_back_an_order_is_not_sent(shop: Shop, way: Way):
    await way(shop)
    await shop.order()
    assert [event for event in shop.gateway.events if event["event"] == "Purchase"] == []
    assert (shop.find_order()["visitor_id"], shop.find_order()["reason"]) == (None, "no_consent")


@pytest.mark.parametrize("days", [8, 27])
@pytest.mark.parametrize("way", LASTING)
async def test_a_click_is_carried_for_weeks_after_the_cookies_are_gone(shop: Shop, way: Way, days: int):
    said = await way(shop)
    shop.clock.turn(days * DAY_S)
    await shop.order(**said)
    await shop.deliver()
    [purchase] = shop.purchases
    assert purchase["user"]["ttclid"] == CLICK
    assert purchase["event_time"] == shop.clock.ms // 1000


@pytest.mark.parametrize("days", [8, 27])
@pytest.mark.parametrize("ids", [{"cart": CART}, {"checkout": CHECKOUT}, {"client": CLIENT}], ids=" ".join)
async def test_a_browser_without_cookies_is_restored_and_its_order_carries_the_click(shop: Shop, ids, days: int):
    browser = shop.browser()
    await browser.beacon(page=LANDED, ids=ids)
    was = browser.visitor_id
    browser.cookies.clear()
    shop.clock.turn(days * DAY_S)
    await browser.beacon(ids=ids)
    assert (browser.visitor_id, browser.cookies["ttclid"]) == (was, CLICK)
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]


async def test_an_order_whose_attributes_name_nobody_of_ours_is_found_another_way(shop: Shop):
    said = await by_cart(shop)
    await shop.order(note_attributes=to_attributes("c.0190aa.forged"), **said)
    await shop.deliver()
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]


async def test_the_companion_outranks_every_other_way(shop: Shop):
    browser, other = shop.browser(), shop.browser()
    await browser.beacon(page=LANDED)
    await other.beacon(ids={"cart": CART, "checkout": CHECKOUT}, user={"email": "zoe@example.com"})
    companion = to_attributes(browser.cookies["_tgc"])
    await shop.order(note_attributes=companion, cart_token=CART, checkout_token=CHECKOUT, email="zoe@example.com")
    assert shop.find_order()["visitor_id"] == browser.visitor_id != other.visitor_id

"""Each way from an order back to the visitor who clicked, with all the others removed."""

from __future__ import annotations

import pytest

from tests.identity.ways import CART, CHECKOUT, CLIENT, LASTING, WAYS, Way, by_cart
from tests.webhooks import CLICK, DAY_S, LANDED, ORDER_ID, Shop, to_attributes


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

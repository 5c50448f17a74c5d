"""An order follows its visitor's consent, and its account says so (contract 4.5)."""

from __future__ import annotations

import pytest

from tests.beacons import CONSENT, REFUSAL
from tests.identity.ways import LASTING, Way
from tests.webhooks import CLICK, HOLD_S, LANDED, ORDER_ID, Shop, make_purchase, to_attributes

REFUSES_SALE = {**CONSENT, "sale_of_data": False}


async def test_without_any_consent_known_an_order_is_not_sent_and_leaves_no_trace_of_its_buyer(shop: Shop):
    await shop.order(email="zoe@example.com", customer={"id": 1}, landing_site=f"/?ttclid={CLICK}")
    assert shop.gateway.events == shop.gateway.visitors == shop.gateway.rows("SELECT * FROM links") == []
    assert (shop.find_order()["reason"], shop.find_order()["visitor_id"]) == ("no_consent", None)
    assert (shop.find_order()["value"], shop.find_order()["currency"]) == ("38.36", "USD")


async def test_where_consent_is_granted_an_order_of_somebody_unknown_is_sent(open_shop: Shop):
    await open_shop.order(email="zoe@example.com", landing_site=f"/?ttclid={CLICK}")
    await open_shop.deliver(after_s=HOLD_S)
    [purchase] = open_shop.purchases
    assert purchase["user"]["ttclid"] == CLICK
    assert open_shop.find_order()["reason"] is None


@pytest.mark.parametrize("way", LASTING)
async def test_after_a_withdrawal_no_way_sends_an_order(shop: Shop, way: Way):
    await withdraw_and_order(shop, way)


@pytest.mark.parametrize("way", LASTING)
async def test_a_withdrawal_holds_where_consent_is_granted_too(open_shop: Shop, way: Way):
    await withdraw_and_order(open_shop, way)


async def withdraw_and_order(shop: Shop, way: Way) -> None:
    said = await way(shop)
    [visitor] = shop.gateway.visitors
    browser = shop.browser()
    await browser.beacon(consent=REFUSAL, ids={"companion": shop.companion_of(visitor["id"])})
    await shop.order(**said)
    await shop.order("orders/updated", **said)
    await shop.deliver(after_s=HOLD_S)
    assert shop.purchases == []
    assert shop.find_order()["reason"] == "no_consent"


async def test_a_withdrawal_stops_the_order_that_waits(shop: Shop):
    browser = shop.browser()
    await browser.beacon(make_purchase(), page=LANDED)
    await browser.beacon(consent=REFUSAL)
    await shop.deliver(after_s=HOLD_S)
    assert shop.told == 0
    assert [event["fate"] for event in shop.gateway.events] == ["withdrawn"]


async def test_consent_given_again_sends_the_order_when_it_is_told_again(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    companion = to_attributes(browser.cookies["_tgc"])
    await shop.browser().beacon(consent=REFUSAL, ids={"companion": browser.cookies["_tgc"]})
    await shop.order(note_attributes=companion)
    assert shop.find_order()["reason"] == "no_consent"
    shop.clock.turn(60)
    await browser.beacon()
    await shop.order("orders/updated", note_attributes=companion)
    await shop.deliver()
    assert [purchase["event_id"] for purchase in shop.purchases] == [f"purchase_{ORDER_ID}"]
    assert shop.find_order()["reason"] is None


async def test_a_visitor_who_does_not_want_their_data_sold_has_their_order_sent_so(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED, consent=REFUSES_SALE)
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    assert shop.purchases[0]["limited_data_use"] is True


async def test_global_privacy_control_limits_the_order_that_comes_without_a_browser(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED, headers={"sec-gpc": "1"})
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    assert shop.purchases[0]["limited_data_use"] is True


async def test_an_order_of_a_visitor_who_said_nothing_of_sales_is_sent_without_limits(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED, consent={"marketing": True})
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    assert "limited_data_use" not in shop.purchases[0]


async def test_an_order_takes_over_the_consent_of_the_purchase_that_waits_for_it(shop: Shop):
    await shop.browser().beacon(make_purchase(), consent=REFUSES_SALE)
    assert shop.told == 0
    await shop.order(email="zoe@example.com")
    await shop.deliver()
    [purchase] = shop.purchases
    assert purchase["limited_data_use"] is True
    assert purchase["user"]["email"]
    assert shop.find_order()["visitor_id"] == shop.gateway.visitors[0]["id"]

"""One Purchase an order, for ever: whoever tells it first, however often, however late."""

from __future__ import annotations

import hashlib

import pytest

from tests.beacons import CONSENT, REFUSAL, make_beacon
from tests.shopify.payloads import money_set
from tests.webhooks import CLICK, DAY_S, HOLD_S, LANDED, ORDER_ID, Shop, make_purchase, to_attributes

EMAIL = "zoe@example.com"
EMAIL_SHA256 = hashlib.sha256(EMAIL.encode()).hexdigest()
HOUR_S = 3600


# The browser speaks first


async def test_a_browsers_purchase_waits_for_the_shops_and_takes_its_keys(shop: Shop):
    await shop.browser().beacon(make_purchase(), page=LANDED)
    await shop.deliver(after_s=HOLD_S - 1)
    assert shop.told == 0
    await shop.order(email=EMAIL, total_price_set=money_set("38.36", "35.10"))
    await shop.deliver()
    [purchase] = shop.purchases
    assert (purchase["user"]["ttclid"], purchase["user"]["email"]) == (CLICK, EMAIL_SHA256)
    assert purchase["properties"]["order_id"] == str(ORDER_ID)
    assert shop.told == 1


async def test_a_browsers_purchase_leaves_alone_when_the_shop_stays_silent(shop: Shop):
    await shop.browser().beacon(make_purchase(), page=LANDED)
    await shop.deliver(after_s=HOLD_S)
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]


async def test_a_webhook_four_hours_late_adds_no_second_purchase(shop: Shop):
    await shop.browser().beacon(make_purchase(), page=LANDED)
    await shop.deliver(after_s=HOLD_S)
    shop.clock.turn(4 * HOUR_S)
    await shop.order(email=EMAIL)
    await shop.deliver(after_s=HOLD_S)
    assert (len(shop.purchases), shop.told) == (1, 1)
    assert shop.find_order()["reason"] is None


@pytest.mark.parametrize("hours", [1, 4, 49, 100])
async def test_the_thank_you_page_may_come_back_as_often_as_it_likes(shop: Shop, hours: int):
    browser = shop.browser()
    await browser.beacon(make_purchase(pixel="fired"), page=LANDED)
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    for visitor in (browser, shop.browser()):
        shop.clock.turn(hours * HOUR_S)
        response = await visitor.beacon(make_purchase(pixel="fired"))
        assert response.headers["x-dropped"] == "duplicate"
        await shop.deliver(after_s=HOLD_S)
    assert (len(shop.purchases), shop.told) == (1, 1)


async def test_a_late_webhook_does_not_send_what_the_pixel_told_two_days_ago(shop: Shop):
    """The Pixel's copy was counted; TikTok would count another one that comes 48 hours after it (TikTok spec 5)."""
    browser = shop.browser()
    await browser.beacon(make_purchase(pixel="fired"), page=LANDED)
    shop.clock.turn(48 * HOUR_S)
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    assert shop.told == 0
    assert [event["fate"] for event in shop.gateway.events] == ["expired"]


async def test_a_purchase_that_only_the_shop_told_may_be_days_late(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    order = shop.make_order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    shop.clock.turn(6 * DAY_S)
    await shop.webhook("orders/paid", order)
    await shop.deliver()
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]


# The shop speaks first


async def test_an_order_of_a_known_visitor_leaves_at_once_and_the_browsers_copy_is_dropped(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver()
    assert len(shop.purchases) == 1
    response = await browser.beacon(make_purchase(pixel="fired"))
    assert response.headers["x-dropped"] == "duplicate"
    await shop.deliver(after_s=HOLD_S)
    assert (len(shop.purchases), shop.told) == (1, 1)


async def test_an_order_told_before_any_consent_is_sent_by_its_browser(shop: Shop):
    await shop.order(email=EMAIL)
    assert shop.find_order()["reason"] == "no_consent"
    browser = shop.browser()
    await browser.beacon(make_purchase(), page=LANDED)
    await shop.deliver(after_s=HOLD_S)
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]
    assert (shop.find_order()["reason"], shop.find_order()["visitor_id"]) == (None, browser.visitor_id)


async def test_an_order_told_before_and_after_its_browser_is_sent_once_with_the_keys_of_both(shop: Shop):
    await shop.order(email=EMAIL)
    await shop.browser().beacon(make_purchase(), page=LANDED)
    await shop.order("orders/updated", email=EMAIL)
    await shop.deliver()
    [purchase] = shop.purchases
    assert (purchase["user"]["ttclid"], purchase["user"]["email"]) == (CLICK, EMAIL_SHA256)
    assert shop.find_order()["reason"] is None


async def test_an_order_told_before_any_beacon_is_sent_when_it_is_told_again(shop: Shop):
    await shop.order(checkout_token="k1", email=EMAIL)
    await shop.browser().beacon(page=LANDED, ids={"checkout": "k1"})
    await shop.order("orders/updated", checkout_token="k1", email=EMAIL)
    await shop.deliver()
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]
    assert shop.find_order()["reason"] is None


async def test_an_order_that_its_browser_sent_stays_sent_in_its_account_when_consent_ends(shop: Shop):
    browser = shop.browser()
    await browser.beacon(make_purchase(), page=LANDED)
    await shop.deliver(after_s=HOLD_S)
    await browser.beacon(consent=REFUSAL)
    await shop.order(note_attributes=to_attributes(browser.cookies.get("_tgc", "")))
    assert len(shop.purchases) == 1
    assert (shop.find_order()["reason"], shop.find_order()["name"]) == (None, "#1001")


async def test_an_order_of_somebody_unknown_waits_for_the_browser_that_knows_the_click(open_shop: Shop):
    shop = open_shop
    await shop.order(email=EMAIL)
    await shop.deliver(after_s=HOLD_S - 1)
    assert shop.told == 0
    await shop.browser().beacon(make_purchase(), page=LANDED)
    await shop.deliver()
    [purchase] = shop.purchases
    assert (purchase["user"]["ttclid"], purchase["user"]["email"]) == (CLICK, EMAIL_SHA256)


async def test_what_shopify_says_of_an_order_at_once_does_not_end_its_wait_for_the_browser(open_shop: Shop):
    shop = open_shop
    for topic in ("orders/create", "orders/paid", "orders/updated", "orders/updated"):
        await shop.order(topic, email=EMAIL, checkout_token="k1")
    await shop.deliver(after_s=HOLD_S - 1)
    assert shop.told == 0
    await shop.deliver(after_s=1)
    assert [purchase["user"]["email"] for purchase in shop.purchases] == [EMAIL_SHA256]


# Again and again


async def test_every_topic_of_an_order_together_makes_one_purchase(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    said = {"note_attributes": to_attributes(browser.cookies["_tgc"])}
    for topic in ("orders/create", "orders/paid", "orders/updated", "orders/paid", "orders/fulfilled"):
        await shop.order(topic, **said)
        await shop.deliver()
    assert (len(shop.purchases), shop.told) == (1, 1)
    assert shop.find_order()["reason"] is None


@pytest.mark.parametrize("topics", [("orders/paid", "orders/create"), ("orders/create", "orders/paid")])
async def test_the_account_says_why_in_whatever_order_the_topics_come(shop: Shop, topics: tuple[str, str]):
    for topic in topics:
        await shop.order(topic, email=EMAIL)
    assert shop.find_order()["reason"] == "no_consent"


async def test_a_delivery_repeated_by_shopify_changes_nothing(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    order = shop.make_order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    for _ in range(3):
        response = await shop.webhook("orders/paid", order, headers={"x-shopify-webhook-id": "w-1"})
        assert response.status_code == 200
    assert [event["duplicates"] for event in shop.gateway.events] == [0, 0]
    await shop.deliver()
    assert len(shop.purchases) == 1


@pytest.mark.parametrize("days", [1, 3, 6, 30, 200])
async def test_an_order_changed_long_after_is_not_told_again(shop: Shop, days: int):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    order = shop.make_order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.webhook("orders/paid", order)
    await shop.deliver()
    shop.clock.turn(days * DAY_S)
    await shop.webhook("orders/updated", order)
    await shop.deliver(after_s=HOLD_S)
    assert (len(shop.purchases), shop.told) == (1, 1)


async def test_an_order_changed_after_its_event_was_forgotten_is_not_told_again(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    order = shop.make_order(note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.webhook("orders/paid", order)
    await shop.deliver()
    shop.forget("events", "attempts")
    shop.clock.turn(91 * DAY_S)
    await shop.webhook("orders/updated", order)
    await shop.deliver(after_s=HOLD_S)
    assert shop.told == 1


@pytest.mark.parametrize("days", [29, 91, 400])
async def test_a_thank_you_page_opened_after_its_event_was_forgotten_tells_nothing(shop: Shop, days: int):
    browser = shop.browser()
    await browser.beacon(make_purchase(), page=LANDED)
    await shop.deliver(after_s=HOLD_S)
    shop.forget("events", "attempts")
    shop.clock.turn(days * DAY_S)
    response = await browser.beacon(make_purchase())
    assert response.headers["x-dropped"] == "duplicate"
    await shop.deliver(after_s=HOLD_S)
    assert shop.told == 1


# What was bought


async def test_a_buy_now_without_a_cart_finds_the_visitor_by_its_checkout(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    pixel = make_beacon(ids={"companion": browser.cookies["_tgc"], "checkout": "k1"}, consent=CONSENT)
    await shop.gateway.px(pixel)
    await shop.order(cart_token=None, note_attributes=[], checkout_token="k1")
    await shop.deliver()
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]


async def test_an_order_with_a_phone_alone_is_told_with_its_phone(shop: Shop):
    await shop.browser().beacon(page=LANDED, ids={"cart": "c1"})
    await shop.order(cart_token="c1", email="", phone="+14085550199")
    await shop.deliver()
    [purchase] = shop.purchases
    assert "email" not in purchase["user"]
    assert purchase["user"]["phone"] == hashlib.sha256(b"+14085550199").hexdigest()
    assert purchase["user"]["ttclid"] == CLICK


async def test_an_order_in_two_currencies_is_told_in_the_buyers(shop: Shop):
    await shop.browser().beacon(page=LANDED, ids={"cart": "c1"})
    await shop.order(
        cart_token="c1", currency="USD", presentment_currency="EUR", total_price_set=money_set("38.36", "35.10")
    )
    await shop.deliver()
    properties = shop.purchases[0]["properties"]
    assert (properties["value"], properties["currency"]) == (35.1, "EUR")
    assert (shop.find_order()["value"], shop.find_order()["currency"]) == ("35.10", "EUR")

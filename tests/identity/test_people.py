"""People are not mixed up, on a shared device or by a shared phone; and a guess about somebody is told to nobody."""

from __future__ import annotations

import hashlib

import pytest

from tests.beacons import Browser, make_beacon, make_event, read_set_cookies
from tests.shopify.payloads import checkout
from tests.webhooks import CLICK, DAY_S, LANDED, NOBODY, Shop, make_purchase, to_attributes

ANN, BOB = {"email": "ann@example.com", "phone": "+14085550111"}, {"email": "bob@example.com", "phone": "+14085550122"}
GUESSES = {
    "customer": ({"ids": {"customer": "8832137625682"}}, {"customer": {"id": 8832137625682}}),
    "email": ({"user": {"email": ANN["email"]}}, {"email": ANN["email"]}),
    "phone": ({"user": {"phone": ANN["phone"]}}, {"phone": ANN["phone"]}),
}
"""What names a person without proving it: as a beacon says it, and as an order does."""


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_checkout(**changes):
    """A checkout that leads to nobody but through what `changes` say."""
    return checkout(**{**NOBODY, "token": "k1", "created_at": None, **changes})


async def land(shop: Shop, **said) -> Browser:
    """A browser that came by the click and said this."""
    browser = shop.browser()
    await browser.beacon(page=LANDED, **said)
    return browser


# A shared device


async def test_on_a_shared_device_each_order_is_its_own_persons(shop: Shop):
    browser = await land(shop, user=ANN)
    companion = to_attributes(browser.cookies["_tgc"])
    await shop.order(id=1, note_attributes=companion, customer={"id": 2}, **BOB)
    await shop.order(id=2, note_attributes=companion, customer={"id": 1}, **ANN)
    await shop.deliver()
    users = {purchase["event_id"]: purchase["user"] for purchase in shop.purchases}
    for event_id, person, customer_id in (("purchase_1", BOB, "2"), ("purchase_2", ANN, "1")):
        assert users[event_id]["email"] == sha256(person["email"])
        assert users[event_id]["phone"] == sha256(person["phone"])
        assert users[event_id]["external_id"] == sha256(customer_id)
        assert users[event_id]["ttclid"] == CLICK


async def test_an_order_with_a_phone_alone_is_not_given_the_email_of_another_customer(shop: Shop):
    browser = await land(shop, user={"email": ANN["email"]}, ids={"customer": "1"})
    companion = to_attributes(browser.cookies["_tgc"])
    await shop.order(note_attributes=companion, customer={"id": 2}, phone=BOB["phone"])
    await shop.deliver()
    [purchase] = shop.purchases
    assert "email" not in purchase["user"]
    assert purchase["user"]["phone"] == sha256(BOB["phone"])


async def test_a_device_that_is_somebody_elses_by_now_says_nothing_of_them(shop: Shop):
    """Ann's email once came from a tablet that is Bob's now: her order on her own phone knows nothing of Bob."""
    tablet = await land(shop, user=ANN)
    await tablet.beacon(user=BOB)
    own = shop.browser()
    await own.beacon()
    await shop.order(note_attributes=to_attributes(own.cookies["_tgc"]), email=ANN["email"])
    await shop.deliver()
    [purchase] = shop.purchases
    assert purchase["user"]["email"] == sha256(ANN["email"])
    assert "phone" not in purchase["user"]
    assert "ttclid" not in purchase["user"]


async def test_an_order_does_not_turn_somebody_elses_device_into_its_buyers(shop: Shop):
    tablet = await land(shop, user=ANN)
    await tablet.beacon(user=BOB)
    await shop.order(email=ANN["email"])
    assert shop.find_order()["reason"] == "no_consent"
    assert shop.gateway.visitors[0]["email"] == sha256(BOB["email"])


async def test_a_phone_that_two_people_share_does_not_lend_the_others_email(shop: Shop):
    await land(shop, user=ANN)
    own = shop.browser()
    await own.beacon()
    await shop.order(note_attributes=to_attributes(own.cookies["_tgc"]), email=BOB["email"], phone=ANN["phone"])
    await shop.deliver()
    [purchase] = shop.purchases
    assert purchase["user"]["email"] == sha256(BOB["email"])


async def test_a_customer_who_orders_under_another_email_is_still_known(shop: Shop):
    await land(shop, user={"email": ANN["email"]}, ids={"customer": "1"})
    await shop.order(customer={"id": 1}, email="ann@work.example")
    await shop.deliver()
    [purchase] = shop.purchases
    assert (purchase["user"]["ttclid"], purchase["user"]["email"]) == (CLICK, sha256("ann@work.example"))


async def test_another_device_of_the_same_person_lends_its_click_but_not_its_address(shop: Shop):
    await land(shop, user={"email": ANN["email"]})
    own = shop.browser()
    await own.beacon(headers={"x-forwarded-for": "10.0.0.7"})
    companion = to_attributes(own.cookies["_tgc"])
    await shop.order(note_attributes=companion, email=ANN["email"], browser_ip="198.51.100.9")
    await shop.deliver()
    [purchase] = shop.purchases
    assert (purchase["user"]["ttclid"], purchase["user"]["ip"]) == (CLICK, "198.51.100.9")


# A guess is told to nobody


@pytest.mark.parametrize("guess", GUESSES)
async def test_naming_somebody_tells_a_browser_nothing_while_its_event_carries_their_click(shop: Shop, guess: str):
    said, _ = GUESSES[guess]
    owner = await land(shop, **said)
    stranger = shop.browser()
    await stranger.beacon(**said)
    assert stranger.visitor_id != owner.visitor_id
    assert "ttclid" not in stranger.cookies
    answer = await shop.gateway.px(make_beacon(make_event("AddToCart"), **said))
    assert answer.json()["ttclid"] is None
    assert owner.visitor_id not in answer.json()["visitor"]
    await shop.deliver()
    assert [event["user"]["ttclid"] for event in shop.tiktok.events if event["event"] == "AddToCart"] == [CLICK]


@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize("webhooks", [1, 2])
async def test_a_strangers_checkout_does_not_lead_the_stranger_to_whom_it_names(shop: Shop, guess: str, webhooks: int):
    """The checkout's and the cart's token are the stranger's; the email in it is whatever the stranger typed."""
    said, told = GUESSES[guess]
    owner = await land(shop, **said)
    for _ in range(webhooks):
        assert (await shop.webhook("checkouts/update", make_checkout(cart_token="c1", **told))).status_code == 200
    for ids in ({"checkout": "k1"}, {"cart": "c1"}):
        stranger = shop.browser()
        response = await stranger.beacon(ids=ids)
        assert stranger.visitor_id != owner.visitor_id
        assert "ttclid" not in read_set_cookies(response)
    [event] = [event for event in shop.gateway.events if event["event"] == "InitiateCheckout"]
    assert event["body"]["user"]["ttclid"] == CLICK


@pytest.mark.parametrize("guess", GUESSES)
async def test_a_strangers_order_does_not_lead_the_stranger_to_whom_it_names(shop: Shop, guess: str):
    said, told = GUESSES[guess]
    owner = await land(shop, **said)
    await shop.order(checkout_token="k1", cart_token="c1", **told)
    stranger = shop.browser()
    await stranger.beacon(ids={"checkout": "k1", "cart": "c1"})
    assert stranger.visitor_id != owner.visitor_id
    assert "ttclid" not in stranger.cookies


async def test_an_order_found_by_its_number_does_not_hand_the_buyers_cart_to_whoever_told_the_number(shop: Shop):
    liar = shop.browser()
    await liar.beacon(make_purchase())
    await shop.order(cart_token="c1", landing_site="/?ttclid=E.C.P.of-the-buyer")
    buyer = shop.browser()
    await buyer.beacon(ids={"cart": "c1"})
    assert buyer.visitor_id != liar.visitor_id
    await liar.beacon()
    assert "ttclid" not in liar.cookies


@pytest.mark.parametrize("guess", GUESSES)
async def test_the_click_of_somebodys_order_is_not_told_to_whom_it_names(shop: Shop, guess: str):
    said, told = GUESSES[guess]
    owner = shop.browser()
    await owner.beacon(**said)
    await shop.order(landing_site="/?ttclid=E.C.P.of-the-order", **told)
    await owner.beacon()
    assert "ttclid" not in owner.cookies
    await shop.deliver()
    assert shop.purchases[0]["user"]["ttclid"] == "E.C.P.of-the-order"


async def test_the_landing_that_shopify_kept_fills_in_for_a_click_that_no_beacon_told(shop: Shop):
    browser = shop.browser()
    await browser.beacon()
    companion = to_attributes(browser.cookies["_tgc"])
    await shop.order(note_attributes=companion, landing_site="/?ttclid=E.C.P.of-the-landing")
    await browser.beacon()
    assert browser.cookies["ttclid"] == "E.C.P.of-the-landing"
    await shop.deliver()
    assert shop.purchases[0]["user"]["ttclid"] == "E.C.P.of-the-landing"


async def test_the_visitors_own_click_stands_before_the_landing_that_shopify_kept(shop: Shop):
    browser = await land(shop)
    shop.clock.turn(DAY_S)
    companion = to_attributes(browser.cookies["_tgc"])
    await shop.order(note_attributes=companion, landing_site="/?ttclid=E.C.P.of-the-landing")
    await shop.deliver()
    assert shop.purchases[0]["user"]["ttclid"] == CLICK
    assert "E.C.P.of-the-landing" in shop.purchases[0]["page"]["url"]

"""One InitiateCheckout for each checkout: told by theme, custom pixel and webhook, or by any of them alone."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.shopify.storefront import to_checkout_id
from tests.beacons import REFUSAL, Browser, make_beacon, make_event
from tests.shopify.payloads import checkout
from tests.webhooks import CLICK, HOLD_S, LANDED, NOBODY, Shop, to_attributes

NAME = "InitiateCheckout"
NAMED = to_checkout_id("k1", NAME)
THEMES = "by-the-theme"
SITE = {"url": "https://www.acme.com/checkouts/cn"}


async def start(shop: Shop, **said: Any) -> Browser:
    """A shopper from an ad has gone to the checkout, and the theme's page has told of it."""
    browser = shop.browser()
    await browser.beacon(page=LANDED, ids={"cart": "c1"})
    await browser.beacon(make_event(NAME, event_id=THEMES, **said), ids={"cart": "c1"})
    return browser


async def tell_by_pixel(shop: Shop, browser: Browser, **said: Any) -> str | None:
    """The custom pixel has told of the same checkout; why that was dropped, if it was."""
    ids = {"companion": browser.cookies["_tgc"], "checkout": "k1", "client": "a-client-id-of-shopifys"}
    event = make_event(NAME, event_id=NAMED, **said)
    return (await shop.gateway.px(make_beacon(event, page=SITE, ids=ids))).headers.get("x-dropped")


async def tell_by_webhook(shop: Shop, opened: str, **said: Any) -> None:
    """Shopify has told of it, as it does when there are contact details."""
    body = checkout(**{**NOBODY, "token": "k1", "cart_token": "c1", "created_at": opened, **said})
    assert (await shop.webhook("checkouts/update", body)).status_code == 200


def sent(shop: Shop) -> list[str]:
    """The ids under which TikTok was sent a start of a checkout, as often as it was."""
    events = [event for request in shop.tiktok.requests for event in request.json["data"]]
    return [event["event_id"] for event in events if event["event"] == NAME]


async def test_a_checkout_that_only_the_theme_tells_is_told_when_its_wait_is_over(shop: Shop):
    """Both pixels blocked, and no contact details left behind."""
    await start(shop, pixel="blocked")
    await shop.deliver(after_s=HOLD_S - 1)
    assert sent(shop) == []
    await shop.deliver(after_s=1)
    assert sent(shop) == [THEMES]
    [event] = [event for event in shop.tiktok.events if event["event"] == NAME]
    assert event["user"]["ttclid"] == CLICK


async def test_a_checkout_that_all_three_tell_is_one_under_its_own_id(shop: Shop):
    browser, opened = await start(shop), shop.clock.write()
    shop.clock.turn(4)
    assert await tell_by_pixel(shop, browser, pixel="fired") is None
    await shop.deliver()
    assert sent(shop) == [NAMED]
    shop.clock.turn(60)
    await tell_by_webhook(shop, opened, email="zoe@example.com")
    await shop.deliver(after_s=HOLD_S)
    assert sent(shop) == [NAMED]


@pytest.mark.parametrize("hours", [0.02, 1, 30])
async def test_contact_details_left_later_tell_of_the_same_checkout(shop: Shop, hours: float):
    """However late the webhook is: it says when the checkout was opened."""
    browser, opened = await start(shop), shop.clock.write()
    await shop.deliver(after_s=HOLD_S)
    shop.clock.turn(hours * 3600)
    await tell_by_webhook(shop, opened, note_attributes=to_attributes(browser.cookies["_tgc"]))
    await shop.deliver(after_s=HOLD_S)
    assert sent(shop) == [THEMES]


async def test_a_webhook_that_names_only_the_cart_finds_the_themes(shop: Shop):
    await start(shop)
    await tell_by_webhook(shop, shop.clock.write())
    await shop.deliver()
    assert sent(shop) == [NAMED]


async def test_the_pages_own_pixel_waits_for_nothing_and_keeps_its_id(shop: Shop):
    browser = await start(shop, pixel="fired")
    await shop.deliver()
    assert sent(shop) == [THEMES]
    assert await tell_by_pixel(shop, browser) == "duplicate"
    await tell_by_webhook(shop, shop.clock.write())
    await shop.deliver(after_s=HOLD_S)
    assert sent(shop) == [THEMES]


async def test_a_page_that_sends_its_last_beacon_again_adds_nothing(shop: Shop):
    """It never heard the answer, so the snippet repeats it on the shopper's next page."""
    browser = await start(shop)
    await tell_by_pixel(shop, browser)
    await shop.deliver()
    response = await browser.beacon(make_event(NAME, event_id=THEMES))
    assert response.headers["x-dropped"] == "duplicate"
    await shop.deliver(after_s=HOLD_S)
    assert sent(shop) == [NAMED]


async def test_a_refusal_while_it_waits_stops_it(shop: Shop):
    browser = await start(shop)
    await browser.beacon(consent=REFUSAL)
    await shop.deliver(after_s=HOLD_S)
    assert sent(shop) == []


async def test_two_shoppers_are_two_checkouts(shop: Shop):
    for client in ("one", "two"):
        browser = shop.browser()
        await browser.beacon(make_event(NAME, event_id=f"of-{client}"), page=LANDED)
    await shop.deliver(after_s=HOLD_S)
    assert sorted(sent(shop)) == ["of-one", "of-two"]


async def test_the_ledger_says_that_it_was_told_more_than_once(shop: Shop):
    browser = await start(shop)
    await tell_by_pixel(shop, browser)
    [event] = [event for event in shop.gateway.events if event["event"] == NAME]
    assert (event["event_id"], event["duplicates"], event["source"]) == (NAMED, 1, "beacon")

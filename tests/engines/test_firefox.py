"""Firefox ESR with uBlock Origin on: TikTok's Pixel and Shopify's are blocked, and the purchase arrives all the same.

The blocker also takes `ttclid` out of addresses (its list "uBlock filters - Privacy"). So the ad leads where `install`
says that it should: through the gateway, with the click named `tc`.
"""

from __future__ import annotations

import time

import pytest
from playwright.async_api import BrowserContext, Page

from tests.engines.shop import ORIGIN, PRODUCT, SANDBOX_PATH, TIKTOK, WWW
from tests.engines.stack import GATEWAY, Stack

DAY_S = 86_400

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def land(page: Page, stack: Stack) -> None:
    """A visitor has come from an ad, and their companion is in their cart."""
    ad = f"https://{GATEWAY}/go?to=/products/tee&tc={stack.shop.click}&utm_source=tiktok"
    await page.goto(ad, referer="https://www.tiktok.com/")
    assert page.url.partition("?")[0] == PRODUCT
    await stack.until_in_cart()


async def test_theme_tag_and_webhook_carry_the_purchase_where_both_pixels_are_blocked(page: Page, stack: Stack) -> None:
    await land(page, stack)
    viewed = await stack.until_told("ViewContent")
    await page.goto(stack.shop.cart.thanks_url)
    purchase = await stack.pay()

    assert not [asked for asked in stack.shop.asked if asked.startswith((TIKTOK, WWW + SANDBOX_PATH))]
    assert purchase["event_id"] == f"purchase_{stack.order_id}"
    assert viewed["user"]["ttclid"] == purchase["user"]["ttclid"] == stack.shop.click


async def test_a_checkout_left_before_its_first_step_is_told_once_by_the_theme_tag(page: Page, stack: Stack) -> None:
    """No pixel sees it, and without contact details no webhook tells of it."""
    await land(page, stack)
    await page.goto(f"{ORIGIN}/cart")
    await page.click("button")
    await page.wait_for_url("**/checkouts/**")
    await page.goto(PRODUCT)
    started = await stack.until_told("InitiateCheckout")
    await stack.pay()

    assert started["user"]["ttclid"] == stack.shop.click
    assert started["page"]["url"] == f"{ORIGIN}/cart"
    assert [event["event"] for event in stack.tiktok.events].count("InitiateCheckout") == 1


async def test_cookies_have_the_lives_of_the_contract(visitor: BrowserContext, page: Page, stack: Stack) -> None:
    await land(page, stack)
    days = {cookie["name"]: round((cookie["expires"] - time.time()) / DAY_S) for cookie in await visitor.cookies()}
    assert days == {"_tgv": 400, "_tgc": 400, "ttclid": 90}

"""WebKit with ITP on: what the gateway sets over HTTP stays, what scripts write goes, and the click is never lost."""

from __future__ import annotations

import json

import pytest

from tests.engines.shop import ORIGIN, PRODUCT, Cart
from tests.engines.stack import GATEWAY, Stack
from tests.engines.webkit import WebKit

SITE = ".acme.test"
WRITE = """
document.cookie = "control=1; Domain=acme.test; Path=/; Secure; Max-Age=34560000";
localStorage.setItem("control", "1");
"""

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def land(webkit: WebKit, stack: Stack) -> str:
    """A visitor has come from an ad; gives the companion that is now in their cart."""
    await webkit.goto(f"{PRODUCT}?ttclid={stack.shop.click}")
    return await stack.until_in_cart()


async def test_cookies_set_over_http_live_for_the_contracts_days_and_a_scripts_for_seven(
    webkit: WebKit, stack: Stack
) -> None:
    await land(webkit, stack)
    await webkit.evaluate(WRITE)
    cookies = await webkit.cookies()
    days = {key: round(cookie.days or 0) for key, cookie in cookies.items()}
    assert days == {(GATEWAY, "_tgv"): 400, (SITE, "_tgc"): 400, (SITE, "ttclid"): 90, (SITE, "control"): 7}
    assert cookies[SITE, "ttclid"].value == stack.shop.click


async def test_a_purchase_carries_the_click_after_all_that_scripts_can_write_is_gone(
    webkit: WebKit, stack: Stack
) -> None:
    """The cookie that scripts cannot see is left, and by it the next cart knows its visitor."""
    companion = await land(webkit, stack)
    await webkit.evaluate(WRITE)
    await webkit.lose_what_scripts_can_write()
    assert list(await webkit.cookies()) == [(GATEWAY, "_tgv")]
    stack.shop.cart = Cart()

    await webkit.goto(ORIGIN)
    assert await stack.until_in_cart() == companion
    assert await webkit.evaluate("return localStorage.getItem('control')") is None
    assert (await webkit.cookies())[SITE, "ttclid"].value == stack.shop.click
    assert (await stack.pay())["user"]["ttclid"] == stack.shop.click


async def test_a_purchase_carries_the_click_after_every_cookie_of_the_gateway_is_gone(
    webkit: WebKit, stack: Stack
) -> None:
    """Safari takes them after seven days, as the gateway has another address than the shop; on Linux WebKit has no such
    rule. Shopify's own stay, so its cart leads back to the visitor, and the browser gets the gateway's again."""
    companion = await land(webkit, stack)
    await webkit.lose_everything()
    assert await webkit.cookies() == {}
    stack.shop.cart.attributes.clear()

    await webkit.goto(ORIGIN)
    assert await stack.until_in_cart() == companion
    assert (await webkit.cookies())[SITE, "ttclid"].value == stack.shop.click
    assert (await stack.pay())["user"]["ttclid"] == stack.shop.click


async def test_without_a_blocker_both_pixels_run_and_tell_what_the_gateway_tells(webkit: WebKit, stack: Stack) -> None:
    await land(webkit, stack)
    viewed = await stack.until_told("ViewContent")
    calls = await webkit.evaluate("return pixelCalls.filter((call) => call[0] === 'track')")
    assert [call[3]["event_id"] for call in calls] == [viewed["event_id"]]

    await webkit.goto(stack.shop.cart.thanks_url)
    await webkit.until("window.sandboxIsReady")
    checkout = {"token": stack.shop.cart.checkout, "order": {"id": str(stack.order_id)}, "lineItems": []}
    await webkit.evaluate(f"publish('checkout_completed', {{checkout: {json.dumps(checkout)}}})")
    await webkit.until("localStorage.getItem('_tgw') === null")  # the custom pixel has its answer
    purchase = await stack.pay()
    assert purchase["event_id"] == f"purchase_{stack.order_id}"
    assert purchase["user"]["ttclid"] == stack.shop.click

"""The ways from an order back to the visitor who clicked: each lays one trace, and says what the order then says."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from tests.beacons import make_beacon
from tests.shopify.payloads import address
from tests.webhooks import CLICK, LANDED, Shop, make_purchase, to_attributes

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

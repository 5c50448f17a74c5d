"""What is played: four people with the same shop in front of them, and very different ways to buy in it.

Called by `run`; acted by `shopper`. What they do is what the summary expects TikTok to have heard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from gateway.demo.browser import Browser, Persona
from gateway.demo.page_scripts import PageScripts
from gateway.demo.shopper import Say, Shopper
from gateway.demo.site import Site

ADA = Persona(
    name="Ada",
    ip="203.0.113.11",
    user_agent="Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Mobile Safari/537.36",
    pixel="fired",
    about="consents; TikTok's Pixel and the custom pixel work in her browser",
)
BEN = Persona(
    name="Ben",
    ip="203.0.113.12",
    user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    pixel="blocked",
    about="consents; an ad blocker stops both pixels, so his order comes by webhook alone",
)
DAN = Persona(
    name="Dan",
    ip="203.0.113.14",
    user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Safari/537.36 Edg/142.0.0.0",
    pixel="fired",
    about="consents; buys without a cart, so nothing but the checkout leads back to him",
)
CLEO = Persona(
    name="Cleo",
    ip="203.0.113.13",
    user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1",
    pixel="fired",
    about="refuses consent and buys all the same; she must leave no trace",
)
CAST = (ADA, BEN, DAN, CLEO)


async def play(site: Site, say: Say, pause: Callable[[], Awaitable[None]]) -> list[Shopper]:
    """All of them have been shopping; what became of it is still on its way to TikTok."""
    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # takes nothing: each browser keeps its own cookies
    async with httpx.AsyncClient(trust_env=False, timeout=10, cookies=jar) as http:
        browsers = [Browser(http, persona) for persona in CAST]
        cast = [Shopper(browser, PageScripts(browser, site), say, pause) for browser in browsers]
        ada, ben, dan, cleo = cast
        await play_buyer(ada, "morning-mug", "/products/garden-teapot", "ada@example.com")
        await play_buyer(ben, "reading-lamp", "/collections/all", "ben@example.com")
        await play_express(dan, "supper-plates", "dan@example.com")
        await play_refuser(cleo, "field-vase", "cleo@example.com")
    return cast


async def play_buyer(shopper: Shopper, handle: str, also: str, email: str) -> None:
    """From an ad to an order."""
    await shopper.click_ad(handle)
    await shopper.consent()
    await shopper.add_to_cart()
    await shopper.visit(also)
    await shopper.check_out()
    await shopper.pay(email)


async def play_express(shopper: Shopper, handle: str, email: str) -> None:
    """From an ad to an order, past the cart."""
    await shopper.click_ad(handle)
    await shopper.consent()
    await shopper.buy_now()
    await shopper.pay(email)


async def play_refuser(shopper: Shopper, handle: str, email: str) -> None:
    """From an ad to a no, and to an order that nobody is told of."""
    await shopper.click_ad(handle)
    await shopper.refuse()
    await shopper.add_to_cart()
    await shopper.check_out()
    await shopper.pay(email)

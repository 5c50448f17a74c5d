"""What is played: three people with the same shop in front of them, and three very different browsers.

Called by `run`; acted by `shopper`. What they do is what the summary expects TikTok to have heard.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

from gateway.demo.browser import Browser, Persona
from gateway.demo.shopper import Say, Shopper
from gateway.demo.site import Site

ADA = Persona(
    name="Ada",
    ip="203.0.113.11",
    user_agent="Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
    "Mobile Safari/537.36",
    pixel="fired",
    about="consents; TikTok's Pixel works in her browser",
)
BEN = Persona(
    name="Ben",
    ip="203.0.113.12",
    user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    pixel="blocked",
    about="consents; an ad blocker stops TikTok's Pixel",
)
CLEO = Persona(
    name="Cleo",
    ip="203.0.113.13",
    user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1",
    pixel="fired",
    about="refuses consent, and must leave no trace",
)
CAST = (ADA, BEN, CLEO)


async def play(site: Site, say: Say, pause: Callable[[], Awaitable[None]]) -> list[Shopper]:
    """All three have been shopping; what became of it is still on its way to TikTok."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        ada, ben, cleo = [Shopper(Browser(http, site, persona), say, pause) for persona in CAST]
        await play_buyer(ada, "morning-mug", "/products/garden-teapot", "ada@example.com")
        await play_buyer(ben, "reading-lamp", "/collections/all", "ben@example.com")
        await play_refuser(cleo, "field-vase")
    return [ada, ben, cleo]


async def play_buyer(shopper: Shopper, handle: str, also: str, email: str) -> None:
    """From an ad to an order."""
    await shopper.click_ad(handle)
    await shopper.consent()
    await shopper.add_to_cart()
    await shopper.visit(also)
    await shopper.check_out()
    await shopper.buy(email)


async def play_refuser(shopper: Shopper, handle: str) -> None:
    """From an ad to a no."""
    await shopper.click_ad(handle)
    await shopper.refuse()

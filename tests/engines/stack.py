"""The whole way in a network of its own, over TLS on port 443: shop, TikTok, Caddy with the repository's Caddyfile, and
the gateway as an operator runs it. Shopify's webhook comes in by the same door as the browsers' beacons.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.fake_tiktok import FakeTikTok, serving
from gateway.ops.init import make_paths
from tests.browser.caddy import adapt, add_site, find_caddy, move_to_loopback
from tests.browser.shop import serve
from tests.engines.namespace import PATIENCE_S, Namespace, open_namespace
from tests.engines.shop import ORIGIN, TIKTOK, WWW, Shop
from tests.servers import PIXEL, make_settings, write_config
from tests.shopify.payloads import web_order
from tests.webhooks import DOMAIN, NOBODY, SECRET, TOKEN, sign

GATEWAY = "t.acme.test"
GATEWAY_PORT, SHOP_PORT, TIKTOK_PORT = 8080, 8000, 9000


@dataclass
class Stack:
    """What a test may look at."""

    namespace: Namespace
    tiktok: FakeTikTok
    shop: Shop
    order_id: int = 6589808345170

    def reset(self) -> None:
        """The next visitor comes, with an order to be, to a shop that TikTok has heard nothing of."""
        self.tiktok.reset()
        self.shop.reset()
        self.order_id += 1

    async def until_told(self, name: str) -> dict[str, Any]:
        """The one event of this name that TikTok has accepted. Raises: TimeoutError, telling what did arrive."""

        def find() -> list[dict[str, Any]]:
            return [event for event in self.tiktok.events if event["event"] == name]

        await self.tiktok.until(find, timeout_s=PATIENCE_S)
        [event] = find()
        return event

    async def until_in_cart(self) -> str:
        """The companion that the theme tag has left in the cart."""
        await self.shop.until(lambda: "__tg" in self.shop.cart.attributes, timeout_s=PATIENCE_S)
        return self.shop.cart.attributes["__tg"]

    async def pay(self) -> dict[str, Any]:
        """Shopify has told the gateway that the cart was bought; gives the Purchase that TikTok has accepted."""
        body = json.dumps(self._make_order()).encode()
        headers = {
            "host": GATEWAY,
            "content-type": "application/json",
            "x-shopify-topic": "orders/paid",
            "x-shopify-hmac-sha256": sign(body),
            "x-shopify-shop-domain": DOMAIN,
            "x-shopify-webhook-id": f"delivery-{self.order_id}",
        }
        assert await self.namespace.call(functools.partial(_post_webhook, body, headers)) == 200
        return await self.until_told("Purchase")

    def _make_order(self) -> dict[str, Any]:
        """An order that leads to its buyer by its cart and checkout alone."""
        now = datetime.now(UTC).isoformat()
        cart = self.shop.cart
        return web_order(
            **NOBODY
            | {
                "id": self.order_id,
                "created_at": now,
                "processed_at": now,
                "cart_token": cart.token,
                "checkout_token": cart.checkout,
                "note_attributes": [{"name": name, "value": value} for name, value in cart.attributes.items()],
            }
        )


def _post_webhook(body: bytes, headers: dict[str, str]) -> int:
    named = {"sni_hostname": GATEWAY}
    with httpx.Client(verify=False, trust_env=False, timeout=PATIENCE_S) as client:  # the certificate is Caddy's own
        url = "https://127.0.0.1/webhooks/shopify"
        return client.post(url, content=body, headers=headers, extensions=named).status_code


@contextlib.asynccontextmanager
async def open_stack(folder: Path) -> AsyncIterator[Stack]:
    """Everything runs in a namespace of its own while the block does."""
    script_path, collect_path = make_paths()
    choices: dict[str, Any] = {
        "server": {"port": GATEWAY_PORT},
        "delivery": {"api_base": f"http://127.0.0.1:{TIKTOK_PORT}", "linger_s": 0.1, "purchase_hold_s": 1},
        "host": GATEWAY,
        "origins": [ORIGIN],
        "cookie_domain": "acme.test",
        "script_path": script_path,
        "collect_path": collect_path,
        "consent": "shopify",
        "pixels": [{"code": PIXEL, "access_token": TOKEN}],
        "shopify": {"shop": DOMAIN, "webhook_secrets": [SECRET]},
    }
    config = write_config(folder, **choices)
    shop, tiktok = Shop(make_settings(folder, **choices).stores[0]), FakeTikTok({PIXEL: TOKEN})
    async with contextlib.AsyncExitStack() as stack:
        namespace = await stack.enter_async_context(open_namespace([WWW, GATEWAY, TIKTOK], folder))
        await stack.enter_async_context(serve(shop, await _listen(namespace, SHOP_PORT)))
        await stack.enter_async_context(serving.serve(tiktok.app, await _listen(namespace, TIKTOK_PORT)))
        gateway = (sys.executable, "-m", "gateway", "serve", "--config", config)
        await stack.enter_async_context(
            namespace.run(*gateway, until="running on http", log=folder / "gateway.log"),
        )
        caddy = (find_caddy(), "run", "--config", _write_caddy_config(folder))
        await stack.enter_async_context(
            namespace.run(*caddy, until="serving initial configuration", log=folder / "caddy.log", HOME=str(folder)),
        )
        yield Stack(namespace, tiktok, shop)


async def _listen(namespace: Namespace, port: int) -> socket.socket:
    return await namespace.call(functools.partial(socket.create_server, ("127.0.0.1", port)))


def _write_caddy_config(folder: Path) -> Path:
    config = move_to_loopback(adapt(GATEWAY, f"127.0.0.1:{GATEWAY_PORT}"), 443, folder)
    for host in (WWW, TIKTOK):
        add_site(config, host, f"127.0.0.1:{SHOP_PORT}")
    path = folder / "caddy.json"
    path.write_text(json.dumps(config))
    return path

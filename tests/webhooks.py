"""A shop on Shopify before a real gateway, and TikTok behind it: all three on one clock that is turned by hand.

`Shop` posts the webhooks that Shopify would, signed; its `browser` sends what the shop's pages would; `deliver` lets
everything that is due reach the FakeTikTok, and `purchases` are what an advertiser sees there.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from uuid_utils import uuid7

import gateway.app
import gateway.beside
import gateway.web.hits
import gateway.web.webhook
from gateway.delivery.worker import Deliverer
from gateway.demo.fake_tiktok import FakeTikTok
from gateway.intake.tokens import Tokens
from tests.beacons import PAGE, Browser, make_event
from tests.servers import PIXEL, SECRET_KEY, Gateway, make_settings, make_tree, running_gateway
from tests.shopify.payloads import web_order

START_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
DAY_S = 86_400
HOLD_S = 45
DOMAIN = "acme.myshopify.com"
SECRET = "the-secret-under-the-list-of-webhooks"
TOKEN = "token-of-a-test"
CLICK = "E.C.P.the-click"
LANDED = {**PAGE, "url": f"https://www.acme.com/?ttclid={CLICK}"}
ORDER_ID = 6589808345170
TABLES = ("outbox", "attempts", "events", "links", "visitors", "orders", "reversals", "webhooks")

NOBODY = {
    "note_attributes": [],
    "cart_token": None,
    "checkout_token": None,
    "customer": None,
    "email": "",
    "contact_email": None,
    "phone": None,
    "billing_address": None,
    "shipping_address": None,
    "landing_site": "/",
    "browser_ip": None,
    "client_details": None,
}
"""What an order says when nothing in it leads to anybody."""


def to_attributes(companion: str) -> list[dict[str, str]]:
    """The cart attributes of an order whose cart held this companion."""
    return [{"name": "gift", "value": "yes"}, {"name": "__tg", "value": companion}]


def sign(body: bytes, secret: str = SECRET) -> str:
    """The value of X-Shopify-Hmac-Sha256."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def make_store(name: str, **said: Any) -> dict[str, Any]:
    """The settings of one of several stores of a gateway, each before a shop of its own."""
    usual = {
        "id": name,
        "host": f"t.{name}.com",
        "origins": [f"https://www.{name}.com"],
        "cookie_domain": f"{name}.com",
        "shopify": {"shop": f"{name}.myshopify.com", "webhook_secrets": [f"the-secret-of-{name}"]},
    }
    store: dict[str, Any] = make_tree(**usual | said)["stores"][0]
    return store


async def tell(gateway: Gateway, name: str, topic: str, told: Any, host: str | None = None) -> int:
    """The status that a webhook of this store's shop is answered with, at another host if one is named."""
    body = json.dumps(told).encode()
    headers = {
        "host": host or f"t.{name}.com",
        "x-shopify-hmac-sha256": sign(body, f"the-secret-of-{name}"),
        "x-shopify-topic": topic,
        "x-shopify-webhook-id": "w-1",
    }
    return (await gateway.request("POST", "/webhooks/shopify", content=body, headers=headers)).status_code


class Clock:
    """Stands still until it is turned. Units: called, it gives Unix milliseconds."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms

    def read_s(self) -> float:
        return self.ms / 1000

    def turn(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)

    def write(self) -> str:
        """Now, as Shopify writes it."""
        return datetime.fromtimestamp(self.read_s(), UTC).isoformat()


@dataclass
class Shop:
    """The shop, its gateway and TikTok."""

    gateway: Gateway
    tiktok: FakeTikTok
    clock: Clock
    deliverer: Deliverer

    async def reset(self) -> None:
        """As new: nothing on its way, nothing stored, nothing sent, the clock at its start."""
        while self.gateway.outbox:
            self._write("DELETE FROM outbox WHERE lease IS NULL")
            await asyncio.sleep(0.005)
        self.forget()
        self.tiktok.reset()
        self.clock.ms = START_MS

    def browser(self) -> Browser:
        """A browser that has been nowhere."""
        return Browser(self.gateway)

    def companion_of(self, visitor_id: str) -> str:
        """The companion of this visitor, as their cookie and their cart hold it."""
        return Tokens([SECRET_KEY]).sign_companion("acme", visitor_id)

    def make_order(self, **changes: Any) -> dict[str, Any]:
        """An order paid just now, of a buyer to whom nothing leads but what `changes` say."""
        paid = self.clock.write()
        return web_order(**{**NOBODY, "id": ORDER_ID, "created_at": paid, "processed_at": paid, **changes})

    async def order(self, topic: str = "orders/paid", **changes: Any) -> None:
        """Shopify has told the gateway of such an order."""
        assert (await self.webhook(topic, self.make_order(**changes))).status_code == 200

    async def webhook(
        self, topic: str, body: Any, *, secret: str = SECRET, headers: Mapping[str, str | None] | None = None
    ) -> httpx.Response:
        """The answer to a webhook with this body, JSON or bytes; a header of None is left out."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {
            "content-type": "application/json",
            "user-agent": "Shopify-Captain-Hook",
            "x-shopify-topic": topic,
            "x-shopify-hmac-sha256": sign(content, secret),
            "x-shopify-shop-domain": DOMAIN,
            "x-shopify-webhook-id": str(uuid7()),
            "x-shopify-api-version": "2026-04",
            **(headers or {}),
        }
        return await self.gateway.request("POST", "/webhooks/shopify", content=content, headers=sent)

    async def deliver(self, after_s: float = 0) -> None:
        """So much time has passed, and TikTok has answered all that was due then."""
        self.clock.turn(after_s)
        for worker in self.deliverer._workers.values():
            worker._signal.set()
        async with asyncio.timeout(60):
            while self._is_busy():  # noqa: ASYNC110 - a database tells nobody that it has changed
                await asyncio.sleep(0.005)

    def _is_busy(self) -> bool:
        return bool(self.gateway.rows("SELECT 1 FROM outbox WHERE due_ms <= ? OR lease IS NOT NULL", self.clock.ms))

    @property
    def purchases(self) -> list[dict[str, Any]]:
        """The Purchases that TikTok has counted."""
        return [event for event in self.tiktok.counted if event["event"] == "Purchase"]

    @property
    def told(self) -> int:
        """How many times TikTok was sent a Purchase, whatever it made of it."""
        sent = [event for request in self.tiktok.requests for event in request.json["data"]]
        return sum(event["event"] == "Purchase" for event in sent)

    def forget(self, *tables: str) -> None:
        """Nothing is left in these tables, or in any when none is named."""
        self._write(*(f"DELETE FROM {table}" for table in tables or TABLES))

    def _write(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.gateway.database, timeout=10)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def find_order(self, order_id: int = ORDER_ID) -> dict[str, Any]:
        """The account of this order."""
        [row] = self.gateway.rows("SELECT * FROM orders WHERE id = ?", str(order_id))
        return row


def make_purchase(order_id: int = ORDER_ID, **changes: Any) -> dict[str, Any]:
    """The thank-you page's Purchase."""
    return make_event("Purchase", event_id=f"purchase_{order_id}", **changes)


@contextlib.asynccontextmanager
async def running_shop(folder: Path, *, shopify: Mapping[str, Any] | None = None, **said: Any) -> AsyncIterator[Shop]:
    """A shop whose gateway serves and delivers; inside `on_clock` it receives at the shop's time too."""
    clock = Clock()
    tiktok = FakeTikTok({PIXEL: TOKEN}, clock=clock.read_s)
    settings = make_settings(
        folder,
        shopify={"shop": DOMAIN, "webhook_secrets": [SECRET], **(shopify or {})},
        delivery={"api_base": tiktok.start(), "linger_s": 0, "purchase_hold_s": HOLD_S},
        **said,
    )
    built: list[Deliverer] = []
    is_built = asyncio.Event()

    def build_deliverer(*parts: Any) -> Deliverer:
        built.append(Deliverer(*parts, clock=clock))
        is_built.set()
        return built[0]

    async with contextlib.AsyncExitStack() as stack:
        stack.callback(tiktok.stop)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gateway.app, "BESIDE_AFTER_S", 0)
            patch.setattr(gateway.beside, "Deliverer", build_deliverer)
            served = await stack.enter_async_context(running_gateway(settings, deliver=True))
            await asyncio.wait_for(is_built.wait(), 10)
        yield Shop(served, tiktok, clock, built[0])


@contextlib.contextmanager
def on_clock(shop: Shop) -> Iterator[None]:
    """What the gateway receives inside is received at the shop's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gateway.web.hits, "now_ms", shop.clock)
        patch.setattr(gateway.web.webhook, "now_ms", shop.clock)
        yield

"""A gateway, its shop and its TikTok for tests of commands: orders are placed, and webhooks tell of them or do not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.demo.fake_admin import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, FakeAdmin
from gateway.demo.fake_tiktok import FakeTikTok
from gateway.settings import Settings
from tests.beacons import CONSENT, PAGE, make_beacon, make_event
from tests.servers import PIXEL, Gateway, make_settings, running_gateway, write_config
from tests.shopify.payloads import customer, web_order

SECRET = "a-webhook-secret"
SHOP = {
    "shop": "acme.myshopify.com",
    "webhook_secrets": [SECRET],
    "client_id": DEMO_CLIENT_ID,
    "client_secret": DEMO_CLIENT_SECRET,
}
Json = dict[str, Any]


def place(number: int, age: timedelta = timedelta(hours=1), **changes: Any) -> Json:
    """A paid order of the web, so long ago, by a person of its own. Its name is its number."""
    at = (datetime.now(UTC) - age).isoformat()
    buyer = customer(id=7000 + number, email=f"buyer{number}@example.com", phone=None, default_address=None)
    told = {
        "id": number, "name": str(number), "created_at": at, "processed_at": at, "updated_at": at, "customer": buyer,
        "email": f"buyer{number}@example.com", "contact_email": None, "phone": None, "note_attributes": [],
        "billing_address": None, "shipping_address": None, "landing_site": "/",
        "cart_token": f"cart-{number}", "checkout_token": f"checkout-{number}",
    }  # fmt: skip
    return web_order(**told | changes)


@dataclass
class Stand:
    """All of it. `overrides` are those of `make_settings`; the gateway serves only within `serving`."""

    folder: Path
    admin: FakeAdmin
    tiktok: FakeTikTok
    overrides: Json
    capsys: pytest.CaptureFixture[str]
    config: Path = field(init=False)
    served_at: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = write_config(self.folder, **self.overrides)

    def change(self, **changes: Any) -> None:
        """The gateway's next start, and the next command, find these settings changed."""
        self.overrides |= changes
        self.config = write_config(self.folder, **self.overrides)

    @property
    def settings(self) -> Settings:
        return make_settings(self.folder, **self.overrides)

    @contextlib.asynccontextmanager
    async def serving(self, *, deliver: bool = True) -> AsyncIterator[Gateway]:
        """The gateway runs, and its config names the port it runs on."""
        async with running_gateway(self.settings, deliver=deliver) as gateway:
            self.served_at = {"port": int(gateway.base_url.rpartition(":")[2])}
            self.config = write_config(self.folder, **self.overrides | {"server": self.served_at})
            yield gateway

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """A command's exit code, stdout and stderr."""
        self.capsys.readouterr()
        code = await asyncio.to_thread(main, [*arguments, "--config", str(self.config)])
        return code, *self.capsys.readouterr()

    def count_sent(self) -> dict[str, int]:
        """How often TikTok counted each event id."""
        return {event_id: count for (_, _, event_id), count in self.tiktok.counts.items()}


@contextlib.asynccontextmanager
async def open_stand(folder: Path, capsys: pytest.CaptureFixture[str], **overrides: Any) -> AsyncIterator[Stand]:
    """A shop without orders and a gateway that nobody has visited, in consent mode `required`."""
    admin, tiktok = FakeAdmin(), FakeTikTok({PIXEL: "token-of-a-test"})
    admin.restore_rate = 1_000_000
    async with admin.serve() as admin_url, tiktok.serve() as tiktok_url:
        usual: Json = {
            "consent": "required",
            "shopify": SHOP | {"api_base": admin_url},
            "delivery": {"api_base": tiktok_url, "linger_s": 0, "purchase_hold_s": 0},
        }
        yield Stand(folder, admin, tiktok, usual | overrides, capsys)


async def visit(gateway: Gateway, order: Json, click: str = "E.C.P.click", **changes: Any) -> None:
    """The buyer of this order was on the store's pages, and allowed it all."""
    page = {**PAGE, "url": f"https://www.acme.com/products/tee?ttclid={click}"}
    beacon = {"page": page, "ids": {"cart": order["cart_token"]}, "consent": CONSENT} | changes
    answer = await gateway.beacon(make_beacon(make_event(), **beacon))
    assert answer.status_code == 204


async def tell(gateway: Gateway, order: Json, topic: str = "orders/paid") -> None:
    """Shopify's webhook about this order has been taken."""
    body = json.dumps(order).encode()
    seal = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"x-shopify-topic": topic, "x-shopify-hmac-sha256": seal, "x-shopify-shop-domain": SHOP["shop"]}
    answer = await gateway.request("POST", "/webhooks/shopify", content=body, headers=headers)
    assert answer.status_code == 200

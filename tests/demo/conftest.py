"""The demo's parts for its tests: the store alone, as a browser meets it, and the whole stage."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gateway.demo.checkout import Checkout, Order
from gateway.demo.site import Site
from gateway.demo.stage import Stage, open_stage, take_port
from gateway.demo.storefront import build_storefront
from gateway.demo.tap import Exchange

SITE = Site(8000, "C0DEMOPIXEL000000000")
CUSTOM_PIXEL = 'analytics.subscribe("all_events", () => "</script>")'


@dataclass
class Notes:
    """A courier that only notes what it is told."""

    checkouts: list[Checkout] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)

    def tell_checkout(self, checkout: Checkout) -> None:
        self.checkouts.append(checkout)

    def tell_order(self, order: Order) -> None:
        self.orders.append(order)


@pytest.fixture
def courier() -> Notes:
    return Notes()


@pytest.fixture
async def browser(courier: Notes) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the store, which keeps its cookies and follows redirects."""
    transport = httpx.ASGITransport(build_storefront(SITE, CUSTOM_PIXEL, courier))
    headers = {"user-agent": "Mozilla/5.0 (test)", "accept-language": "de"}
    async with httpx.AsyncClient(
        transport=transport, base_url=SITE.store_url, headers=headers, follow_redirects=True
    ) as client:
        yield client


@dataclass
class OnStage:
    """The stage, and what its two taps have overheard."""

    stage: Stage
    at_gateway: list[Exchange]
    at_tiktok: list[Exchange]


@contextlib.asynccontextmanager
async def overhear_stage(folder: Path) -> AsyncIterator[OnStage]:
    """Everything is up: gateway, store, courier and TikTok."""
    at_gateway: list[Exchange] = []
    at_tiktok: list[Exchange] = []
    with take_port(0) as sock:
        async with open_stage(sock, folder, at_gateway.append, at_tiktok.append) as stage:
            yield OnStage(stage, at_gateway, at_tiktok)


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[OnStage]:
    async with overhear_stage(tmp_path) as on_stage:
        yield on_stage

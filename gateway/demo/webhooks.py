"""Shopify's courier: tells the gateway of checkouts and orders, signed, a while later, and of some things twice.

Called by `storefront` when something happens; delivers to the gateway's own address, as Shopify does over the internet.
Source: Shopify, "Webhooks: delivery structure" and "ignore duplicates" (Shopify spec 1.1, read 2026-09).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from msgspec import Struct

from gateway.demo.checkout import Checkout, Order
from gateway.demo.orders import to_checkout_json, to_order_json
from gateway.demo.site import GATEWAY_HOST, SHOP, Site

PATH = "/webhooks/shopify"
_RETRIES_S = (1.0, 3.0)
_PATIENCE_S = 5.0


class Dispatch(Struct, frozen=True):
    """One delivery to come. Units: `delay_s` from the event on. A repeat comes with the same ids and body."""

    topic: str
    delay_s: float


AFTER_CHECKOUT = (Dispatch("checkouts/create", 0.4),)
AFTER_ORDER = (Dispatch("orders/create", 0.5), Dispatch("orders/paid", 1.1), Dispatch("orders/paid", 1.8))
"""Shopify says that a webhook may come twice: the paid one does."""


class Courier:
    """Delivers webhooks until it is closed; what is under way then is given up."""

    def __init__(self, site: Site, secret: str) -> None:
        self._url = f"http://127.0.0.1:{site.port}{PATH}"
        self._headers = {"host": f"{GATEWAY_HOST}:{site.port}", "content-type": "application/json"}
        self._secret = secret.encode()
        self._http = httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_S)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell_checkout(self, checkout: Checkout) -> None:
        """The gateway will hear of this checkout."""
        self._dispatch(AFTER_CHECKOUT, to_checkout_json(checkout))

    def tell_order(self, order: Order) -> None:
        """The gateway will hear of this order."""
        self._dispatch(AFTER_ORDER, to_order_json(order))

    async def wait(self) -> None:
        """Everything that was to be told until now has been told."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """Nothing is delivered any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def _dispatch(self, plan: Sequence[Dispatch], resource: dict[str, Any]) -> None:
        body = json.dumps(resource).encode()
        event_id = str(uuid.uuid4())
        delivery_ids: dict[str, str] = {}
        for one in plan:
            webhook_id = delivery_ids.setdefault(one.topic, str(uuid.uuid4()))
            headers = {**self._headers, **to_headers(one.topic, webhook_id, event_id, body, self._secret)}
            task = asyncio.create_task(self._deliver(one.delay_s, headers, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delay_s: float, headers: dict[str, str], body: bytes) -> None:
        """The gateway has answered with a success, or every try has failed."""
        for wait_s in (delay_s, *_RETRIES_S):
            await asyncio.sleep(wait_s)
            with contextlib.suppress(httpx.HTTPError):
                if (await self._http.post(self._url, content=body, headers=headers)).is_success:
                    return


def to_headers(topic: str, webhook_id: str, event_id: str, body: bytes, secret: bytes) -> dict[str, str]:
    """Shopify's own headers. Only the body is signed."""
    return {
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": base64.b64encode(hmac.digest(secret, body, "sha256")).decode(),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-api-version": "2026-10",
        "x-shopify-webhook-id": webhook_id,
        "x-shopify-event-id": event_id,
        "x-shopify-triggered-at": datetime.now(UTC).isoformat(),
        "user-agent": "Shopify-Captain-Hook",
    }

"""What an overheard exchange with the gateway said: who told it of which event, and what became of it. Pure.

Used by `report`. The gateway's answer to a webhook says only that it is stored: whether it merged with a twin, or is
not to be sent at all, shows in what TikTok gets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from gateway.demo.site import COLLECT_PATH
from gateway.demo.tap import Exchange
from gateway.demo.webhooks import PATH as WEBHOOK_PATH
from gateway.model.names import INITIATE_CHECKOUT
from gateway.shopify.storefront import to_checkout_id, to_purchase_id

STORED, HEARD, PIXELS_OWN, REFUSED = "stored", "heard", "the Pixel's own", "refused"
WAITS = "stored, waits"
"""The theme's InitiateCheckout, for what the checkout tells under its own id: the two become one."""


class Telling(Struct, frozen=True):
    """One event as the gateway was told of it, or something without an event: then `event_id` is empty.

    `by` is the script or the webhook's topic. `ip` is the shopper's address and `click_id` that of their landing, where
    the telling has them; `note` is what else helps to recognise it.
    """

    by: str
    event: str
    event_id: str
    fate: str
    ip: str = ""
    click_id: str = ""
    note: str = ""

    @property
    def is_webhook(self) -> bool:
        """Whether the shop told it, and not a script in the shopper's browser."""
        return "/" in self.by


def read_tellings(exchange: Exchange) -> list[Telling]:
    """Everything that this exchange told; none for what is neither a beacon nor a webhook."""
    if exchange.method != "POST":
        return []
    if exchange.path == WEBHOOK_PATH:
        return [read_webhook(exchange)]
    if exchange.path in (COLLECT_PATH, f"{COLLECT_PATH}/px"):
        return read_beacon(exchange)
    return []


def read_beacon(exchange: Exchange) -> list[Telling]:
    """Each event of a beacon, or one telling of who is there."""
    is_pixel = exchange.path.endswith("/px")
    events = _read_json(exchange.body).get("events")
    told = [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []
    return [
        Telling(
            by="custom pixel" if is_pixel else f"snippet, Pixel {said['pixel']}" if "pixel" in said else "snippet",
            event=str(said.get("event", "(who it is)")),
            event_id=str(said.get("event_id", "")),
            fate=to_fate(exchange, said),
            ip=exchange.client,
            note="custom pixel" if is_pixel else "",
        )
        for said in told or [{}]
    ]


def read_webhook(exchange: Exchange) -> Telling:
    """What a webhook tells: a purchase, an opened checkout, or only that it came."""
    said = _read_json(exchange.body)
    topic = exchange.sent.get("x-shopify-topic", "")
    event, event_id = "", ""
    if topic == "orders/paid":
        event, event_id = "Purchase", to_purchase_id(str(said.get("id")))
    elif topic == "checkouts/create":
        event, event_id = "InitiateCheckout", to_checkout_id(str(said.get("token")), "InitiateCheckout")
    fate = HEARD if exchange.status == 200 else REFUSED
    ip, landing = str(said.get("browser_ip") or ""), str(said.get("landing_site") or "")
    note = f"{said.get('name') or ''} {event_id}".strip()
    return Telling(topic, event, event_id, fate, ip, read_click(urlsplit(landing).query), note)


def read_click(query: str) -> str:
    """The click id in a query."""
    return dict(parse_qsl(query)).get("ttclid", "")


def to_fate(exchange: Exchange, said: Mapping[str, Any]) -> str:
    """What became of one event of a beacon at the gateway, in a word or three."""
    dropped = exchange.headers.get("x-dropped")
    if dropped in (None, "page_view") and (said.get("event"), said.get("pixel")) == ("Pageview", "fired"):
        return PIXELS_OWN
    if exchange.status not in (200, 204):
        return REFUSED
    if dropped:
        return f"dropped: {dropped}"
    is_of_theme = said.get("event") == INITIATE_CHECKOUT and not exchange.path.endswith("/px")
    return WAITS if is_of_theme and said.get("pixel") != "fired" else STORED


def _read_json(body: bytes) -> dict[str, Any]:
    """The object in a body, or an empty one."""
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}

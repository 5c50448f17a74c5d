"""What was overheard is understood: events, who told them, and what became of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.demo.hearing import Telling, read_tellings
from gateway.demo.tap import Exchange

IP = "203.0.113.11"
BY = "snippet, Pixel fired"
VIEW = {"event": "ViewContent", "event_id": "1", "pixel": "fired"}
PAGE = {"event": "Pageview", "event_id": "2", "pixel": "fired"}


def overhear(path: str, said: Any, status: int = 204, sent: dict[str, str] | None = None, **headers: str) -> Exchange:
    """A POST and its answer."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return Exchange(IP, "POST", path, "", sent or {}, body, status, headers)


@pytest.mark.parametrize(
    ("exchange", "tellings"),
    [
        (
            overhear("/a7/q", {"events": [PAGE, VIEW]}),
            [Telling(BY, "Pageview", "2", "the Pixel's own", IP), Telling(BY, "ViewContent", "1", "stored", IP)],
        ),
        (overhear("/a7/q", {"events": []}), [Telling("snippet", "(who it is)", "", "stored", IP)]),
        (
            overhear("/a7/q", {"events": [VIEW]}, **{"x-dropped": "consent"}),
            [Telling(BY, "ViewContent", "1", "dropped: consent", IP)],
        ),
        (
            overhear("/a7/q", {"events": [PAGE]}, **{"x-dropped": "page_view"}),
            [Telling(BY, "Pageview", "2", "the Pixel's own", IP)],
        ),
        (overhear("/a7/q", {"events": [VIEW]}, 503), [Telling(BY, "ViewContent", "1", "refused", IP)]),
        (overhear("/a7/q", b"\xff", 400), [Telling("snippet", "(who it is)", "", "refused", IP)]),
        (
            overhear("/a7/q", {"events": [{"event": "InitiateCheckout", "event_id": "1"}]}),
            [Telling("snippet", "InitiateCheckout", "1", "stored, waits", IP)],
        ),
        (
            overhear("/a7/q", {"events": [{"event": "InitiateCheckout", "event_id": "1", "pixel": "fired"}]}),
            [Telling(BY, "InitiateCheckout", "1", "stored", IP)],
        ),
        (
            overhear("/a7/q/px", {"events": [{"event": "Purchase", "event_id": "purchase_1"}]}, 200),
            [Telling("custom pixel", "Purchase", "purchase_1", "stored", IP, note="custom pixel")],
        ),
        (
            overhear(
                "/webhooks/shopify",
                {"id": 7, "name": "#1", "browser_ip": "203.0.113.9"},
                200,
                {"x-shopify-topic": "orders/paid"},
            ),
            [Telling("orders/paid", "Purchase", "purchase_7", "heard", "203.0.113.9", note="#1 purchase_7")],
        ),
        (
            overhear("/webhooks/shopify", {"id": 7, "name": "#1"}, 401, {"x-shopify-topic": "orders/create"}),
            [Telling("orders/create", "", "", "refused", note="#1")],
        ),
        (
            overhear(
                "/webhooks/shopify",
                {"token": "t", "landing_site": "/?ttclid=E.C"},
                200,
                {"x-shopify-topic": "checkouts/create"},
            ),
            [
                Telling(
                    "checkouts/create",
                    "InitiateCheckout",
                    "checkout_t_InitiateCheckout",
                    "heard",
                    click_id="E.C",
                    note="checkout_t_InitiateCheckout",
                )
            ],
        ),
        (overhear("/elsewhere", {}), []),
    ],
)
def test_each_exchange_is_understood(exchange: Exchange, tellings: list[Telling]):
    assert read_tellings(exchange) == tellings

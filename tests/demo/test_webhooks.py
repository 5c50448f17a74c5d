"""The demo's webhooks are what Shopify sends: the gateway's own readers understand them, late, signed and repeated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.demo import webhooks
from gateway.demo.cart import Cart, Line
from gateway.demo.catalogue import CATALOGUE
from gateway.demo.checkout import Buyer, Client, Desk, Order, Visit
from gateway.demo.fake_tiktok import serving
from gateway.demo.orders import to_checkout_json, to_order_json
from gateway.demo.site import SHOP, Site
from gateway.demo.tap import Exchange, Tap
from gateway.demo.webhooks import Courier, Dispatch
from gateway.model.conversion import Conversion
from gateway.model.normalise import hash_email, hash_phone
from gateway.settings import ShopifySettings
from gateway.shopify.checkouts import to_initiate_checkout
from gateway.shopify.orders import to_purchase
from gateway.shopify.resources import Checkout as CheckoutResource
from gateway.shopify.resources import Order as OrderResource
from gateway.shopify.signature import is_signed
from gateway.shopify.webhook import parse_webhook

SECRET = "secret-of-the-demo"
STORE = "http://www.acme.localhost:8000"
NOW_MS = int(datetime.now(UTC).timestamp() * 1000) + 60_000
SETTINGS = ShopifySettings.model_validate({"shop": SHOP, "webhook_secrets": [SECRET]})


@pytest.fixture
def order() -> Order:
    """Two mugs and their buyer, who came from an ad."""
    product = CATALOGUE[0]
    cart = Cart(lines=[Line(product, product.variants[0], 2)], attributes={"__tg": "c1"})
    desk = Desk()
    checkout = desk.open(cart.lines, cart, Visit("/products/morning-mug?ttclid=E.C.P.kim", "https://www.tiktok.com/"))
    buyer = Buyer("kim@example.com", "030 23125014", "Kim", "Example", "Lindenweg 4", "10115", "Berlin", "DE")
    return desk.complete(checkout, buyer, Client("203.0.113.5", "Mozilla/5.0", "de"))


def test_the_order_reads_as_a_purchase(order: Order):
    resource = parse_webhook("orders/paid", json.dumps(to_order_json(order)).encode()).resource
    assert isinstance(resource, OrderResource)
    told = to_purchase(resource, "orders/paid", SETTINGS, STORE, NOW_MS)
    assert isinstance(told, Conversion)

    assert told.event.event_id == order.event_id
    assert told.event.properties.value == Decimal("36.00")
    assert told.event.properties.currency == "EUR"
    assert [(one.content_id, one.quantity) for one in told.event.properties.contents] == [("44210987650101", 2)]
    assert told.event.user.email == (hash_email("kim@example.com"),)
    assert told.event.user.phone == (hash_phone("+4930 23125014", None),)
    assert told.event.page.url == f"{STORE}/products/morning-mug?ttclid=E.C.P.kim"
    assert told.ids.companion == "c1"
    assert told.ids.checkout_token == order.checkout.token
    assert told.ids.cart_token == order.checkout.cart_token
    assert (told.fallback.ip, told.fallback.user_agent) == ("203.0.113.5", "Mozilla/5.0")


def test_the_checkout_reads_as_a_checkout_of_somebody_unknown(order: Order):
    resource = parse_webhook("checkouts/create", json.dumps(to_checkout_json(order.checkout)).encode()).resource
    assert isinstance(resource, CheckoutResource)
    told = to_initiate_checkout(resource, SETTINGS, STORE, NOW_MS)
    assert isinstance(told, Conversion)

    assert told.event.event_id == f"checkout_{order.checkout.token}_InitiateCheckout"
    assert told.event.user.email == ()
    assert told.ids.companion == "c1"


def test_a_known_email_is_a_known_customer(order: Order):
    desk = Desk()
    placed = [
        desk.complete(desk.open(order.checkout.lines, None, Visit()), order.buyer, order.client) for _ in range(2)
    ]

    assert placed[0].customer == placed[1].customer
    assert [one.is_first for one in placed] == [True, False]


class Receiver:
    """The gateway's place: answers with the statuses it is given, then 200."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.statuses: list[int] = []
        self.app = Tap(self._answer, self.exchanges.append)

    async def _answer(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        status = self.statuses.pop(0) if self.statuses else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Receiver, Courier]]:
    """Somebody who receives at once what the courier delivers."""
    monkeypatch.setattr(webhooks, "AFTER_ORDER", tuple(Dispatch(one.topic, 0) for one in webhooks.AFTER_ORDER))
    monkeypatch.setattr(webhooks, "_RETRIES_S", (0, 0))
    receiver = Receiver()
    sock, _ = serving.bind()
    async with serving.serve(receiver.app, sock):
        courier = Courier(Site(sock.getsockname()[1], "C0DEMO"), SECRET)
        yield receiver, courier
        await courier.aclose()


async def test_deliveries_are_signed_and_the_paid_one_comes_twice_with_the_same_ids(
    receiver: tuple[Receiver, Courier], order: Order
):
    received, courier = receiver
    courier.tell_order(order)
    await courier.wait()
    sent = [exchange.sent for exchange in received.exchanges]
    paid = [one for one in sent if one["x-shopify-topic"] == "orders/paid"]

    assert sorted(one["x-shopify-topic"] for one in sent) == ["orders/create", "orders/paid", "orders/paid"]
    assert len({one["x-shopify-webhook-id"] for one in sent}) == 2
    assert paid[0]["x-shopify-webhook-id"] == paid[1]["x-shopify-webhook-id"]
    for exchange in received.exchanges:
        assert exchange.path == "/webhooks/shopify"
        assert exchange.sent["x-shopify-shop-domain"] == SHOP
        assert is_signed(exchange.body, exchange.sent["x-shopify-hmac-sha256"], [SECRET])


async def test_what_is_not_taken_is_delivered_again(receiver: tuple[Receiver, Courier], order: Order):
    received, courier = receiver
    received.statuses = [503, 503, 503]
    courier.tell_order(order)
    await courier.wait()
    statuses = [exchange.status for exchange in received.exchanges]

    assert (statuses.count(503), statuses.count(200)) == (3, 3)


async def test_a_courier_that_is_closed_delivers_nothing_more(
    receiver: tuple[Receiver, Courier], order: Order, monkeypatch: pytest.MonkeyPatch
):
    received, courier = receiver
    monkeypatch.setattr(webhooks, "AFTER_ORDER", (Dispatch("orders/paid", 60),))
    courier.tell_order(order)
    async with asyncio.timeout(60):
        await courier.aclose()

    assert not received.exchanges

"""POST /webhooks/shopify: who may send, what is read, and what is answered (contract 3)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections import Counter
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import Store
from tests.servers import Gateway, make_settings, running_gateway
from tests.shopify.payloads import checkout, customer, refund, web_order
from tests.webhooks import DOMAIN, ORDER_ID, SECRET, Shop, make_store, running_shop, sign, tell

NOT_OURS = "of-another-app"


def stored(shop: Shop) -> str:
    """Everything that is stored, as text."""
    return str([shop.gateway.rows(f"SELECT * FROM {table}") for table in ("orders", "events", "visitors", "webhooks")])


NOTHING = "[[], [], [], []]"


# Who may send


async def test_a_signed_order_is_answered_when_it_is_on_disk(shop: Shop):
    response = await shop.webhook("orders/paid", shop.make_order())
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["cache-control"] == "no-store"
    assert shop.find_order()["name"] == "#1001"


@pytest.mark.parametrize(
    "signature",
    [None, "", "AAAA", "not base64!", sign(b"another body"), sign(b"{}", NOT_OURS), "=" * 5000, "\u00fc"],
    ids=["none", "empty", "short", "no base64", "of another body", "of another secret", "long", "no ascii"],
)
async def test_a_body_that_is_not_signed_by_the_shop_is_refused(shop: Shop, signature: str | None):
    header = signature.encode("latin-1") if signature else signature
    response = await shop.webhook("orders/paid", b"{}", headers={"x-shopify-hmac-sha256": header})
    assert response.status_code == 401
    assert "webhook_secrets" in response.json()["error"]
    assert stored(shop) == NOTHING


async def test_one_changed_byte_breaks_the_signature(shop: Shop):
    body = json.dumps(shop.make_order()).encode()
    forged = body.replace(b"38.36", b"98.36", 1)
    response = await shop.webhook("orders/paid", forged, headers={"x-shopify-hmac-sha256": sign(body)})
    assert response.status_code == 401
    assert stored(shop) == NOTHING


async def test_a_signature_in_hexadecimal_is_none(shop: Shop):
    digest = hmac.new(SECRET.encode(), b"{}", hashlib.sha256).hexdigest()
    assert (await shop.webhook("orders/paid", b"{}", headers={"x-shopify-hmac-sha256": digest})).status_code == 401
    as_bytes = base64.b64encode(digest.encode()).decode()
    assert (await shop.webhook("orders/paid", b"{}", headers={"x-shopify-hmac-sha256": as_bytes})).status_code == 401


async def test_the_signature_is_of_the_bytes_and_not_of_what_they_mean(shop: Shop):
    """Shopify escapes slashes and letters; a body that is decoded and encoded again would not fit."""
    body = json.dumps(shop.make_order(note="Zo\u00eb"), ensure_ascii=True, separators=(" ,", ": ")).replace("/", "\\/")
    assert (await shop.webhook("orders/paid", body.encode())).status_code == 200
    assert shop.find_order()["name"] == "#1001"


async def test_each_of_several_secrets_is_good(tmp_path: Path):
    secrets = ["of-the-admin-page", "of-an-app", "of-the-same-app-while-it-rotates"]
    async with running_shop(tmp_path, shopify={"webhook_secrets": secrets}) as shop:
        for number, secret in enumerate(secrets):
            response = await shop.webhook("orders/paid", shop.make_order(id=number + 1), secret=secret)
            assert response.status_code == 200
        assert (await shop.webhook("orders/paid", shop.make_order(), secret=NOT_OURS)).status_code == 401
        assert len(shop.gateway.rows("SELECT * FROM orders")) == 3


@pytest.mark.parametrize("domain", ["other.myshopify.com", "acme.myshopify.com.evil.example", "www.acme.com"])
async def test_another_shops_webhook_is_refused(shop: Shop, domain: str):
    response = await shop.webhook("orders/paid", shop.make_order(), headers={"x-shopify-shop-domain": domain})
    assert response.status_code == 403
    assert stored(shop) == NOTHING


@pytest.mark.parametrize("domain", [DOMAIN, DOMAIN.upper(), None])
async def test_the_shops_name_may_be_written_in_any_case_or_left_out(shop: Shop, domain: str | None):
    response = await shop.webhook("orders/paid", shop.make_order(), headers={"x-shopify-shop-domain": domain})
    assert response.status_code == 200


async def test_a_store_without_a_shop_has_no_webhooks(gateway: Gateway):
    assert (await gateway.request("POST", "/webhooks/shopify", content=b"{}")).status_code == 404


async def test_no_other_host_takes_webhooks(shop: Shop):
    response = await shop.webhook("orders/paid", shop.make_order(), headers={"host": "other.example"})
    assert response.status_code == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_only_a_post_is_a_webhook(shop: Shop, method: str):
    response = await shop.gateway.request(method, "/webhooks/shopify")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_of_two_stores_each_takes_its_own_shops_webhooks(tmp_path: Path):
    stores = [make_store("acme"), make_store("brand")]
    async with running_gateway(make_settings(tmp_path, stores=stores)) as gateway:
        assert await tell(gateway, "brand", "orders/paid", web_order(), host="t.acme.com") == 401
        assert await tell(gateway, "brand", "orders/paid", web_order()) == 200
        assert [row["store_id"] for row in gateway.rows("SELECT * FROM orders")] == ["brand"]


# What is read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
        b'{"id": 1}',
        b"[" * 100_000,
        b'{"line_items": {}, "order_number": 1}',
        b'{"line_items": [], "order_number": 1}',
        b'{"id": "one", "line_items": [], "order_number": 1}',
        b'{"id": 1.5, "line_items": [], "order_number": 1}',
        b'{"refund_line_items": [], "order_id": null}',
    ],
    ids=lambda body: body[:24].decode("latin-1") or "empty",
)
async def test_a_signed_body_of_no_known_shape_is_malformed(shop: Shop, body: bytes):
    response = await shop.webhook("orders/paid", body)
    assert response.status_code == 400
    assert response.json()["error"]
    assert stored(shop) == NOTHING


async def test_a_wrong_value_is_named_and_never_quoted(shop: Shop):
    order = shop.make_order(email="zoe@example.com", total_price={"zoe@example.com": 1})
    response = await shop.webhook("orders/paid", order)
    assert response.status_code == 400
    assert "total_price" in response.json()["error"]
    assert "zoe@" not in response.text


async def test_a_body_over_the_limit_is_too_large(shop: Shop):
    body = json.dumps(shop.make_order(note="x" * 2 * 1024 * 1024)).encode()
    assert (await shop.webhook("orders/paid", body)).status_code == 413
    assert stored(shop) == NOTHING


async def test_a_body_that_does_not_say_its_length_is_cut_off_at_the_limit(shop: Shop):
    async def chunks():
        for _ in range(40):
            yield b"x" * 65_536

    response = await shop.gateway.request("POST", "/webhooks/shopify", content=chunks())
    assert response.status_code == 413


async def test_an_order_of_hundreds_of_lines_is_read(shop: Shop):
    order = shop.make_order(line_items=[{"variant_id": n, "quantity": 1, "title": "t" * 200} for n in range(1, 500)])
    assert (await shop.webhook("orders/paid", order)).status_code == 200
    assert shop.find_order()["name"] == "#1001"


ODD = (None, "", 0, -1.5, 10**30, "x" * 3000, [], [None], {}, "NaN", "1e400", "\ud800\u0000", "0001-01-01T00:00:00Z")


async def test_no_odd_value_anywhere_in_an_order_breaks_the_gateway(open_shop: Shop):
    """Whatever a value is turned into, the order is either taken or refused as malformed."""
    answers = Counter()
    for key in web_order():
        for odd in ODD:
            answers[(await open_shop.webhook("orders/paid", web_order(**{key: odd}))).status_code] += 1
    assert answers.keys() == {200, 400}


# What is answered


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("orders/paid", web_order()),
        ("refunds/create", refund()),
        ("checkouts/create", checkout()),
        ("customers/create", customer(state="enabled")),
        (
            "customers/redact",
            {"shop_domain": DOMAIN, "customer": {"email": "zoe@example.com"}, "orders_to_redact": [1]},
        ),
        ("shop/redact", {"shop_id": 1, "shop_domain": DOMAIN}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_stored_is_asked_for_again(shop: Shop, monkeypatch: pytest.MonkeyPatch, topic, body):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("no space left on /data/gateway.db")

    for way in ("record", "run", "read"):
        monkeypatch.setattr(Store, way, refuse)
    response = await shop.webhook(topic, body)
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) >= 1
    assert "gateway.db" not in response.text


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("carts/update", {"id": "c1", "token": "c1", "line_items": []}),
        ("app/uninstalled", {"id": 1, "name": "Acme", "myshopify_domain": DOMAIN}),
        ("customers/update", customer(state="enabled")),
        ("customers/disable", customer(state="disabled")),
        (
            "customers/data_request",
            {"shop_domain": DOMAIN, "shop_id": 1, "orders_requested": [1], "customer": {"id": 1}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_topic_that_triggers_nothing_is_answered_as_done(open_shop: Shop, topic: str, body: dict):
    assert (await open_shop.webhook(topic, body)).status_code == 200
    assert open_shop.gateway.events == open_shop.gateway.visitors == []


async def test_a_person_who_asks_what_is_kept_is_told_to_the_operator_without_a_name(
    shop: Shop, caplog: pytest.LogCaptureFixture
):
    body = {"shop_domain": DOMAIN, "shop_id": 1, "orders_requested": [1], "customer": {"email": "zoe@example.com"}}
    with caplog.at_level(logging.WARNING):
        await shop.webhook("customers/data_request", body)
    assert "30 days" in caplog.text
    assert "zoe@" not in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        {"x-shopify-webhook-id": None},
        {"x-shopify-webhook-id": "w" * 4000},
        {"x-shopify-webhook-id": "\u00e9\u00ff".encode("latin-1")},
        {"x-shopify-topic": "ORDERS/PAID"},
        {"x-shopify-api-version": None},
    ],
    ids=str,
)
async def test_headers_may_be_odd_or_missing(open_shop: Shop, headers):
    response = await open_shop.webhook("orders/paid", open_shop.make_order(), headers=headers)
    assert response.status_code == 200
    assert [event["event_id"] for event in open_shop.gateway.events] == [f"purchase_{ORDER_ID}"]


async def test_nothing_raw_of_the_buyer_is_kept_or_logged(open_shop: Shop, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG, "gateway"):
        response = await open_shop.webhook("orders/paid", web_order(processed_at=open_shop.clock.write()))
    assert response.status_code == 200
    database = b"".join(path.read_bytes() for path in open_shop.gateway.database.parent.iterdir())
    for raw in (b"zoe@example.com", b"ZOE@example.com", b"4085550199", b"O'Neil", b"Sample Street", b"s3cret"):
        assert raw not in database
        assert raw.decode() not in caplog.text

"""Shopify's privacy webhooks: a person is erased and stays so; a shop is erased and its neighbour is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.beacons import CONSENT
from tests.servers import make_settings, running_gateway
from tests.shopify.payloads import web_order
from tests.webhooks import (
    DAY_S,
    DOMAIN,
    HOLD_S,
    LANDED,
    ORDER_ID,
    TABLES,
    Shop,
    make_purchase,
    make_store,
    tell,
    to_attributes,
)

CUSTOMER = {"id": 8832137625682, "email": "zoe@example.com", "phone": "+14085550199"}
ORDER = {"customer": CUSTOMER, "email": "zoe@example.com"}


def make_redaction(**changes: Any) -> dict[str, Any]:
    return {
        "shop_id": 954889,
        "shop_domain": DOMAIN,
        "customer": CUSTOMER,
        "orders_to_redact": [ORDER_ID],
        **changes,
    }


async def redact(shop: Shop, **changes: Any) -> None:
    assert (await shop.webhook("customers/redact", make_redaction(**changes))).status_code == 200


async def test_nothing_of_a_redacted_customer_is_left_but_a_number(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED, ids={"cart": "c1"}, user={"email": "zoe@example.com"})
    await shop.order(note_attributes=to_attributes(browser.cookies["_tgc"]), **ORDER)
    await browser.beacon(make_purchase(ORDER_ID + 1))
    await redact(shop)
    for table in ("visitors", "links", "events", "outbox", "attempts"):
        assert shop.gateway.rows(f"SELECT * FROM {table}") == []
    rows = shop.gateway.rows("SELECT id, visitor_id, reason FROM orders ORDER BY id")
    assert rows == [
        {"id": str(ORDER_ID), "visitor_id": None, "reason": "erased"},
        {"id": str(ORDER_ID + 1), "visitor_id": None, "reason": "erased"},
    ]
    assert browser.visitor_id not in str([shop.gateway.rows(f"SELECT * FROM {table}") for table in TABLES])


@pytest.mark.parametrize(
    "request_", [{"orders_to_redact": []}, {"customer": {"id": CUSTOMER["id"]}, "orders_to_redact": None}]
)
async def test_a_customer_without_orders_is_redacted_too(shop: Shop, request_: dict[str, Any]):
    await shop.browser().beacon(ids={"customer": str(CUSTOMER["id"])}, user={"email": "zoe@example.com"})
    bystander = shop.browser()
    await bystander.beacon(user={"email": "max@example.com"})
    await redact(shop, **request_)
    assert [visitor["id"] for visitor in shop.gateway.visitors] == [bystander.visitor_id]
    assert {event["visitor_id"] for event in shop.gateway.events} == {bystander.visitor_id}


@pytest.mark.parametrize("topic", ["orders/updated", "orders/paid"])
async def test_an_order_of_a_redacted_customer_is_never_told_again(open_shop: Shop, topic: str):
    shop = open_shop
    await shop.order(**ORDER)
    await redact(shop)
    shop.clock.turn(DAY_S)
    await shop.order(topic, **ORDER)
    await shop.deliver(after_s=HOLD_S)
    assert shop.told == 0
    assert shop.gateway.visitors == shop.gateway.events == []
    assert shop.find_order()["reason"] == "erased"


async def test_a_customer_redacted_before_their_order_was_heard_of_is_not_told(open_shop: Shop):
    await redact(open_shop)
    await open_shop.order(**ORDER)
    assert open_shop.gateway.visitors == open_shop.gateway.events == []


async def test_the_thank_you_page_of_a_redacted_customers_order_tells_nothing(shop: Shop):
    browser = shop.browser()
    await browser.beacon(make_purchase(), user={"email": "zoe@example.com"})
    await redact(shop)
    response = await browser.beacon(make_purchase())
    assert response.headers["x-dropped"] == "duplicate"
    await shop.deliver(after_s=HOLD_S)
    assert shop.told == 0


async def test_a_redacted_visitor_whose_cookie_comes_back_is_a_new_one(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED, user={"email": "zoe@example.com"})
    was, first = browser.visitor_id, browser.cookies["_tgv"]
    await redact(shop)
    shop.clock.turn(60)
    del browser.cookies["ttclid"]
    await browser.beacon(consent=CONSENT)
    assert browser.visitor_id != was
    assert browser.cookies["_tgv"].split(".")[2] != first.split(".")[2]
    assert "ttclid" not in browser.cookies
    assert [(visitor["email"], visitor["ttclid"]) for visitor in shop.gateway.visitors] == [(None, None)]


async def test_a_redaction_repeated_is_answered_as_done(shop: Shop):
    await shop.browser().beacon(user={"email": "zoe@example.com"})
    for _ in range(3):
        await redact(shop)
    assert shop.gateway.visitors == []


@pytest.mark.parametrize("topic", ["customers/redact", "shop/redact", "customers/data_request"])
async def test_a_privacy_request_about_another_shop_is_refused(shop: Shop, topic: str):
    await shop.browser().beacon(user={"email": "zoe@example.com"})
    body = make_redaction(shop_domain="other.myshopify.com", orders_requested=[1])
    if topic != "customers/redact":
        del body["orders_to_redact"]
    if topic == "shop/redact":
        del body["orders_requested"]
    response = await shop.webhook(topic, body, headers={"x-shopify-shop-domain": None})
    assert response.status_code == 403
    assert len(shop.gateway.visitors) == 1


async def test_an_erased_shop_leaves_its_neighbour_alone(tmp_path: Path):
    stores = [make_store(name, consent="granted") for name in ("acme", "brand")]
    async with running_gateway(make_settings(tmp_path, stores=stores)) as gateway:

        def count(name: str) -> list[int]:
            counting = "SELECT count(*) AS n FROM {} WHERE store_id = ?"
            return [gateway.rows(counting.format(table), name)[0]["n"] for table in TABLES]

        for name in ("acme", "brand"):
            assert await tell(gateway, name, "orders/paid", web_order()) == 200
        before = count("brand")
        shop = {"shop_id": 1, "shop_domain": "acme.myshopify.com"}
        assert await tell(gateway, "acme", "shop/redact", shop) == 200
        assert count("acme") == [0] * len(TABLES)
        assert count("brand") == before
        assert sum(before) > 5

"""What becomes of each thing that Shopify tells: orders, checkouts, customers, refunds; and of what is no purchase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.beacons import make_event
from tests.shopify.payloads import checkout, customer, money_set, refund, web_order
from tests.webhooks import CLICK, HOLD_S, LANDED, NOBODY, ORDER_ID, Shop, on_clock, running_shop, to_attributes

SAMPLE_ID = 820982911946154508


async def make_companion(shop: Shop) -> list[dict[str, str]]:
    """The cart attributes of somebody who came by a click and allowed it."""
    browser = shop.browser()
    await browser.beacon(page=LANDED)
    return to_attributes(browser.cookies["_tgc"])


def find_events(shop: Shop, name: str) -> list[dict[str, Any]]:
    return [event for event in shop.gateway.events if event["event"] == name]


# No purchase: the account says why


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": SAMPLE_ID, "test": True, "financial_status": "voided", "name": "#9999"}, "sample"),
        ({"test": True}, "test_order"),
        ({"source_name": "pos"}, "order_source"),
        ({"source_name": "shopify_draft_order"}, "order_source"),
        ({"source_name": "subscription_contract"}, "order_source"),
        ({"source_name": None}, "order_source"),
        ({"cancelled_at": "2026-09-21T14:12:00Z"}, "cancelled"),
        ({"financial_status": "pending"}, "unpaid"),
        ({"financial_status": "voided"}, "unpaid"),
        ({"total_price": "0.00", "total_price_set": money_set("0.00", "0.00")}, "zero_value"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_purchase_is_accounted_for_and_not_sent(shop: Shop, changes: dict[str, Any], reason: str):
    attributes = await make_companion(shop)
    order = shop.make_order(note_attributes=attributes, **changes)
    assert (await shop.webhook("orders/paid", order)).status_code == 200
    assert find_events(shop, "Purchase") == []
    assert shop.find_order(order["id"])["reason"] == reason


@pytest.mark.parametrize(
    ("trigger", "topic", "is_sent"),
    [
        ("orders/paid", "orders/paid", True),
        ("orders/paid", "orders/create", False),
        ("orders/paid", "orders/updated", True),
        ("orders/create", "orders/create", True),
        ("orders/create", "orders/paid", False),
        ("orders/create", "orders/updated", True),
        ("orders/create", "", False),
    ],
)
async def test_the_trigger_decides_which_topic_is_a_purchase(tmp_path: Path, trigger: str, topic: str, is_sent: bool):
    async with running_shop(tmp_path, shopify={"purchase_trigger": trigger}, consent="granted") as shop:
        with on_clock(shop):
            await shop.order(topic)
        assert len(find_events(shop, "Purchase")) == is_sent
        assert shop.find_order()["reason"] == (None if is_sent else "not_the_trigger")


async def test_an_unpaid_order_is_a_purchase_where_its_creation_is_the_trigger(tmp_path: Path):
    async with running_shop(tmp_path, shopify={"purchase_trigger": "orders/create"}, consent="granted") as shop:
        with on_clock(shop):
            await shop.order("orders/create", financial_status="pending")
        assert len(find_events(shop, "Purchase")) == 1


async def test_an_order_paid_days_later_becomes_a_purchase_then(shop: Shop):
    attributes = await make_companion(shop)
    order = shop.make_order(note_attributes=attributes, financial_status="pending")
    await shop.webhook("orders/create", order)
    await shop.webhook("orders/updated", order)
    assert shop.find_order()["reason"] == "unpaid"
    shop.clock.turn(3 * 86_400)
    await shop.webhook("orders/paid", {**order, "financial_status": "paid"})
    await shop.deliver()
    assert len(shop.purchases) == 1
    assert shop.find_order()["reason"] is None


@pytest.mark.parametrize("topic", ["orders/paid", "orders/create", "orders/updated", "", "checkouts/create"])
async def test_the_body_decides_what_a_webhook_is_whatever_its_topic_claims(open_shop: Shop, topic: str):
    """Headers are not signed: a refund that comes back as an order sends nothing."""
    assert (await open_shop.webhook(topic, refund())).status_code == 200
    assert open_shop.gateway.events == []
    assert [row["kind"] for row in open_shop.gateway.rows("SELECT * FROM reversals")] == ["refund"]


async def test_a_customer_under_an_orders_topic_buys_and_registers_nothing(open_shop: Shop):
    assert (await open_shop.webhook("orders/paid", customer(state="enabled"))).status_code == 200
    assert open_shop.gateway.events == []


# Money that goes back


async def test_a_refund_of_a_sold_order_is_in_the_account_and_sends_nothing(shop: Shop):
    await shop.order(note_attributes=await make_companion(shop))
    await shop.deliver()
    for _ in range(2):
        await shop.webhook("refunds/create", refund())
    await shop.deliver(after_s=HOLD_S)
    assert shop.told == 1
    [row] = shop.gateway.rows("SELECT order_id, kind, amount, currency FROM reversals")
    assert row == {"order_id": str(ORDER_ID), "kind": "refund", "amount": "15.95", "currency": "USD"}


async def test_a_cancelled_order_stays_told_and_its_cancellation_is_in_the_account(shop: Shop):
    attributes = await make_companion(shop)
    await shop.order(note_attributes=attributes)
    await shop.order("orders/cancelled", note_attributes=attributes, cancelled_at="2026-09-21T14:13:00Z")
    await shop.deliver()
    assert (shop.told, shop.find_order()["reason"]) == (1, None)
    [row] = shop.gateway.rows("SELECT order_id, kind, amount FROM reversals")
    assert row == {"order_id": str(ORDER_ID), "kind": "cancellation", "amount": "38.36"}


# Checkouts


async def test_a_checkout_is_told_once_beside_the_pixels_copy(shop: Shop):
    browser = shop.browser()
    await browser.beacon(page=LANDED, ids={"checkout": "k1"})
    opened = make_event("InitiateCheckout", event_id="checkout_k1_InitiateCheckout", pixel="fired")
    body = checkout(**{**NOBODY, "token": "k1", "created_at": shop.clock.write()})
    await shop.webhook("checkouts/create", body)
    await browser.beacon(opened, ids={"checkout": "k1"})
    await shop.webhook("checkouts/update", {**body, "email": "zoe@example.com"})
    await shop.deliver()
    [event] = [event for event in shop.tiktok.events if event["event"] == "InitiateCheckout"]
    assert (event["event_id"], event["user"]["ttclid"]) == ("checkout_k1_InitiateCheckout", CLICK)


@pytest.mark.parametrize("topic", ["checkouts/create", "checkouts/update"])
async def test_a_checkout_without_its_browser_is_told_by_the_webhook(open_shop: Shop, topic: str):
    body = checkout(created_at=open_shop.clock.write())
    assert (await open_shop.webhook(topic, body)).status_code == 200
    await open_shop.deliver()
    [event] = open_shop.tiktok.counted
    assert event["event_id"] == f"checkout_{body['token']}_InitiateCheckout"
    assert (event["properties"]["value"], event["properties"]["currency"]) == (25.91, "EUR")


async def test_a_checkout_of_a_draft_order_is_not_told(open_shop: Shop):
    body = checkout(created_at=open_shop.clock.write(), source_name="shopify_draft_order")
    assert (await open_shop.webhook("checkouts/create", body)).status_code == 200
    assert open_shop.gateway.events == []


async def test_a_checkout_without_consent_leaves_nothing(shop: Shop):
    await shop.webhook("checkouts/create", checkout(created_at=shop.clock.write()))
    assert shop.gateway.events == shop.gateway.visitors == shop.gateway.rows("SELECT * FROM links") == []


async def test_a_checkout_links_its_buyer_so_that_the_order_is_found_by_its_email(shop: Shop):
    attributes = await make_companion(shop)
    body = checkout(**{**NOBODY, "token": "k1", "created_at": shop.clock.write(), "email": "zoe@example.com"})
    await shop.webhook("checkouts/update", {**body, "note_attributes": attributes})
    await shop.order(email="zoe@example.com")
    await shop.deliver()
    assert [purchase["user"]["ttclid"] for purchase in shop.purchases] == [CLICK]


# Customers


async def test_a_customer_with_an_account_has_registered_once(open_shop: Shop):
    body = customer(state="enabled", created_at=open_shop.clock.write())
    for _ in range(2):
        assert (await open_shop.webhook("customers/create", body)).status_code == 200
        await open_shop.deliver()
    [event] = open_shop.tiktok.events
    assert (event["event"], event["event_id"]) == (
        "CompleteRegistration",
        "customer_8832137625682_CompleteRegistration",
    )
    assert event["user"]["email"]


async def test_a_registration_carries_the_click_of_the_browser_that_said_the_email(shop: Shop):
    await shop.browser().beacon(page=LANDED, user={"email": "zoe@example.com"})
    await shop.webhook("customers/create", customer(state="enabled", created_at=shop.clock.write()))
    await shop.deliver()
    [event] = [event for event in shop.tiktok.events if event["event"] == "CompleteRegistration"]
    assert event["user"]["ttclid"] == CLICK


@pytest.mark.parametrize("state", ["disabled", "invited", "declined", None])
async def test_a_guests_record_is_no_registration(open_shop: Shop, state: str | None):
    assert (await open_shop.webhook("customers/create", customer(state=state))).status_code == 200
    assert open_shop.gateway.events == []


# All that an order says


async def test_tiktok_gets_what_the_order_says(open_shop: Shop):
    paid = open_shop.clock.write()
    await open_shop.webhook("orders/paid", web_order(created_at=paid, processed_at=paid))
    await open_shop.deliver(after_s=HOLD_S)
    [purchase] = open_shop.purchases
    assert purchase["event_id"] == f"purchase_{ORDER_ID}"
    assert purchase["event_time"] == open_shop.clock.ms // 1000 - HOLD_S
    assert purchase["properties"] == {
        "contents": [
            {"content_id": "40537120407634", "content_name": "Tee", "brand": "Acme", "price": 15.95, "quantity": 2}
        ],
        "content_ids": ["40537120407634"],
        "content_type": "product",
        "currency": "USD",
        "value": 38.36,
        "num_items": 2,
        "order_id": str(ORDER_ID),
    }
    user = purchase["user"]
    assert {"email", "phone", "external_id", "first_name", "last_name", "zip_code"} < user.keys()
    assert (user["city"], user["state"], user["country"]) == ("sanjosé", "ca", "us")
    assert (user["ttclid"], user["ip"]) == ("E.C.P.abc+def", "2001:db8:85a3::8a2e:370:7334")
    assert user["user_agent"].startswith("Mozilla/5.0 (iPhone")
    assert "authenticate" not in str(purchase)

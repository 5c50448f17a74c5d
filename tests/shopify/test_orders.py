"""An order is told once, as what the buyer saw, and only if it is a purchase."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.model.conversion import Conversion, NotSent, Reason
from gateway.model.event import Source, User
from gateway.shopify.buyer import BuyerIds
from gateway.shopify.orders import SAMPLE_ORDER_ID, to_purchase
from gateway.shopify.resources import Order
from gateway.shopify.webhook import parse_webhook
from tests.shopify.payloads import NOW_MS, ORIGIN, address, customer, encode, line, money_set, shop, web_order


def order(**changes: Any) -> Order:
    parsed = parse_webhook("orders/paid", encode(web_order(**changes))).resource
    assert isinstance(parsed, Order)
    return parsed


def purchase(settings: dict[str, Any] | None = None, topic: str | None = "orders/paid", **changes: Any) -> Conversion:
    made = to_purchase(order(**changes), topic, shop(**settings or {}), ORIGIN, NOW_MS)
    assert isinstance(made, Conversion), made
    return made


def reason(settings: dict[str, Any] | None = None, topic: str | None = "orders/paid", **changes: Any) -> Reason | None:
    made = to_purchase(order(**changes), topic, shop(**settings or {}), ORIGIN, NOW_MS)
    return made.reason if isinstance(made, NotSent) else None


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# What is told


def test_web_order_becomes_one_purchase() -> None:
    event = purchase().event
    assert (event.event, event.event_id) == ("Purchase", "purchase_6589808345170")
    assert event.source is Source.WEBHOOK
    assert event.occurred_ms == int(datetime.fromisoformat("2026-09-21T07:10:00-07:00").timestamp() * 1000)
    assert event.received_ms == NOW_MS
    assert event.page.url == f"{ORIGIN}/products/tee?utm_source=tiktok&ttclid=E.C.P.abc%2Bdef"
    assert event.page.referrer == "https://www.tiktok.com/"


def test_properties_say_what_was_bought() -> None:
    told = purchase().event.properties
    assert (told.value, told.currency, told.num_items) == (Decimal("38.36"), "USD", 2)
    assert (told.content_type, told.content_ids) == ("product", ("40537120407634",))
    assert told.order_id == "6589808345170"
    (content,) = told.contents
    assert (content.content_id, content.content_name, content.brand) == ("40537120407634", "Tee", "Acme")
    assert (content.price, content.quantity) == (Decimal("15.95"), Decimal(2))


def test_match_keys_are_hashed_and_come_from_one_address() -> None:
    user = purchase().event.user
    assert user == User(
        email=(sha("zoe@example.com"),),
        phone=(sha("+14085550199"),),
        external_id=(sha("8832137625682"),),
        first_name=sha("zoë"),
        last_name=sha("oneil"),
        zip_code=sha("95112"),
        city="sanjosé",
        state="ca",
        country="us",
        locale="en-US",
    )


def test_identity_holds_every_way_back() -> None:
    assert purchase(cart_token="hWN3NvqP?key=4d2c").ids == BuyerIds(
        companion="c.0190aa.sig",
        cart_token="hWN3NvqP",
        checkout_token="e9afbbf20aea73e47f32bb4e90432653",
        customer_id="8832137625682",
        email=sha("zoe@example.com"),
        phone=sha("+14085550199"),
    )


def test_browser_of_the_checkout_is_a_fallback_and_keeps_its_ipv6() -> None:
    made = purchase()
    assert made.fallback == User(
        ip="2001:db8:85a3::8a2e:370:7334",
        user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) Safari/604.1",
    )
    assert made.event.user.ip is made.event.user.user_agent is made.event.user.ttclid is None


def test_private_address_is_no_fallback() -> None:
    assert purchase(browser_ip="10.0.0.7").fallback.ip is None


def test_address_of_the_client_details_is_enough() -> None:
    assert purchase(browser_ip=None, client_details={"browser_ip": "203.0.113.9"}).fallback == User(ip="203.0.113.9")


def test_looked_up_order_gives_the_same_event() -> None:
    told, found = purchase().event, purchase(topic=None).event
    assert found.source is Source.RECONCILE
    assert (found.event_id, found.user, found.properties, found.page) == (
        told.event_id,
        told.user,
        told.properties,
        told.page,
    )


# Time


def test_creation_stands_in_for_a_missing_processing_time() -> None:
    made = purchase(processed_at=None, created_at="2026-09-21T14:10:02.500Z")
    assert made.event.occurred_ms == int(datetime.fromisoformat("2026-09-21T14:10:02.500+00:00").timestamp() * 1000)


def test_order_without_any_time_happened_when_it_came() -> None:
    assert purchase(processed_at=None, created_at=None).event.occurred_ms == NOW_MS


def test_order_of_the_future_happened_when_it_came() -> None:
    assert purchase(processed_at="2031-01-01T00:00:00Z").event.occurred_ms == NOW_MS


# Money


def test_two_currencies_are_told_as_the_buyer_saw_them() -> None:
    told = purchase(
        total_price="41.00",
        presentment_currency="EUR",
        total_price_set=money_set("41.00", "38.50"),
        line_items=[line(price="17.00", price_set=money_set("17.00", "15.95"))],
    ).event.properties
    assert (told.value, told.currency, told.contents[0].price) == (Decimal("38.50"), "EUR", Decimal("15.95"))


def test_price_of_another_currency_is_left_out() -> None:
    told = purchase(
        total_price="41.00",
        presentment_currency="EUR",
        total_price_set=money_set("41.00", "38.50"),
        line_items=[line(price="17.00", price_set=None)],
    ).event.properties
    assert (told.currency, told.contents[0].price) == ("EUR", None)


@pytest.mark.parametrize(
    "total_set",
    [
        None,
        {"presentment_money": None},
        {"shop_money": None, "presentment_money": {"amount": "38.50", "currency_code": None}},
        {"presentment_money": {"amount": None, "currency_code": "EUR"}},
        {"presentment_money": {"amount": "NaN", "currency_code": "EUR"}},
    ],
)
def test_half_a_money_set_gives_way_to_the_shops_own_pair(total_set: Any) -> None:
    told = purchase(
        total_price="41.00",
        presentment_currency="EUR",
        total_price_set=total_set,
        line_items=[line(price="17.00", price_set=money_set("17.00", "15.95"))],
    ).event.properties
    assert (told.value, told.currency, told.contents[0].price) == (Decimal("41.00"), "USD", Decimal("17.00"))


def test_order_of_unknown_worth_is_told_without() -> None:
    told = purchase(total_price=None, total_price_set=None).event.properties
    assert told.value is told.currency is told.contents[0].price is None


# Products


@pytest.mark.parametrize(
    ("scheme", "content_id", "content_type"),
    [
        ("variant", "40537120407634", "product"),
        ("product", "6994888523858", "product_group"),
        ("sku", "TEE-L", "product"),
    ],
)
def test_products_are_named_by_the_catalogues_ids(scheme: str, content_id: str, content_type: str) -> None:
    told = purchase({"content_id": scheme}).event.properties
    assert (told.content_ids, told.content_type) == ((content_id,), content_type)


@pytest.mark.parametrize(
    ("scheme", "changes", "content_id"),
    [
        ("variant", {"variant_id": None}, "6994888523858"),
        ("variant", {"variant_id": None, "product_id": None}, "TEE-L"),
        ("sku", {"sku": ""}, "40537120407634"),
        ("sku", {"sku": None, "variant_id": None}, "6994888523858"),
        ("product", {"product_id": None}, "40537120407634"),
    ],
)
def test_missing_id_gives_way_to_another(scheme: str, changes: dict[str, Any], content_id: str) -> None:
    told = purchase({"content_id": scheme}, line_items=[line(**changes)]).event.properties
    assert told.contents[0].content_id == content_id


def test_tip_without_any_id_is_no_product() -> None:
    tip = line(variant_id=None, product_id=None, sku=None, title="Tip", quantity=1)
    told = purchase(line_items=[line(), tip, line(sku="TEE-L", quantity=3)]).event.properties
    assert [one.content_name for one in told.contents] == ["Tee", "Tee"]
    assert told.content_ids == ("40537120407634",)
    assert told.num_items == 5


def test_order_of_custom_items_alone_has_no_content_type() -> None:
    told = purchase(line_items=[line(variant_id=None, product_id=None, sku=None)]).event.properties
    assert (told.contents, told.content_ids, told.content_type, told.num_items) == ((), (), None, None)
    assert told.value == Decimal("38.36")


# The buyer


def test_phone_only_order_reads_the_number_with_its_country() -> None:
    made = purchase(
        email="",
        contact_email=None,
        phone=None,
        customer=customer(email=None, phone=None, default_address=None),
        billing_address=None,
        shipping_address=address(
            country_code="GB", phone="07504 123456", zip="SW1A 1AA", province_code=None, province=""
        ),
    )
    assert made.event.user.email == ()
    assert made.event.user.phone == (sha("+447504123456"),)
    assert made.ids.phone == sha("+447504123456")
    assert made.ids.email is None
    assert (made.event.user.country, made.event.user.state, made.event.user.zip_code) == ("gb", None, sha("sw1a1aa"))


def test_shipping_country_reads_the_phone_before_the_billing_country() -> None:
    made = purchase(
        phone="07504 123456",
        billing_address=address(country_code="US"),
        shipping_address=address(country_code="GB"),
    )
    assert made.event.user.phone == (sha("+447504123456"),)


def test_customers_own_address_is_the_last_resort() -> None:
    home = address(country_code="DE", city="Köln", phone="0221 1234567")
    made = purchase(phone=None, billing_address=None, shipping_address=None, customer=customer(default_address=home))
    assert (made.event.user.phone, made.event.user.city, made.event.user.country) == (
        (sha("+492211234567"),),
        "köln",
        "de",
    )


def test_unreadable_phone_gives_way_to_the_next() -> None:
    made = purchase(phone="call me", customer=customer(phone="+1 408 555 0177"))
    assert made.event.user.phone == (sha("+14085550177"),)


def test_every_email_is_told_the_orders_own_first() -> None:
    made = purchase(
        email=" New@Example.com ", contact_email="new@example.com", customer=customer(email="old@example.com")
    )
    assert made.event.user.email == (sha("new@example.com"), sha("old@example.com"))
    assert made.ids.email == sha("new@example.com")


def test_guest_without_customer_is_told() -> None:
    made = purchase(customer=None)
    assert made.event.user.external_id == ()
    assert made.ids.customer_id is None
    assert made.event.user.first_name == sha("zoë")
    assert made.event.properties.customer_type is None


def test_buyer_nobody_knows_is_still_told() -> None:
    made = purchase(
        email=None, contact_email=None, phone=None, customer=None, billing_address=None, shipping_address=None,
        note_attributes=None, cart_token=None, checkout_token=None, customer_locale=None,
    )  # fmt: skip
    assert made.event.user == User()
    assert made.ids == BuyerIds()


@pytest.mark.parametrize(
    "attributes", [None, [], [{"name": "__tg", "value": ""}], [{"name": "__tg", "value": 7}], [{"name": None}], [{}]]
)
def test_order_without_companion_has_none(attributes: Any) -> None:
    assert purchase(note_attributes=attributes).ids.companion is None


@pytest.mark.parametrize(
    ("changes", "customer_type"),
    [
        ({"orders_count": 1}, "new"),
        ({"orders_count": 4}, "returning"),
        ({"created_at": "2026-09-21T14:09:58Z"}, "new"),
        ({"created_at": "2026-03-01T06:11:09-07:00"}, None),
        ({"created_at": None}, None),
    ],
)
def test_customer_type_is_told_where_it_is_certain(changes: dict[str, Any], customer_type: str | None) -> None:
    assert purchase(customer=customer(**changes)).event.properties.customer_type == customer_type


def test_order_page_with_its_key_is_told_nowhere() -> None:
    made = purchase(landing_site=None, referring_site=None)
    assert made.event.page.url == f"{ORIGIN}/"
    assert "s3cret" not in str(made)


def test_no_raw_personal_data_is_in_a_conversion() -> None:
    shown = str(purchase()).lower()
    for raw in ("zoe", "o'neil", "4085550199", "95112"):
        assert raw not in shown


# What is not told


def test_sample_order_is_not_sent() -> None:
    changes = {"test": True, "financial_status": "voided", "cancelled_at": "2026-09-21T08:42:11+02:00"}
    changes |= {"client_details": None, "browser_ip": None, "cart_token": None, "name": "#9999"}
    assert reason(id=SAMPLE_ORDER_ID, **changes) is Reason.SAMPLE


def test_test_order_is_not_sent() -> None:
    assert reason(test=True) is Reason.TEST_ORDER


@pytest.mark.parametrize(
    "source", ["pos", "shopify_draft_order", "subscription_contract", "283439955969", "Web", "", None]
)
def test_order_of_another_source_is_not_sent(source: str | None) -> None:
    assert reason(source_name=source) is Reason.ORDER_SOURCE


def test_configured_source_is_sent() -> None:
    assert reason({"sources": ["web", "pos"]}, source_name="pos") is None


def test_draft_order_tells_nothing_of_the_merchants_browser() -> None:
    made = purchase({"sources": ["shopify_draft_order"]}, source_name="shopify_draft_order", cart_token=None)
    assert made.fallback == User()


def test_cancelled_order_is_not_sent() -> None:
    assert reason(cancelled_at="2026-09-21T08:00:00-07:00") is Reason.CANCELLED


@pytest.mark.parametrize("total", ["0.00", "0", "-1.00"])
def test_order_worth_nothing_is_not_sent(total: str) -> None:
    assert reason(total_price=total, total_price_set=None) is Reason.ZERO_VALUE


def test_zero_is_what_the_buyer_saw() -> None:
    assert reason(total_price="38.36", total_price_set=money_set("38.36", "0.00")) is Reason.ZERO_VALUE


@pytest.mark.parametrize("topic", ["orders/create", "orders/cancelled", "", "refunds/create"])
def test_other_topic_than_the_trigger_is_not_sent(topic: str) -> None:
    assert reason(topic=topic) is Reason.NOT_THE_TRIGGER


def test_update_is_another_chance_for_an_order_whose_trigger_has_come() -> None:
    assert reason(topic="orders/updated", financial_status="paid") is None
    assert reason(topic="orders/updated", financial_status="pending") is Reason.UNPAID


def test_unpaid_order_counts_once_created_where_the_store_says_so() -> None:
    on_creation = {"purchase_trigger": "orders/create"}
    assert reason(on_creation, "orders/create", financial_status="pending") is None
    assert reason(topic="orders/create", financial_status="pending") is Reason.NOT_THE_TRIGGER
    assert reason(on_creation, "orders/paid", financial_status="paid") is Reason.NOT_THE_TRIGGER


@pytest.mark.parametrize("status", ["pending", "authorized", "partially_paid", "voided", "expired"])
@pytest.mark.parametrize("topic", ["orders/paid", None])
def test_unpaid_order_under_another_topic_or_looked_up_is_not_sent(status: str, topic: str | None) -> None:
    assert reason(topic=topic, financial_status=status) is Reason.UNPAID


@pytest.mark.parametrize("status", ["paid", "partially_refunded", "refunded", None])
def test_order_that_was_paid_is_sent(status: str | None) -> None:
    assert reason(topic=None, financial_status=status) is None


# Nothing that Shopify leaves out breaks the order


def find_paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [deeper for key, inner in pairs for deeper in find_paths(inner, (*path, key))]


def without(path: tuple[Any, ...]) -> dict[str, Any]:
    """The order with null in one place."""
    body = web_order()
    place: Any = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = None
    return body


@pytest.mark.parametrize(
    "path", [path for path in find_paths(web_order()) if path != ("id",) and path[-1] not in (0, 1)]
)
def test_null_in_any_place_still_gives_a_purchase_or_a_reason(path: tuple[Any, ...]) -> None:
    parsed = parse_webhook("orders/paid", encode(without(path))).resource
    assert isinstance(parsed, Order)
    made = to_purchase(parsed, "orders/paid", shop(), ORIGIN, NOW_MS)
    expected = NotSent if path == ("source_name",) else Conversion
    assert isinstance(made, expected)

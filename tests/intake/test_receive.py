"""What becomes of a beacon's events: dropped with a reason, or stored once for each pixel that takes them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from gateway.model.outcome import Dropped
from tests.beacons import PAGE, PRODUCT, REFUSAL, Browser, make_beacon, make_event
from tests.servers import CLIENT_IP, PIXEL, USER_AGENT, Gateway, make_settings, running_gateway

GOOGLEBOT = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
OTHER_PIXEL = "C0BBBBBBBBBBBBBBBBBB"
FIRED_PAGE_VIEW = {"event": "Pageview", "event_id": "pv-1", "pixel": "fired"}
DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def test_an_event_is_stored_with_all_that_tiktok_wants(gateway: Gateway):
    await gateway.beacon(make_beacon(make_event(event_id="e-1", pixel="blocked")))
    [event] = gateway.events
    assert (event["pixel_code"], event["event"], event["event_id"]) == (PIXEL, "ViewContent", "e-1")
    assert (event["source"], event["pixel"], event["fate"], event["ip"]) == ("beacon", "blocked", None, CLIENT_IP)
    body = event["body"]
    assert body["page"] == {"url": PAGE["url"], "referrer": PAGE["referrer"]}
    assert body["user"]["user_agent"] == USER_AGENT
    assert body["user"]["locale"] == "de-DE"
    assert body["properties"] == {
        "content_type": "product",
        "contents": [{"content_id": "44", "price": "20.0", "quantity": "1.0"}],
        "currency": "EUR",
        "value": "20.0",
    }


async def test_ids_that_are_numbers_become_text_and_money_keeps_its_digits(gateway: Gateway):
    properties = {
        "contents": [{"content_id": 45012345678901, "price": 19.99, "quantity": 3}],
        "content_ids": [1, "b"],
        "order_id": 5123456789012,
        "shop_id": 7,
        "value": 0.1,
        "num_items": 3,
    }
    await gateway.beacon(make_beacon(make_event(properties=properties)))
    stored = gateway.events[0]["body"]["properties"]
    assert stored["contents"] == [{"content_id": "45012345678901", "price": "19.99", "quantity": "3.0"}]
    assert stored["content_ids"] == ["1", "b"]
    assert (stored["order_id"], stored["shop_id"], stored["value"]) == ("5123456789012", "7", "0.1")


async def test_unknown_keys_are_ignored_everywhere_and_stored_nowhere(gateway: Gateway):
    marked = {"hidden_key": "hidden_value"}
    event = make_event(properties={**PRODUCT, **marked, "contents": [{"content_id": "1", **marked}]}, **marked)
    beacon = make_beacon(event, page={**PAGE, **marked}, consent={"marketing": True, **marked}, user=marked, ids=marked)
    assert (await gateway.beacon({**beacon, **marked})).status_code == 204
    everything = str([gateway.rows(f"SELECT * FROM {table}") for table in ("visitors", "links", "events", "outbox")])
    assert "hidden" not in everything
    assert "'title'" not in everything


async def test_old_event_names_become_tiktoks_current_ones(gateway: Gateway):
    await gateway.beacon(make_beacon(*(make_event(name) for name in ("CompletePayment", "SubmitForm", "MyOwn"))))
    assert [event["event"] for event in gateway.events] == ["Purchase", "Lead", "MyOwn"]


# Dropped, each with its reason


async def drop_for_consent(browser: Browser) -> str | None:
    return (await browser.beacon(consent=REFUSAL)).headers.get("x-dropped")


async def drop_for_bot(browser: Browser) -> str | None:
    return (await browser.beacon(headers=GOOGLEBOT)).headers.get("x-dropped")


async def drop_for_page_view(browser: Browser) -> str | None:
    return (await browser.beacon(FIRED_PAGE_VIEW)).headers.get("x-dropped")


async def drop_for_duplicate(browser: Browser) -> str | None:
    event = make_event()
    await browser.beacon(event)
    deliver_all(browser.gateway)
    return (await browser.beacon(event)).headers.get("x-dropped")


async def drop_for_no_pixel(browser: Browser) -> str | None:
    return (await browser.beacon(make_event("Search"))).headers.get("x-dropped")


WAYS = {
    Dropped.CONSENT: drop_for_consent,
    Dropped.BOT: drop_for_bot,
    Dropped.PAGE_VIEW: drop_for_page_view,
    Dropped.DUPLICATE: drop_for_duplicate,
    Dropped.NO_PIXEL: drop_for_no_pixel,
}


OF_WEBHOOKS = {Dropped.SIGNATURE}


async def test_every_reason_to_drop_a_beacon_is_told_in_the_header(tmp_path: Path):
    assert WAYS.keys() == set(Dropped) - OF_WEBHOOKS
    pixels = [{"code": PIXEL, "access_token": "t", "events": ["ViewContent", "Pageview"]}]
    async with running_gateway(make_settings(tmp_path, pixels=pixels)) as gateway:
        for reason, drop in WAYS.items():
            assert await drop(Browser(gateway)) == reason
        assert gateway.outbox == []


def deliver_all(gateway: Gateway) -> None:
    """What waited is with TikTok."""
    with contextlib.closing(sqlite3.connect(gateway.database)) as connection, connection:
        connection.execute("UPDATE events SET fate = 'accepted'")
        connection.execute("DELETE FROM outbox")


@pytest.mark.parametrize("agent", [GOOGLEBOT, {"user-agent": ""}, {"user-agent": None}])
async def test_crawlers_are_dropped_and_leave_nothing(gateway: Gateway, agent):
    response = await gateway.beacon(make_beacon(), headers={"user-agent": None} | agent)
    assert response.headers["x-dropped"] == "bot"
    assert "set-cookie" not in response.headers
    assert gateway.visitors == gateway.events == []


async def test_crawlers_are_kept_where_the_store_says_so(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, bots="keep")) as gateway:
        response = await gateway.beacon(make_beacon(), headers=GOOGLEBOT)
        assert "x-dropped" not in response.headers
        assert len(gateway.events) == 1


async def test_a_page_view_whose_pixel_fired_is_dropped_and_its_visitor_kept(browser: Browser):
    landed = {**PAGE, "url": "https://www.acme.com/?ttclid=E.C.P.x"}
    response = await browser.beacon(FIRED_PAGE_VIEW, page=landed)
    assert response.headers["x-dropped"] == "page_view"
    assert set(browser.cookies) == {"_tgv", "_tgc", "ttclid"}
    assert browser.gateway.visitors[0]["ttclid"] == "E.C.P.x"
    assert browser.gateway.events == []


@pytest.mark.parametrize("pixel", ["blocked", "absent", "off", None])
@pytest.mark.parametrize("name", ["Pageview", "PageView"])
async def test_a_page_view_that_no_pixel_reported_is_stored(gateway: Gateway, pixel: str | None, name: str):
    response = await gateway.beacon(make_beacon(make_event(name, pixel=pixel)))
    assert "x-dropped" not in response.headers
    assert [event["event"] for event in gateway.events] == ["Pageview"]


async def test_what_is_stored_beside_a_dropped_page_view_is_not_called_dropped(gateway: Gateway):
    response = await gateway.beacon(make_beacon(FIRED_PAGE_VIEW, make_event(pixel="fired")))
    assert "x-dropped" not in response.headers
    assert [event["event"] for event in gateway.events] == ["ViewContent"]


# Pixels


async def test_each_pixel_gets_the_events_it_takes(tmp_path: Path):
    pixels = [
        {"code": PIXEL, "access_token": "t"},
        {"code": OTHER_PIXEL, "access_token": "t", "events": ["Purchase", "AddToCart"]},
    ]
    async with running_gateway(make_settings(tmp_path, pixels=pixels)) as gateway:
        await gateway.beacon(make_beacon(make_event("ViewContent"), make_event("CompletePayment")))
        assert sorted((event["event"], event["pixel_code"]) for event in gateway.events) == [
            ("Purchase", PIXEL),
            ("Purchase", OTHER_PIXEL),
            ("ViewContent", PIXEL),
        ]
        assert len(gateway.outbox) == 3


async def test_an_event_that_no_pixel_takes_keeps_its_visitor(tmp_path: Path):
    pixels = [{"code": PIXEL, "access_token": "t", "events": ["Purchase"]}]
    async with running_gateway(make_settings(tmp_path, pixels=pixels)) as gateway:
        browser = Browser(gateway)
        response = await browser.beacon(make_event("Search"))
        assert response.headers["x-dropped"] == "no_pixel"
        assert [visitor["id"] for visitor in gateway.visitors] == [browser.visitor_id]
        assert "x-dropped" not in (await browser.beacon(make_event("Search"), make_event("Purchase"))).headers


# Twins


async def test_a_twin_fills_in_what_the_waiting_event_lacks(browser: Browser):
    await browser.beacon(make_event("AddToCart", event_id="e-1", properties=None))
    response = await browser.beacon(make_event("AddToCart", event_id="e-1"), user={"email": "ada@example.com"})
    assert "x-dropped" not in response.headers
    [event] = browser.gateway.events
    assert event["duplicates"] == 1
    assert event["body"]["properties"]["value"] == "20.0"
    assert len(event["body"]["user"]["email"]) == 1
    assert len(browser.gateway.outbox) == 1


async def test_twins_in_one_beacon_become_one_event(browser: Browser):
    bare = make_event("AddToCart", event_id="e-1", properties=None)
    response = await browser.beacon(bare, make_event("AddToCart", event_id="e-1"))
    assert "x-dropped" not in response.headers
    [event] = browser.gateway.events
    assert event["duplicates"] == 1
    assert event["body"]["properties"]["value"] == "20.0"


async def test_a_twin_of_an_event_that_has_left_is_counted_and_changes_nothing(browser: Browser):
    await browser.beacon(make_event("AddToCart", event_id="e-1", properties=None))
    deliver_all(browser.gateway)
    response = await browser.beacon(make_event("AddToCart", event_id="e-1"))
    assert response.status_code == 204
    assert response.headers["x-dropped"] == "duplicate"
    [event] = browser.gateway.events
    assert event["duplicates"] == 1
    assert event["body"]["properties"] == {}
    assert browser.gateway.outbox == []


async def test_news_beside_a_duplicate_is_not_called_dropped(browser: Browser):
    old = make_event()
    await browser.beacon(old)
    deliver_all(browser.gateway)
    response = await browser.beacon(old, make_event())
    assert "x-dropped" not in response.headers
    assert len(browser.gateway.outbox) == 1


async def test_the_same_id_under_another_name_is_another_event(browser: Browser):
    await browser.beacon(make_event("AddToCart", event_id="e-1"), make_event("Search", event_id="e-1"))
    assert len(browser.gateway.events) == 2


async def test_a_pixel_copy_that_fired_stays_fired_when_a_twin_says_otherwise(browser: Browser):
    await browser.beacon(make_event(event_id="e-1", pixel="fired"))
    await browser.beacon(make_event(event_id="e-1", pixel="absent"))
    assert browser.gateway.events[0]["pixel"] == "fired"


# Times


async def test_times_are_corrected_by_the_browsers_own_clock(gateway: Gateway):
    wrong_clock = 1_000_000_000_000
    before = now_ms()
    await gateway.beacon(make_beacon(make_event(at=wrong_clock - 90_000), sent_at=wrong_clock))
    [event] = gateway.events
    assert before - 90_000 <= event["occurred_ms"] <= now_ms() - 90_000
    assert before <= event["received_ms"] <= now_ms()


@pytest.mark.parametrize(
    ("at", "sent_at"),
    [
        (None, None),
        (1_000, None),
        (None, 1_000),
        (2_000, 1_000),
        (253_402_300_799_000, 1_000),
        (5_000, -5_000),
        (1_000.7, 1_000.9),
        (-0.0, 0),
    ],
)
async def test_a_time_that_cannot_be_is_taken_as_now(gateway: Gateway, at, sent_at):
    before = now_ms()
    await gateway.beacon(make_beacon(make_event(at=at), sent_at=sent_at))
    assert before <= gateway.events[0]["occurred_ms"] <= now_ms()


@pytest.mark.parametrize(("at", "sent_at"), [(0, 253_402_300_799_000), (-(2**53), 2**53), (-1e15, 1e15)])
async def test_a_time_before_all_times_is_the_epoch(gateway: Gateway, at: float, sent_at: float):
    assert (await gateway.beacon(make_beacon(make_event(at=at), sent_at=sent_at))).status_code == 204
    assert gateway.events[0]["occurred_ms"] == 0


async def test_an_event_whose_pixel_fired_expires_within_48_hours(gateway: Gateway):
    await gateway.beacon(make_beacon(*(make_event(pixel=pixel) for pixel in ("fired", "blocked", None))))
    ages = [event["expires_ms"] - event["occurred_ms"] for event in gateway.events]
    assert 2 * DAY_MS - 120_000 <= ages[0] < 2 * DAY_MS
    assert ages[1:] == [7 * DAY_MS, 7 * DAY_MS]


async def test_a_twin_that_fired_shortens_the_life_of_the_event_that_waits(browser: Browser):
    await browser.beacon(make_event(event_id="e-1", pixel="absent"))
    await browser.beacon(make_event(event_id="e-1", pixel="fired"))
    [event] = browser.gateway.events
    assert event["expires_ms"] - event["occurred_ms"] <= 2 * DAY_MS


async def test_a_purchase_waits_for_its_webhook_where_there_is_one(tmp_path: Path):
    shopify = {"shop": "acme.myshopify.com", "webhook_secrets": ["hush"]}
    async with running_gateway(make_settings(tmp_path, shopify=shopify)) as gateway:
        await gateway.beacon(make_beacon(make_event("Purchase"), make_event("AddToCart")))
        waits = {
            e["event"]: o["due_ms"] - e["received_ms"]
            for e in gateway.events
            for o in gateway.outbox
            if o["id"] == e["id"]
        }
        assert waits == {"Purchase": 45_000, "AddToCart": 0}


@pytest.mark.parametrize(
    ("way", "pixel", "wait_ms"),
    [("beacon", None, 45_000), ("beacon", "blocked", 45_000), ("beacon", "fired", 0), ("px", None, 0)],
)
async def test_a_themes_start_of_a_checkout_waits_for_the_checkouts_unless_the_pixel_has_told_it(
    tmp_path: Path, way: str, pixel: str | None, wait_ms: int
):
    shopify = {"shop": "acme.myshopify.com", "webhook_secrets": ["hush"]}
    async with running_gateway(make_settings(tmp_path, shopify=shopify)) as gateway:
        await getattr(gateway, way)(make_beacon(make_event("InitiateCheckout", pixel=pixel)))
        assert gateway.outbox[0]["due_ms"] - gateway.events[0]["received_ms"] == wait_ms


@pytest.mark.parametrize("name", ["Purchase", "InitiateCheckout"])
async def test_without_webhooks_nothing_waits(gateway: Gateway, name: str):
    await gateway.beacon(make_beacon(make_event(name)))
    assert gateway.outbox[0]["due_ms"] == gateway.events[0]["received_ms"]

"""Consent: what each mode asks for, and what a withdrawal stops (contract 4.5)."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from gateway.model.outcome import Fate
from tests.beacons import CONSENT, PAGE, REFUSAL, Browser, make_beacon, make_event, read_set_cookies
from tests.servers import Gateway, make_settings, running_gateway

UNSAID = [None, {}, {"marketing": None}, {"analytics": True, "sale_of_data": True}, {"source": "banner"}]
NO = [{"marketing": False}, REFUSAL]
YES = [{"marketing": True}, CONSENT]


def is_empty(gateway: Gateway) -> bool:
    return not any(gateway.rows(f"SELECT * FROM {table}") for table in ("visitors", "links", "events", "outbox"))


@pytest.mark.parametrize("mode", ["shopify", "required"])
async def test_without_consent_nothing_is_stored_and_nothing_set(tmp_path: Path, mode: str):
    async with running_gateway(make_settings(tmp_path, consent=mode)) as gateway:
        for consent in [*UNSAID, *NO]:
            beacon = make_beacon(consent=consent, ids={"cart": "c1", "first": "f1"}, user={"email": "ada@example.com"})
            response = await gateway.beacon(beacon)
            assert response.status_code == 204
            assert response.headers["x-dropped"] == "consent"
            assert read_set_cookies(response) == {}
        assert is_empty(gateway)


@pytest.mark.parametrize("mode", ["shopify", "required", "granted"])
async def test_with_consent_events_are_stored(tmp_path: Path, mode: str):
    async with running_gateway(make_settings(tmp_path, consent=mode)) as gateway:
        for consent in YES:
            response = await gateway.beacon(make_beacon(consent=consent))
            assert "x-dropped" not in response.headers
        assert len(gateway.events) == len(YES)


async def test_granted_needs_no_word_and_heeds_a_no(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        for consent in UNSAID:
            assert "x-dropped" not in (await gateway.beacon(make_beacon(consent=consent))).headers
        for consent in NO:
            assert (await gateway.beacon(make_beacon(consent=consent))).headers["x-dropped"] == "consent"
        assert len(gateway.events) == len(UNSAID)


@pytest.mark.parametrize("almost", [1, "true", "yes", [], {}])
async def test_only_the_boolean_true_is_consent(gateway: Gateway, almost):
    response = await gateway.beacon(make_beacon(consent={"marketing": almost}))
    assert response.status_code == 400
    assert response.json()["error"].startswith("consent.marketing:")
    assert is_empty(gateway)


async def test_a_withdrawal_is_remembered_with_the_visitor_and_adds_nothing_else(browser: Browser):
    await browser.beacon()
    visitor_id = browser.visitor_id
    refused = {**PAGE, "url": "https://www.acme.com/?ttclid=E.C.P.after-the-no"}
    await browser.beacon(consent=REFUSAL, page=refused, user={"email": "ada@example.com"})
    [visitor] = browser.gateway.visitors
    assert visitor["id"] == visitor_id
    assert visitor["marketing"] == 0
    assert (visitor["ttclid"], visitor["email"]) == (None, None)
    assert len(browser.gateway.events) == 1


@pytest.mark.parametrize("way", ["cookie", "companion", "cart", "checkout", "client"])
async def test_a_withdrawal_finds_its_visitor_by_every_way_that_restores_one(browser: Browser, way: str):
    await browser.beacon(ids={"cart": "c1", "checkout": "k1", "client": "u1"})
    ids = {"cart": "c1", "checkout": "k1", "client": "u1", "companion": browser.cookies["_tgc"]}
    if way == "cookie":
        await browser.beacon(consent=REFUSAL)
    else:
        await browser.gateway.px(make_beacon(consent=REFUSAL, ids={way: ids[way]}))
    assert browser.gateway.visitors[0]["marketing"] == 0


async def test_a_guessable_anchor_withdraws_nobodys_consent(browser: Browser):
    await browser.beacon(user={"email": "ada@example.com"}, ids={"customer": "7001"})
    await browser.gateway.px(make_beacon(consent=REFUSAL, user={"email": "ada@example.com"}, ids={"customer": "7001"}))
    assert browser.gateway.visitors[0]["marketing"] == 1


async def test_a_withdrawal_stops_what_is_queued(tmp_path: Path):
    """The event waits for its webhook; when it falls due after the withdrawal it is not sent."""
    shopify = {"shop": "acme.myshopify.com", "webhook_secrets": ["hush"]}
    settings = make_settings(tmp_path, shopify=shopify, delivery={"purchase_hold_s": 3600})
    async with running_gateway(settings, deliver=True) as gateway:
        browser = Browser(gateway)
        await browser.beacon(make_event("Purchase"))
        await browser.beacon(consent=REFUSAL)
    due = make_settings(tmp_path, shopify=shopify)
    _make_due(gateway)
    async with running_gateway(due, deliver=True) as gateway:
        await gateway.drained()
        [event] = gateway.events
    assert event["fate"] == Fate.WITHDRAWN


def _make_due(gateway: Gateway) -> None:
    with contextlib.closing(sqlite3.connect(gateway.database)) as connection, connection:
        connection.execute("UPDATE outbox SET due_ms = 0")


async def test_after_a_withdrawal_the_same_visitor_may_consent_again(browser: Browser):
    await browser.beacon()
    kept = dict(browser.cookies)
    await browser.beacon(consent=REFUSAL)
    browser.cookies = kept
    response = await browser.beacon()
    assert "x-dropped" not in response.headers
    assert browser.gateway.visitors[0]["marketing"] == 1
    assert len(browser.gateway.events) == 2


async def test_in_granted_a_remembered_no_outlives_a_beacon_that_says_nothing(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        browser = Browser(gateway)
        await browser.beacon(consent=None)
        kept = dict(browser.cookies)
        await browser.beacon(consent={"marketing": False})
        browser.cookies = kept
        response = await browser.beacon(consent=None)
        assert response.headers["x-dropped"] == "consent"
        assert read_set_cookies(response) == {}
        assert len(gateway.events) == 1


@pytest.mark.parametrize(("said", "limited"), [(False, True), (True, False), (None, False)])
async def test_a_refused_sale_of_data_limits_data_use(browser: Browser, said, limited: bool):
    await browser.beacon(consent={"marketing": True, "sale_of_data": said})
    assert browser.gateway.events[0]["body"]["limited_data_use"] is limited

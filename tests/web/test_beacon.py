"""POST {collect_path}: who may send, what is answered, and that an answer means a commit (contract 3)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import Store
from tests.beacons import Browser, make_beacon, make_event, read_set_cookies
from tests.servers import ORIGIN, Gateway, make_settings, running_gateway


async def test_an_accepted_beacon_is_on_disk_when_it_is_answered(gateway: Gateway):
    response = await gateway.beacon(make_beacon())
    assert response.status_code == 204
    assert response.content == b""
    assert response.headers["cache-control"] == "no-store"
    assert "x-dropped" not in response.headers
    assert len(gateway.events) == len(gateway.outbox) == len(gateway.visitors) == 1


async def test_many_beacons_at_once_are_all_on_disk(gateway: Gateway):
    responses = await asyncio.gather(*(gateway.beacon(make_beacon(make_event(), make_event())) for _ in range(50)))
    assert {response.status_code for response in responses} == {204}
    assert len(gateway.events) == 100


@pytest.mark.parametrize("origin", [ORIGIN, "https://acme.com"])
async def test_cors_names_exactly_the_origin_that_asks(gateway: Gateway, origin: str):
    headers = (await gateway.beacon(make_beacon(), headers={"origin": origin})).headers
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "origin"
    assert "x-dropped" in headers["access-control-expose-headers"]
    assert "retry-after" in headers["access-control-expose-headers"]


WRONG_ORIGINS = [
    None, "", "null", "https://evil.example", "https://www.acme.com.evil.example", "http://www.acme.com",
    "https://www.acme.com:8443", "https://WWW.acme.com", "https://www.acme.com/", "https://t.acme.com", "*",
]  # fmt: skip


@pytest.mark.parametrize("origin", WRONG_ORIGINS)
async def test_another_origin_is_refused_and_never_reflected(gateway: Gateway, origin: str | None):
    response = await gateway.beacon(make_beacon(), headers={"origin": origin})
    assert response.status_code == 403
    assert response.json() == {"error": "origin: not one of this store"}
    assert "access-control-allow-origin" not in response.headers
    assert read_set_cookies(response) == {}
    assert gateway.visitors == []


async def test_a_preflight_is_answered_for_the_stores_own_origin(gateway: Gateway):
    path = gateway.settings.stores[0].collect_path
    response = await gateway.request(
        "OPTIONS", path, headers={"origin": ORIGIN, "access-control-request-method": "POST"}
    )
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["access-control-allow-methods"] == "POST"
    assert response.headers["access-control-allow-headers"] == "content-type"


async def test_a_preflight_from_elsewhere_allows_nothing(gateway: Gateway):
    path = gateway.settings.stores[0].collect_path
    response = await gateway.request("OPTIONS", path, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers
    assert "access-control-allow-methods" not in response.headers


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/a7/q", "/a7/q/px"])
async def test_another_method_is_not_allowed(gateway: Gateway, method: str, path: str):
    response = await gateway.request(method, path, headers={"origin": ORIGIN})
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]
    assert response.content == b""


async def test_a_malformed_beacon_names_its_field_to_the_page(gateway: Gateway):
    response = await gateway.beacon(make_beacon(page={"url": 7}))
    assert response.status_code == 400
    assert response.json() == {"error": "page.url: expected `str`, got `int`"}
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert read_set_cookies(response) == {}


async def test_what_cannot_be_stored_is_answered_503_and_may_be_sent_again(gateway: Gateway, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("disk I/O error on /var/lib/gateway.db")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "record", refuse)
        response = await gateway.beacon(body := make_beacon())
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
        assert response.json() == {"error": "not stored, try again"}
        assert response.headers["access-control-allow-origin"] == ORIGIN
        assert read_set_cookies(response) == {}
    assert (await gateway.beacon(body)).status_code == 204
    assert len(gateway.events) == 1


async def test_an_empty_list_of_events_still_makes_a_visitor(browser: Browser):
    beacon = {"v": 1, "page": {"url": "https://www.acme.com/"}, "consent": {"marketing": True}, "events": []}
    response = browser.keep(await browser.gateway.beacon(beacon))
    assert response.status_code == 204
    assert [visitor["id"] for visitor in browser.gateway.visitors] == [browser.visitor_id]
    assert browser.gateway.events == []


async def test_too_many_beacons_of_one_address_wait(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, server={"rate_limit": "3/minute"})) as gateway:
        answers = [await gateway.beacon(make_beacon()) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [204, 204, 204, 429]
        assert 1 <= int(answers[3].headers["retry-after"]) <= 61
        assert answers[3].headers["access-control-allow-origin"] == ORIGIN
        assert len(gateway.events) == 3
        other = await gateway.beacon(make_beacon(), headers={"x-forwarded-for": "203.0.113.8"})
        assert other.status_code == 204


async def test_all_of_an_ipv6_network_is_one_client(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, server={"rate_limit": "1/minute"})) as gateway:
        clients = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
        answers = [await gateway.beacon(make_beacon(), headers={"x-forwarded-for": client}) for client in clients]
        assert [answer.status_code for answer in answers] == [204, 429, 204]


async def test_the_custom_pixel_counts_toward_the_same_limit(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, server={"rate_limit": "1/minute"})) as gateway:
        assert (await gateway.px(make_beacon())).status_code == 200
        refused = await gateway.px(make_beacon())
        assert refused.status_code == 429
        assert refused.headers["access-control-allow-origin"] == "*"
        assert int(refused.headers["retry-after"]) >= 1
        assert (await gateway.beacon(make_beacon())).status_code == 429

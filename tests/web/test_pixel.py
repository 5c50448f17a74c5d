"""POST {collect_path}/px: Shopify's sandboxed custom pixel, whose origin is opaque (contract 3)."""

from __future__ import annotations

import pytest

from gateway.errors import StoreUnavailable
from gateway.intake.tokens import Tokens
from gateway.store import Store
from tests.beacons import PAGE, REFUSAL, Browser, make_beacon, read_set_cookies
from tests.servers import SECRET_KEY, Gateway

CLICK = "E.C.P.the-click"
LANDED = {**PAGE, "url": f"https://www.acme.com/?ttclid={CLICK}"}


async def test_the_answer_holds_the_companion_and_the_click(gateway: Gateway):
    response = await gateway.px(make_beacon(page=LANDED))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    [visitor] = gateway.visitors
    assert response.json().keys() == {"visitor", "ttclid"}
    assert Tokens([SECRET_KEY]).read_companion("acme", response.json()["visitor"]) == visitor["id"]
    assert response.json()["ttclid"] == CLICK
    assert gateway.events[0]["source"] == "pixel"


async def test_any_frame_may_read_the_answer_and_no_credentials_go_along(gateway: Gateway):
    headers = (await gateway.px(make_beacon())).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers
    assert "set-cookie" not in headers


async def test_no_cookie_is_trusted(browser: Browser):
    await browser.beacon(page=LANDED)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    answer = (await browser.gateway.px(make_beacon(), headers={"cookie": cookie})).json()
    assert browser.visitor_id not in answer["visitor"]
    assert answer["ttclid"] is None


@pytest.mark.parametrize("way", ["companion", "cart", "checkout", "client"])
async def test_an_unguessable_anchor_leads_to_the_browsers_visitor(browser: Browser, way: str):
    ids = {"cart": "c1", "checkout": "k1", "client": "u1"}
    await browser.beacon(page=LANDED, ids=ids)
    ids["companion"] = browser.cookies["_tgc"]
    answer = (await browser.gateway.px(make_beacon(ids={way: ids[way]}))).json()
    assert answer == {"visitor": browser.cookies["_tgc"], "ttclid": CLICK}


@pytest.mark.parametrize("origin", ["null", "https://www.acme.com", None])
async def test_sandboxes_and_the_stores_own_pages_may_send(gateway: Gateway, origin: str | None):
    assert (await gateway.px(make_beacon(), headers={"origin": origin})).status_code == 200


async def test_a_page_of_somebody_else_may_not(gateway: Gateway):
    response = await gateway.px(make_beacon(), headers={"origin": "https://evil.example"})
    assert response.status_code == 403
    assert gateway.visitors == []


async def test_without_consent_the_answer_is_empty(gateway: Gateway):
    for consent in (None, REFUSAL):
        response = await gateway.px(make_beacon(page=LANDED, consent=consent))
        assert response.status_code == 200
        assert response.json() == {"visitor": None, "ttclid": None}
        assert response.headers["x-dropped"] == "consent"
        assert "x-dropped" in response.headers["access-control-expose-headers"]
    assert gateway.visitors == []


async def test_a_withdrawal_sets_and_clears_no_cookie(browser: Browser):
    await browser.beacon()
    response = await browser.gateway.px(
        make_beacon(consent=REFUSAL, ids={"companion": browser.cookies["_tgc"]}), headers={"cookie": "_tgv=x"}
    )
    assert read_set_cookies(response) == {}
    assert browser.gateway.visitors[0]["marketing"] == 0


async def test_errors_can_be_read_by_the_sandbox_too(gateway: Gateway, monkeypatch):
    malformed = await gateway.px(b"{")
    assert malformed.status_code == 400
    assert malformed.headers["access-control-allow-origin"] == "*"

    async def refuse(*_: object) -> None:
        raise StoreUnavailable("no space left")

    monkeypatch.setattr(Store, "record", refuse)
    unstored = await gateway.px(make_beacon())
    assert unstored.status_code == 503
    assert unstored.headers["access-control-allow-origin"] == "*"
    assert int(unstored.headers["retry-after"]) >= 1


async def test_a_preflight_is_answered_for_any_origin(gateway: Gateway):
    response = await gateway.request("OPTIONS", "/a7/q/px", headers={"origin": "null"})
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "POST"

"""The four cookies: what they are, when they are set, and that they lead back to the same visitor (contract 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.intake.tokens import Tokens, VisitorToken
from gateway.web.cookies import read_cookies
from tests.beacons import PAGE, REFUSAL, Browser, make_beacon, read_set_cookies
from tests.servers import SECRET_KEY, Gateway, make_settings, running_gateway

CLICK = "E.C.P.CjwKCAjw_opaque-0123456789"
LANDED = {**PAGE, "url": f"https://www.acme.com/products/tee?utm_source=tiktok&ttclid={CLICK}"}
SHARED = {"path": "/", "domain": "acme.com", "secure": "", "samesite": "Lax"}
DAYS_400 = "34560000"


async def test_the_first_beacon_sets_all_four_cookies_with_exactly_their_attributes(gateway: Gateway):
    response = await gateway.beacon(make_beacon(page=LANDED, ids={"ttp": "2abcDEF"}))
    assert response.status_code == 204
    assert response.content == b""
    cookies = read_set_cookies(response)
    assert {name: cookie.attributes for name, cookie in cookies.items()} == {
        "_tgv": {"path": "/", "max-age": DAYS_400, "secure": "", "httponly": "", "samesite": "Lax"},
        "_tgc": SHARED | {"max-age": DAYS_400},
        "ttclid": SHARED | {"max-age": "7776000"},
        "_ttp": SHARED | {"max-age": "34128000"},
    }
    assert cookies["ttclid"].value == CLICK
    assert cookies["_ttp"].value == "2abcDEF"


async def test_without_a_click_and_a_ttp_only_the_visitor_and_the_companion_are_set(gateway: Gateway):
    assert set(read_set_cookies(await gateway.beacon(make_beacon()))) == {"_tgv", "_tgc"}


async def test_every_accepted_beacon_issues_the_cookies_again(browser: Browser):
    await browser.beacon(page=LANDED, ids={"ttp": "2abcDEF"})
    first = dict(browser.cookies)
    response = await browser.beacon()
    again = read_set_cookies(response)
    assert {name: cookie.value for name, cookie in again.items()} == first
    assert again["_tgv"].attributes["max-age"] == DAYS_400


async def test_the_visitor_cookie_keeps_the_time_of_its_first_issue(browser: Browser):
    await browser.beacon()
    token = Tokens([SECRET_KEY]).read_visitor("acme", browser.cookies["_tgv"])
    await browser.beacon()
    assert token is not None
    assert token.first_ms == browser.gateway.visitors[0]["first_seen_ms"]
    assert Tokens([SECRET_KEY]).read_visitor("acme", browser.cookies["_tgv"]) == token


async def test_a_ttp_that_only_the_cookie_has_is_kept_and_issued_again(browser: Browser):
    browser.cookies["_ttp"] = "2cookieTTP"
    response = await browser.beacon()
    assert read_set_cookies(response)["_ttp"].value == "2cookieTTP"
    assert browser.gateway.events[0]["body"]["user"]["ttp"] == "2cookieTTP"


async def test_a_click_that_only_the_cookie_has_is_kept(browser: Browser):
    browser.cookies["ttclid"] = CLICK
    assert read_set_cookies(await browser.beacon())["ttclid"].value == CLICK


async def test_the_latest_click_wins(browser: Browser):
    await browser.beacon(page=LANDED)
    await browser.beacon(page={**PAGE, "url": "https://www.acme.com/?ttclid=E.C.P.second"})
    assert browser.cookies["ttclid"] == "E.C.P.second"
    await browser.beacon()
    assert browser.gateway.events[-1]["body"]["user"]["ttclid"] == "E.C.P.second"


async def test_an_old_click_in_a_cookie_does_not_displace_a_newer_one(browser: Browser):
    await browser.beacon(page=LANDED)
    browser.cookies["ttclid"] = "E.C.P.stale"
    await browser.beacon()
    assert browser.cookies["ttclid"] == CLICK


async def test_no_ttp_is_made_up_unless_the_store_says_so(browser: Browser):
    await browser.beacon()
    assert "_ttp" not in browser.cookies


async def test_mint_ttp_makes_one_ttp_and_keeps_it(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, mint_ttp=True)) as gateway:
        browser = Browser(gateway)
        await browser.beacon()
        minted = browser.cookies["_ttp"]
        assert len(minted) == 27
        assert minted.isalnum()
        await browser.beacon()
        assert browser.cookies["_ttp"] == minted
        del browser.cookies["_ttp"]
        await browser.beacon()
        assert browser.cookies["_ttp"] == minted


async def test_a_real_ttp_displaces_a_minted_one(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, mint_ttp=True)) as gateway:
        browser = Browser(gateway)
        await browser.beacon()
        await browser.beacon(ids={"ttp": "2tiktoks0wn"})
        assert browser.cookies["_ttp"] == "2tiktoks0wn"


async def test_withdrawal_clears_every_cookie_where_it_was_set(browser: Browser):
    issued = read_set_cookies(await browser.beacon(page=LANDED, ids={"ttp": "2abcDEF"}))
    response = await browser.beacon(consent=REFUSAL)
    cleared = read_set_cookies(response)
    assert response.headers["x-dropped"] == "consent"
    for name in ("_tgv", "_tgc", "ttclid", "_ttp"):
        assert cleared[name].value == ""
        assert cleared[name].attributes == issued[name].attributes | {"max-age": "0"}
    assert browser.cookies == {}


async def test_a_refusal_before_any_consent_sets_and_clears_nothing(gateway: Gateway):
    response = await gateway.beacon(make_beacon(consent=REFUSAL))
    assert read_set_cookies(response) == {}


@pytest.mark.parametrize(
    "forged",
    [
        {"_tgv": "v.0190000000007000800000000000000a.1.AAAA"},
        {"_tgv": "x"},
        {"_tgv": "." * 60},
        {"_tgv": "v" * 10_000},
        {"_tgc": "c.0190000000007000800000000000000a.AAAA"},
        {"_tgc": "\\"},
    ],
    ids=lambda forged: str(forged)[:30],
)
async def test_a_made_up_cookie_names_nobody(browser: Browser, forged: dict[str, str]):
    await browser.beacon()
    stranger = Browser(browser.gateway, forged)
    response = await stranger.beacon()
    assert response.status_code == 204
    assert stranger.visitor_id != browser.visitor_id


async def test_a_tampered_visitor_cookie_names_nobody(browser: Browser):
    await browser.beacon()
    kind, visitor_id, first_ms, signature = browser.cookies["_tgv"].split(".")
    for tampered in (
        f"{kind}.{visitor_id}.{int(first_ms) - 1}.{signature}",
        f"{kind}.{visitor_id}.{first_ms}.{signature[::-1]}",
        f"c.{visitor_id}.{first_ms}.{signature}",
        f"{kind}.{visitor_id}.{first_ms}",
        f"{browser.cookies['_tgv']}.x",
    ):
        stranger = Browser(browser.gateway, {"_tgv": tampered})
        await stranger.beacon()
        assert stranger.visitor_id != browser.visitor_id


async def test_a_companion_is_no_visitor_cookie_and_a_visitor_cookie_no_companion(browser: Browser):
    await browser.beacon()
    stranger = Browser(browser.gateway, {"_tgv": browser.cookies["_tgc"], "_tgc": browser.cookies["_tgv"]})
    await stranger.beacon()
    assert stranger.visitor_id != browser.visitor_id


async def test_the_cookie_of_another_store_names_nobody(tmp_path: Path):
    other = (
        make_settings(tmp_path)
        .stores[0]
        .model_copy(
            update={
                "id": "bolt",
                "hosts": ("t.bolt.com",),
                "origins": ("https://bolt.com",),
                "cookie_domain": "bolt.com",
            }
        )
    )
    settings = make_settings(tmp_path)
    async with running_gateway(settings.model_copy(update={"stores": (*settings.stores, other)})) as gateway:
        browser = Browser(gateway)
        await browser.beacon()
        there = Browser(gateway, dict(browser.cookies))
        response = await there.beacon(headers={"host": "t.bolt.com", "origin": "https://bolt.com"})
        assert response.status_code == 204
        assert there.visitor_id != browser.visitor_id
        assert read_set_cookies(response)["_tgc"].attributes["domain"] == "bolt.com"
        assert {row["store_id"] for row in gateway.visitors} == {"acme", "bolt"}


@pytest.mark.parametrize("bad", ["a b", 'a"b', "a,b", "x" * 2049, "__CLICKID__"])
async def test_a_click_cookie_that_no_click_id_can_be_is_not_kept(browser: Browser, bad: str):
    browser.cookies["ttclid"] = bad
    response = await browser.beacon()
    assert response.status_code == 204
    assert "ttclid" not in read_set_cookies(response)


@pytest.mark.parametrize("bad", ["a b", 'a"b', "a,b", "x" * 201])
@pytest.mark.parametrize("way", ["cookie", "ids"])
async def test_a_ttp_that_none_can_be_is_not_kept(browser: Browser, bad: str, way: str):
    browser.cookies = {"_ttp": bad} if way == "cookie" else {}
    response = await browser.beacon(ids={"ttp": bad} if way == "ids" else {})
    assert response.status_code == 204
    assert "_ttp" not in read_set_cookies(response)


async def test_a_cookie_signed_by_an_older_key_is_good_and_renewed_with_the_newest(tmp_path: Path):
    old, new = "o" * 32, "n" * 32
    async with running_gateway(make_settings(tmp_path, security={"secret_keys": [old]})) as gateway:
        browser = Browser(gateway)
        await browser.beacon()
        was = browser.visitor_id
    async with running_gateway(make_settings(tmp_path, security={"secret_keys": [new, old]})) as gateway:
        browser.gateway = gateway
        await browser.beacon()
    assert browser.visitor_id == was
    assert Tokens([new]).read_visitor("acme", browser.cookies["_tgv"]) is not None


async def test_a_cookie_signed_by_a_key_that_was_taken_away_names_nobody(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, security={"secret_keys": ["o" * 32]})) as gateway:
        browser = Browser(gateway)
        await browser.beacon()
        was = browser.visitor_id
    async with running_gateway(make_settings(tmp_path, security={"secret_keys": ["n" * 32]})) as gateway:
        browser.gateway = gateway
        await browser.beacon()
    assert browser.visitor_id != was


async def test_a_visitor_whose_row_is_gone_begins_anew(browser: Browser):
    stranger_id = "0190000000007000800000000000000a"
    browser.cookies["_tgv"] = Tokens([SECRET_KEY]).sign_visitor("acme", VisitorToken(stranger_id, 1))
    await browser.beacon()
    assert browser.visitor_id != stranger_id
    assert [row["id"] for row in browser.gateway.visitors] == [browser.visitor_id]


def test_of_a_cookie_sent_twice_the_first_counts():
    assert read_cookies(b"ttclid=a; other=1; ttclid=b; _ttp=c").ttclid == "a"


def test_a_cookie_header_of_rubbish_holds_no_cookie():
    cookies = read_cookies(b"\xff\xfe; =; ;;; _tgv; _tgc=; ttclid\xc3\xa9=x")
    assert (cookies.ttclid, cookies.ttp) == (None, None)
    assert not cookies.visitor
    assert not cookies.companion

"""GET /go: where an ad click lands, and that it can land nowhere else (contract 3)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.web.go import to_target
from tests.beacons import REFUSAL, Browser, read_set_cookies
from tests.servers import ORIGIN, Gateway, make_settings, running_gateway

CLICK = "E.C.P.the-click"


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("to=/products/x", "/products/x"),
        ("to=/products/x&ttclid=E.C.P.x&utm_source=tiktok", "/products/x?ttclid=E.C.P.x&utm_source=tiktok"),
        ("utm_source=tiktok&to=/products/x&ttclid=1", "/products/x?utm_source=tiktok&ttclid=1"),
        ("to=%2Fproducts%2Fx", "/products/x"),
        ("to=/search%3Fq%3Da%26b%3D1&ttclid=1", "/search?q=a&b=1&ttclid=1"),
        ("to=/search?q=red+shirt&ttclid=1", "/search?q=red%20shirt&ttclid=1"),
        ("to=/caf%C3%A9", "/caf%C3%A9"),
        ("to=/x%23reviews&ttclid=1", "/x?ttclid=1#reviews"),
        ("to=/a%2520b", "/a%20b"),
        ("to=/x&campaign=a%20b&name=%C3%A9", "/x?campaign=a%20b&name=%C3%A9"),
        ("to=/x&empty=&flag", "/x?empty=&flag"),
        ("", "/"),
        ("ttclid=1", "/?ttclid=1"),
        ("to=", "/"),
        ("to=products/x", "/"),
    ],
)
def test_the_target_is_the_named_path_with_the_query_kept(query: str, target: str):
    assert to_target(ORIGIN, query) == ORIGIN + target


HOSTILE = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example",
    "https:evil.example", "//evil.example/%2e%2e", "/\t/evil.example", "/\n/evil.example", "\t//evil.example",
    " //evil.example", "/\r\nSet-Cookie: a=b", "javascript:alert(1)", "data:text/html,x", ".evil.example",
    "@evil.example", ":80@evil.example", "/\x00/evil.example", "/" + "x" * 5000, "%2f%2fevil.example",
    "//evil.example\\@www.acme.com",
]  # fmt: skip


@pytest.mark.parametrize("to", HOSTILE)
@pytest.mark.parametrize(
    "encode", [quote, lambda to: quote(to, safe=""), lambda to: quote(quote(to, safe=""), safe="")]
)
def test_a_hostile_target_stays_on_the_store(to: str, encode):
    parts = urlsplit(to_target(ORIGIN, "to=" + encode(to)))
    assert (parts.scheme, parts.netloc) == ("https", "www.acme.com")
    assert not parts.path.startswith("//")
    assert "\\" not in parts.path


@given(st.text())
@example("to=//evil.example&to=/x")
@example("%74o=//evil.example")
def test_whatever_the_query_the_target_is_ascii_on_the_store(query: str):
    target = to_target(ORIGIN, query)
    assert target.startswith(ORIGIN + "/")
    assert target.isascii()
    assert all(" " < character < "\x7f" for character in target)


@pytest.mark.parametrize("to", HOSTILE)
async def test_a_browser_following_a_hostile_link_arrives_at_the_store(gateway: Gateway, to: str):
    response = await gateway.go("to=" + quote(to, safe=""))
    assert response.status_code == 302
    assert response.headers["location"].startswith(ORIGIN + "/")
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("mode", ["shopify", "required"])
async def test_before_consent_is_known_nothing_is_set_or_stored_and_the_click_travels_on(tmp_path: Path, mode: str):
    async with running_gateway(make_settings(tmp_path, consent=mode)) as gateway:
        response = await gateway.go(f"to=/x&ttclid={CLICK}")
        assert response.status_code == 302
        assert response.headers["location"] == f"{ORIGIN}/x?ttclid={CLICK}"
        assert response.headers["cache-control"] == "no-store"
        assert read_set_cookies(response) == {}
        assert gateway.visitors == gateway.rows("SELECT * FROM links") == []


@pytest.mark.parametrize("choices", [{"consent": "granted"}, {"consent": "required", "go_without_consent": True}])
async def test_where_consent_needs_no_word_the_click_is_stored_and_all_cookies_set(tmp_path: Path, choices):
    async with running_gateway(make_settings(tmp_path, **choices)) as gateway:
        browser = Browser(gateway, {"_ttp": "2theirTTP"})
        cookies = read_set_cookies(await browser.go(f"to=/x&ttclid={CLICK}"))
        [visitor] = gateway.visitors
        assert (visitor["ttclid"], visitor["ttp"]) == (CLICK, "2theirTTP")
        assert cookies["_tgv"].attributes == {
            "path": "/", "max-age": "34560000", "httponly": "", "secure": "", "samesite": "Lax"
        }  # fmt: skip
        assert cookies["_tgc"].attributes["domain"] == "acme.com"
        assert cookies["ttclid"].value == CLICK
        assert cookies["_ttp"].value == "2theirTTP"
        await browser.beacon()
        assert gateway.events[0]["visitor_id"] == visitor["id"]
        assert gateway.events[0]["body"]["user"]["ttclid"] == CLICK


async def test_a_visitor_whose_consent_is_known_has_the_click_stored_and_the_cookies_renewed(browser: Browser):
    await browser.beacon()
    cookies = read_set_cookies(await browser.go(f"to=/x&ttclid={CLICK}"))
    assert set(cookies) == {"_tgv", "_tgc", "ttclid"}
    assert cookies["_tgv"].value == browser.cookies["_tgv"]
    assert [visitor["ttclid"] for visitor in browser.gateway.visitors] == [CLICK]


async def test_the_newest_click_displaces_the_one_before(browser: Browser):
    await browser.beacon()
    await browser.go("to=/&ttclid=E.C.P.one")
    await browser.go("to=/&ttclid=E.C.P.two")
    assert browser.cookies["ttclid"] == "E.C.P.two"
    assert browser.gateway.visitors[0]["ttclid"] == "E.C.P.two"


@pytest.mark.parametrize("choices", [{"consent": "granted"}, {"consent": "required", "go_without_consent": True}])
async def test_a_visitor_who_refused_is_sent_on_without_a_trace(tmp_path: Path, choices):
    async with running_gateway(make_settings(tmp_path, **choices)) as gateway:
        browser = Browser(gateway)
        await browser.beacon()
        kept = dict(browser.cookies)
        await browser.beacon(consent=REFUSAL)
        browser.cookies = kept
        response = await browser.go(f"to=/x&ttclid={CLICK}")
        assert response.headers["location"] == f"{ORIGIN}/x?ttclid={CLICK}"
        assert read_set_cookies(response) == {}
        assert gateway.visitors[0]["ttclid"] is None


@pytest.mark.parametrize(
    ("query", "click"),
    [
        ("tc=E.C.P.second", "E.C.P.second"),
        ("tc=E.C.P.second&ttclid=E.C.P.first", "E.C.P.first"),
        ("ttclid=__CLICKID__&tc=E.C.P.second", "E.C.P.second"),
        ("ttclid=a%2Bb", "a+b"),
        ("ttclid=a+b", "a+b"),
        ("ttclid=" + "x" * 2048, "x" * 2048),
        ("ttclid=__CLICKID__", None),
        ("ttclid=", None),
        ("ttclid=a%3Bb", None),
        ("ttclid=a%0D%0Ab", None),
        ("ttclid=" + "x" * 2049, None),
        ("TTCLID=E.C.P.x", None),
    ],
)
async def test_which_click_id_is_stored(browser: Browser, query: str, click: str | None):
    await browser.beacon()
    response = await browser.go(query)
    assert response.status_code == 302
    assert browser.gateway.visitors[0]["ttclid"] == click


async def test_a_crawler_is_sent_on_and_leaves_nothing(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        bot = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
        response = await gateway.go("to=/x", headers=bot)
        assert response.status_code == 302
        assert read_set_cookies(response) == {}
        assert gateway.visitors == []


async def test_a_store_that_cannot_write_never_holds_a_shopper_up(browser: Browser, monkeypatch):
    await browser.beacon()

    async def refuse(*_: object) -> None:
        raise StoreUnavailable("no space left")

    monkeypatch.setattr(Store, "record", refuse)
    response = await browser.go(f"to=/x&ttclid={CLICK}")
    assert response.status_code == 302
    assert response.headers["location"] == f"{ORIGIN}/x?ttclid={CLICK}"
    assert read_set_cookies(response) == {}


async def test_a_store_that_does_not_answer_holds_a_shopper_up_no_longer_than_its_patience(
    browser: Browser, monkeypatch
):
    await browser.beacon()

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Store, "record", hang)
    monkeypatch.setattr("gateway.web.go._PATIENCE_S", 0.01)
    assert (await browser.go("to=/x")).status_code == 302


async def test_over_the_rate_limit_shoppers_are_sent_on_and_nothing_is_stored(tmp_path: Path):
    settings = make_settings(tmp_path, consent="granted", server={"rate_limit": "1/minute"})
    async with running_gateway(settings) as gateway:
        answers = [await gateway.go("to=/x") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [302, 302, 302]
        assert len(gateway.visitors) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_go_is_only_for_navigating(gateway: Gateway, method: str):
    assert (await gateway.request(method, "/go?to=/x")).status_code == 405

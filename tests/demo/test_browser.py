"""The scripted browser keeps cookies as browsers do, and its scripts read from a page what the real ones read."""

from __future__ import annotations

import json

import httpx
import pytest

from gateway.demo.browser import Browser, Cookie, Page
from gateway.demo.page_scripts import PageScripts
from gateway.demo.script import ADA, BEN
from gateway.demo.shopper import Shopper
from gateway.demo.site import Site

SITE = Site(8000, "C0DEMOPIXEL000000000")


class Web:
    """Answers every request with the next list of cookies, and remembers what was asked."""

    def __init__(self, *cookies: list[str]) -> None:
        self.asked: list[httpx.Request] = []
        self._cookies = list(cookies)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        cookies = self._cookies.pop(0) if self._cookies else []
        return httpx.Response(204, headers=[("set-cookie", cookie) for cookie in cookies])

    def open(self, persona=ADA) -> Browser:
        return Browser(httpx.AsyncClient(transport=httpx.MockTransport(self)), persona)


async def test_cookies_go_where_they_belong_and_leave_when_told():
    web = Web(
        ["_tgv=v1; Max-Age=60; Path=/; HttpOnly; Secure", "_tgc=c1; Max-Age=60; Path=/; Domain=acme.localhost; Secure"],
        [],
        ["_tgv=; Max-Age=0; Path=/; HttpOnly; Secure"],
    )
    browser = web.open()
    for url in (SITE.gateway_url, SITE.store_url, SITE.gateway_url, SITE.gateway_url):
        await browser.request("GET", url + "/")

    assert [request.headers.get("cookie") for request in web.asked] == [None, "_tgc=c1", "_tgv=v1; _tgc=c1", "_tgc=c1"]
    assert {request.url.host for request in web.asked} == {"127.0.0.1"}
    assert web.asked[0].headers["host"] == "t.acme.localhost:8000"


@pytest.mark.parametrize(
    ("cookies", "page", "ids"),
    [
        ({}, Page("http://w/?ttclid=A%2BB"), {"ttclid": "A+B"}),
        ({"ttclid": "old"}, Page("http://w/cart", "http://w/?ttclid=new"), {"ttclid": "new"}),
        ({"_tgc": "c1", "_ttp": "t1"}, Page("http://w/"), {"companion": "c1", "ttp": "t1"}),
    ],
)
def test_ids_are_those_the_snippet_would_find(cookies: dict[str, str], page: Page, ids: dict[str, str]):
    browser = Web().open()
    browser.cookies = {name: Cookie(value, "acme.localhost", False) for name, value in cookies.items()}
    browser.page = page
    found = PageScripts(browser, SITE).find_ids()

    assert ("first" in found) is ("companion" not in ids)
    assert {name: value for name, value in found.items() if name != "first"} == ids


async def test_the_sandbox_sends_no_cookies_and_no_address_that_opens_the_checkout():
    web = Web(["_tgv=evil; Path=/"])
    browser = web.open()
    browser.cookies = {"_tgc": Cookie("c1", "acme.localhost", False), "_tgv": Cookie("v1", "t.acme.localhost", True)}
    browser.page = Page(f"{SITE.store_url}/checkouts/cn/0123456789abcdef0123456789abcdef")
    checkout = {
        "token": "0123456789abcdef0123456789abcdef",
        "order": {"id": None, "customer": None},
        "email": None,
        "lineItems": [],
        "totalPrice": {"amount": 18.0},
    }
    event_id = await PageScripts(browser, SITE).tell_checkout("checkout_started", checkout)
    said = json.loads(web.asked[0].content)

    assert event_id == "checkout_0123456789abcdef0123456789abcdef_InitiateCheckout"
    assert "cookie" not in web.asked[0].headers
    assert web.asked[0].headers["origin"] == "null"
    assert said["page"]["url"] == f"{SITE.store_url}/checkouts/cn"
    assert said["ids"]["companion"] == "c1"
    assert browser.cookies["_tgv"].value == "v1"


async def test_an_ad_blocker_stops_the_custom_pixel():
    web = Web()
    browser = web.open(BEN)
    browser.cookies = {"_tgc": Cookie("c1", "acme.localhost", False)}
    await PageScripts(browser, SITE).link_client()

    assert not web.asked


def test_a_shoppers_traces_are_the_gateways_cookies():
    async def pause() -> None:
        return

    browser = Web().open()
    shopper = Shopper(browser, PageScripts(browser, SITE), lambda _who, _what: None, pause)
    browser.cookies = {"cart": Cookie("x", "www.acme.localhost", True), "_tgv": Cookie("v1", "t.acme.localhost", True)}

    assert shopper.traces == ["_tgv"]

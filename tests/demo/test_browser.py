"""The scripted browser keeps cookies as browsers do, and reads from a page what the snippet reads."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from gateway.demo.browser import Browser, Cookie, Page
from gateway.demo.script import ADA
from gateway.demo.shopper import Shopper
from gateway.demo.site import Site

SITE = Site(8000, "C0DEMOPIXEL000000000")


@pytest.fixture
def answers() -> list[tuple[httpx.Request, httpx.Response]]:
    """What was asked, and what is to be answered, in order."""
    return []


@pytest.fixture
def browser(answers: list[tuple[httpx.Request, httpx.Response]]) -> Browser:
    def answer(request: httpx.Request) -> httpx.Response:
        cookies = [("set-cookie", value) for value in SET_COOKIES.pop(0)] if SET_COOKIES else []
        response = httpx.Response(204, headers=cookies)
        answers.append((request, response))
        return response

    return Browser(httpx.AsyncClient(transport=httpx.MockTransport(answer)), SITE, ADA)


SET_COOKIES: list[list[str]] = []


async def test_cookies_go_where_they_belong_and_leave_when_told(browser: Browser, answers: list):
    SET_COOKIES.extend(
        [
            [
                "_tgv=v1; Max-Age=60; Path=/; HttpOnly; Secure",
                "_tgc=c1; Max-Age=60; Path=/; Domain=acme.localhost; Secure",
            ],
            [],
            ["_tgv=; Max-Age=0; Path=/; HttpOnly; Secure"],
            [],
        ]
    )
    for url in (SITE.gateway_url, SITE.store_url, SITE.gateway_url, SITE.gateway_url):
        await browser.request("GET", url + "/")

    assert [request.headers.get("cookie") for request, _ in answers] == [None, "_tgc=c1", "_tgv=v1; _tgc=c1", "_tgc=c1"]
    assert {request.url.host for request, _ in answers} == {"127.0.0.1"}
    assert answers[0][0].headers["host"] == "t.acme.localhost:8000"


@pytest.mark.parametrize(
    ("cookies", "page", "ids"),
    [
        ({}, Page("http://w/?ttclid=A%2BB", "", "", []), {"ttclid": "A+B"}),
        ({"ttclid": "old"}, Page("http://w/cart", "http://w/?ttclid=new", "", []), {"ttclid": "new"}),
        ({"_tgc": "c1", "_ttp": "t1"}, Page("http://w/", "", "", []), {"companion": "c1", "ttp": "t1"}),
    ],
)
def test_ids_are_those_the_snippet_would_find(browser: Browser, cookies: dict, page: Page, ids: dict):
    browser.cookies = {name: Cookie(value, "acme.localhost", False) for name, value in cookies.items()}
    browser.page = page
    found = browser._ids()

    assert ("first" in found) is ("companion" not in ids)
    assert {name: value for name, value in found.items() if name != "first"} == ids


def test_a_shoppers_traces_are_the_gateways_cookies(browser: Browser, tmp_path: Path):
    async def pause() -> None:
        return

    shopper = Shopper(browser, lambda _who, _what: None, pause)
    browser.cookies = {"cart": Cookie("x", "www.acme.localhost", True), "_tgv": Cookie("v1", "t.acme.localhost", True)}

    assert shopper.traces == ["_tgv"]

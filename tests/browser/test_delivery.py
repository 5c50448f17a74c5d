"""How events travel: together, in time, and in the end always; sent twice at most under the same id."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.web.answers import Answer
from tests.browser.shop import Shop

OUTBOX = "JSON.parse(localStorage.getItem('_tgq') || '[]')"


async def test_what_happens_together_travels_in_one_beacon(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate("for (const name of ['ViewContent', 'AddToCart', 'Search']) tg('track', name)")
    await shop.until_named("Search")
    assert [[event["event"] for event in beacon.body["events"]] for beacon in shop.beacons] in (
        [["Pageview", "ViewContent", "AddToCart", "Search"]],
        [["Pageview"], ["ViewContent", "AddToCart", "Search"]],  # on a machine that took long to evaluate
    )
    (beacon, *_) = shop.beacons
    assert not beacon.is_from_send_beacon
    assert beacon.headers["content-type"].startswith("text/plain")


async def test_no_beacon_needs_a_preflight(page: Page, shop: Shop) -> None:
    methods: list[str] = []
    page.on("request", lambda request: methods.append(request.method))
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    assert "OPTIONS" not in methods


async def test_many_events_are_split_so_that_each_beacon_stays_small(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate("for (let n = 0; n < 60; n++) tg('track', 'Small')")
    await page.evaluate("for (let n = 0; n < 9; n++) tg('track', 'Large', {description: 'x'.repeat(2000)})")
    await shop.until(lambda: len(shop.named("Small")) == 60 and len(shop.named("Large")) == 9)
    assert max(len(beacon.body["events"]) for beacon in shop.beacons) <= 50
    assert max(int(beacon.headers["content-length"]) for beacon in shop.beacons) < 16_384
    assert len({event["event_id"] for event in shop.events}) == 70


async def test_a_page_that_ends_sends_what_is_pending(page: Page, shop: Shop) -> None:
    shop.put("/plain", head="")
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate("tg('track', 'AddToCart'); location.href = '/plain'")
    await page.wait_for_url("**/plain")
    await page.evaluate(f"fetch('http://t.shop.localhost:{shop.port}/a7/w.js', {{mode: 'no-cors', cache: 'no-store'}})")
    assert len(shop.named("AddToCart")) == 1
    assert shop.beacons[-1].is_from_send_beacon


async def test_a_hidden_page_sends_what_is_pending(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate(
        """() => {
            Object.defineProperty(document, 'visibilityState', {value: 'hidden'});
            window.setTimeout = () => 0;
            tg('track', 'AddToCart');
            document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    await shop.until_named("AddToCart")
    assert not shop.beacons[-1].is_from_send_beacon


@pytest.mark.parametrize("mood", [503, 429])
async def test_what_the_gateway_could_not_take_is_sent_again_under_the_same_id(
    page: Page, shop: Shop, mood: int
) -> None:
    shop.mood = Answer(mood, [(b"retry-after", b"1")])
    async with page.expect_response(lambda response: response.status == mood):
        await page.goto(shop.url("/"))
    ((waiting,),) = [beacon["events"] for beacon in await page.evaluate(OUTBOX)]
    shop.mood = None
    (view,) = await shop.until_named("Pageview")
    assert view == {**waiting, "page": view["page"]}
    assert shop.beacons[0].body["sent_at"] - view["at"] >= 1000
    await page.wait_for_function(f"!{OUTBOX}.length")


async def test_a_gateway_that_asks_for_time_is_given_it(page: Page, shop: Shop) -> None:
    shop.mood = Answer(429, [(b"retry-after", b"60")])
    async with page.expect_response(lambda response: response.status == 429):
        await page.goto(shop.url("/"))
    shop.mood = None
    await page.evaluate("tg('track', 'Later')")
    await page.wait_for_function(f"{OUTBOX}.length === 2")
    assert shop.beacons == []
    await page.evaluate("dispatchEvent(new Event('online'))")
    await shop.until_named("Later")


async def test_what_the_gateway_refuses_for_good_is_given_up(page: Page, shop: Shop) -> None:
    shop.mood = Answer(400, [])
    async with page.expect_response(lambda response: response.status == 400):
        await page.goto(shop.url("/"))
    await page.wait_for_function(f"!{OUTBOX}.length")


async def test_an_event_survives_an_offline_moment(visitor: BrowserContext, page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.wait_for_function(f"!{OUTBOX}.length")
    await visitor.set_offline(True)
    await page.evaluate("tg('track', 'AddToCart')")
    await page.wait_for_function(f"{OUTBOX}.length")
    await visitor.set_offline(False)
    await shop.until_named("AddToCart")
    await page.wait_for_function(f"!{OUTBOX}.length")


async def test_an_event_survives_its_page_and_keeps_its_page(page: Page, shop: Shop) -> None:
    shop.mood = Answer(503, [])
    async with page.expect_response(lambda response: response.status == 503):
        await page.goto(shop.url("/first?ttclid=click"))
    await page.evaluate("tg('identify', {email: 'a@shop.test'}); tg('track', 'AddToCart'); location.href = '/second'")
    await page.wait_for_url("**/second")
    shop.mood = None
    (added,) = await shop.until_named("AddToCart")
    await shop.until_named("Pageview", 2)
    assert added["page"]["url"] == shop.url("/first?ttclid=click")
    assert len({event["event_id"] for event in shop.events}) == len(shop.events) == 3
    assert len({beacon.body["ids"].get("first") for beacon in shop.beacons} - {None}) == 1


async def test_a_beacon_sent_as_its_page_ended_is_struck_out_by_the_next_page(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/first"))
    await shop.until_named("Pageview")
    await page.evaluate("tg('track', 'AddToCart'); location.href = '/second'")
    once, again = await shop.until_named("AddToCart", 2)
    assert once == again
    await page.wait_for_function(f"!{OUTBOX}.length")


async def test_a_browser_that_leaves_early_keeps_its_first_name(page: Page, shop: Shop) -> None:
    shop.sets_cookies = False
    await page.goto(shop.url("/first"))
    await page.wait_for_function("tg.on")
    await page.evaluate("tg('track', 'AddToCart'); location.href = '/second'")
    await page.wait_for_url("**/second")
    await shop.until(
        lambda: {event["page"]["url"] for event in shop.events} == {shop.url("/first"), shop.url("/second")}
    )
    assert len({beacon.body["ids"]["first"] for beacon in shop.beacons}) == 1


async def test_an_event_too_large_for_the_gateway_does_not_hold_up_the_next(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await page.evaluate(
        """() => {
            const wide = 'ü'.repeat(255);
            tg('track', 'Large', {contents: Array(100).fill({content_name: wide, brand: wide})});
            dispatchEvent(new Event('pagehide'));
            tg('track', 'Next');
        }"""
    )
    await shop.until_named("Next")
    await page.wait_for_function(f"!{OUTBOX}.length")
    assert shop.named("Large") == []


async def test_what_waits_holds_no_raw_personal_data(page: Page, shop: Shop) -> None:
    shop.mood = Answer(503, [])
    await page.goto(shop.url("/"))
    await page.evaluate("tg('identify', {email: 'a@shop.test', phone: '+15550100'}); tg('track', 'Lead')")
    await page.wait_for_function(f"{OUTBOX}.some((beacon) => beacon.events.some((event) => event.event === 'Lead'))")
    stored = await page.evaluate("JSON.stringify(localStorage)")
    assert "a@shop.test" not in stored
    assert "15550100" not in stored


async def test_the_outbox_is_bounded_and_gives_up_the_oldest(page: Page, shop: Shop) -> None:
    shop.mood = Answer(503, [(b"retry-after", b"600")])
    await page.goto(shop.url("/"))
    for number in range(25):
        await page.evaluate(f"history.pushState({{}}, '', '/{number}'); dispatchEvent(new Event('pagehide'))")
    outbox: list[dict[str, Any]] = await page.evaluate(OUTBOX)
    assert [beacon["page"]["url"] for beacon in outbox] == [shop.url(f"/{number}") for number in range(5, 25)]
    await page.evaluate("for (let n = 0; n < 100; n++) tg('track', 'Large', {description: 'x'.repeat(2000)})")
    await page.evaluate("dispatchEvent(new Event('pagehide'))")
    assert await page.evaluate("localStorage.getItem('_tgq').length") <= 65_536


async def test_what_is_older_than_a_day_is_given_up(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate(
        """() => localStorage.setItem('_tgq', JSON.stringify([25, 23].map((hours) => ({
            page: {url: location.href},
            events: [{event: 'Waited' + hours, event_id: 'e' + hours, at: Date.now() - hours * 36e5}]
        }))))"""
    )
    await page.goto(shop.url("/next"))
    await shop.until_named("Waited23")
    await shop.until_named("Pageview", 2)
    assert shop.named("Waited25") == []


async def test_an_identity_without_an_event_is_told(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    await shop.until_named("Pageview")
    await page.evaluate("tg('identify', {email: 'a@shop.test'})")
    await shop.until(lambda: len(shop.beacons) == 2)
    assert (shop.beacons[1].body["user"], shop.beacons[1].body["events"]) == ({"email": "a@shop.test"}, [])

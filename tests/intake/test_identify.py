"""Ways back to a visitor: each alone restores the cookies, or must not (architecture, Identity; contract 4.6)."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from tests.beacons import PAGE, Browser, make_beacon, make_event, read_set_cookies
from tests.servers import Gateway, make_settings, running_gateway

CLICK = "E.C.P.the-click"
LANDED = {**PAGE, "url": f"https://www.acme.com/?ttclid={CLICK}"}
ANCHORS = {
    "cart": "hWN1CqFIlZ8Yzg1Yb0zG1vQ2",
    "checkout": "0f3c1f2d9e8b7a6c5d4e3f2a1b0c9d8e",
    "client": "5a0f0c3e-8a55-4c7c-b8f2-1e9c4bfa0d11",
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_folder(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


@pytest.mark.parametrize("kind", ANCHORS)
async def test_an_unguessable_anchor_gives_a_browser_without_cookies_its_visitor_back(browser: Browser, kind: str):
    await browser.beacon(page=LANDED, ids={kind: ANCHORS[kind]})
    cleared = Browser(browser.gateway)
    response = await cleared.beacon(ids={kind: ANCHORS[kind]})
    assert cleared.visitor_id == browser.visitor_id
    assert read_set_cookies(response)["ttclid"].value == CLICK
    assert len(browser.gateway.visitors) == 1


async def test_a_companion_in_the_body_gives_the_visitor_back(browser: Browser):
    await browser.beacon(page=LANDED)
    cleared = Browser(browser.gateway)
    await cleared.beacon(ids={"companion": browser.cookies["_tgc"]})
    assert cleared.visitor_id == browser.visitor_id
    assert cleared.cookies["ttclid"] == CLICK


async def test_the_companion_cookie_alone_gives_the_visitor_back(browser: Browser):
    await browser.beacon()
    cleared = Browser(browser.gateway, {"_tgc": browser.cookies["_tgc"]})
    await cleared.beacon()
    assert cleared.visitor_id == browser.visitor_id


async def test_a_stale_companion_in_the_body_does_not_hide_the_one_in_the_cookie(browser: Browser):
    await browser.beacon()
    cleared = Browser(browser.gateway, {"_tgc": browser.cookies["_tgc"]})
    await cleared.beacon(ids={"companion": "c.0190000000007000800000000000000a.of-a-lost-key"})
    assert cleared.visitor_id == browser.visitor_id


async def test_the_cart_is_known_with_and_without_its_key(browser: Browser):
    await browser.beacon(ids={"cart": ANCHORS["cart"] + "?key=b0d1"})
    cleared = Browser(browser.gateway)
    await cleared.beacon(ids={"cart": ANCHORS["cart"]})
    assert cleared.visitor_id == browser.visitor_id


async def test_the_visitor_cookie_outranks_an_anchor_of_somebody_else(browser: Browser):
    await browser.beacon(ids={"cart": ANCHORS["cart"]})
    other = Browser(browser.gateway)
    await other.beacon()
    was = other.visitor_id
    await other.beacon(ids={"cart": ANCHORS["cart"]})
    assert other.visitor_id == was


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"ids": {"customer": "7001"}}, {"ids": {"customer": "7001"}}),
        ({"user": {"email": "ada@example.com"}}, {"user": {"email": " ADA@example.com "}}),
        ({"user": {"phone": "+493012345678"}}, {"user": {"phone": "+49 30 12345678"}}),
    ],
    ids=["customer", "email", "phone"],
)
async def test_a_guessable_anchor_tells_the_browser_nothing_and_tells_tiktok_the_click(browser: Browser, known, said):
    await browser.beacon(page=LANDED, **known)
    guesser = Browser(browser.gateway)
    response = await guesser.beacon(**said)
    assert guesser.visitor_id != browser.visitor_id
    assert set(read_set_cookies(response)) == {"_tgv", "_tgc"}
    assert CLICK not in str(response.headers)
    event = browser.gateway.events[-1]
    assert event["visitor_id"] == guesser.visitor_id
    assert event["body"]["user"]["ttclid"] == CLICK


async def test_the_pixel_answer_to_a_guessable_anchor_tells_nothing(browser: Browser):
    await browser.beacon(page=LANDED, user={"email": "ada@example.com"})
    answer = (await browser.gateway.px(make_beacon(user={"email": "ada@example.com"}))).json()
    assert answer["ttclid"] is None
    assert browser.visitor_id not in answer["visitor"]


async def test_two_first_beacons_in_flight_with_the_same_first_id_become_one_visitor(gateway: Gateway):
    pages = [Browser(gateway), Browser(gateway), Browser(gateway)]
    await asyncio.gather(*(page.beacon(ids={"first": "b2f0e1c4-one-page-load"}) for page in pages))
    assert len({page.visitor_id for page in pages}) == 1
    assert len(gateway.visitors) == 1
    assert {event["visitor_id"] for event in gateway.events} == {pages[0].visitor_id}


async def test_first_beacons_with_different_first_ids_are_different_visitors(gateway: Gateway):
    one, two = Browser(gateway), Browser(gateway)
    await asyncio.gather(one.beacon(ids={"first": "a" * 32}), two.beacon(ids={"first": "b" * 32}))
    assert one.visitor_id != two.visitor_id


async def test_anchors_are_stored_as_keyed_digests_only(browser: Browser):
    ids = ANCHORS | {"customer": "7001", "first": "f" * 32}
    await browser.beacon(ids=ids, user={"email": "ada@example.com"})
    links = browser.gateway.rows("SELECT * FROM links")
    assert {link["kind"] for link in links} == {"cart", "checkout", "client", "customer", "first", "email"}
    plain = {*ids.values(), *map(sha256, ids.values()), sha256("ada@example.com")}
    assert plain.isdisjoint(link["digest"] for link in links)


async def test_email_and_phone_are_stored_as_digests_only(tmp_path: Path):
    user = {"email": "Ada@Example.com", "phone": "+49 30 12345678", "external_id": "crm-77"}
    async with running_gateway(make_settings(tmp_path)) as gateway:
        await gateway.beacon(make_beacon(user=user))
        stored = gateway.events[0]["body"]["user"]
    assert stored["email"] == [sha256("ada@example.com")]
    assert stored["phone"] == [sha256("+493012345678")]
    assert stored["external_id"] == [sha256("crm-77")]
    on_disk = read_folder(tmp_path)
    for raw in (b"ada@example", b"3012345678", b"crm-77"):
        assert raw not in on_disk.lower()


async def test_what_a_visitor_said_once_goes_along_with_their_later_events(browser: Browser):
    await browser.beacon(page=LANDED, user={"email": "ada@example.com"}, ids={"ttp": "2theirTTP"})
    await browser.beacon(make_event("AddToCart"))
    user = browser.gateway.events[-1]["body"]["user"]
    assert user["email"] == [sha256("ada@example.com")]
    assert (user["ttclid"], user["ttp"]) == (CLICK, "2theirTTP")


async def test_another_person_on_the_same_device_is_not_mixed_with_the_first(browser: Browser):
    await browser.beacon(user={"email": "ada@example.com", "phone": "+493012345678"})
    await browser.beacon(user={"email": "bob@example.com"})
    user = browser.gateway.events[-1]["body"]["user"]
    assert user["email"] == [sha256("bob@example.com")]
    assert "phone" not in user


async def test_the_customer_id_stands_in_for_a_missing_external_id(browser: Browser):
    await browser.beacon(ids={"customer": "7001"})
    assert browser.gateway.events[0]["body"]["user"]["external_id"] == [sha256("7001")]


async def test_a_visitor_nobody_knows_has_an_external_id_all_the_same(browser: Browser):
    await browser.beacon()
    assert browser.gateway.events[0]["body"]["user"]["external_id"] == [sha256(browser.visitor_id)]


async def test_a_beacon_retried_days_late_does_not_make_its_click_the_newest(browser: Browser):
    await browser.beacon(page={**PAGE, "url": "https://www.acme.com/?ttclid=E.C.P.newer"})
    late = make_event(at=1_700_000_000_000)
    await browser.beacon(late, page=LANDED, sent_at=1_700_000_000_000 + 3 * 86_400_000)
    assert browser.cookies["ttclid"] == "E.C.P.newer"


async def test_an_absurd_time_leaves_no_click_before_the_epoch(browser: Browser):
    await browser.beacon(make_event(at=-(2**53)), page=LANDED, sent_at=2**53)
    assert browser.gateway.visitors[0]["click_ms"] == 0

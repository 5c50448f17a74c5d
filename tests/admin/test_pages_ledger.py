"""The ledger finds what is looked for and gives nobody away; what TikTok refused is sent once more by a button."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.demo.fake_tiktok.moods import Mood
from tests.admin.desk import Reader
from tests.admin.figures import read_words, running_figures
from tests.admin.seeded import EMAIL, HOSTILE, running_seeded
from tests.beacons import make_beacon, make_event


async def look_for(reader: Reader, text: str) -> str:
    answer = await reader.post("/admin/ledger", {"q": text})
    assert answer.status_code == 200
    assert str(answer.url).endswith("/admin/ledger")
    return answer.text


async def test_an_order_is_found_by_its_number_with_its_purchase_and_its_buyer(tmp_path: Path):
    async with running_figures(tmp_path) as reader:
        (order,) = reader.gateway.rows("SELECT * FROM orders WHERE fate = 'accepted' ORDER BY placed_ms LIMIT 1")
        for text in (order["name"], order["name"].removeprefix("#"), order["id"], f"purchase_{order['id']}"):
            words = read_words(await look_for(reader, text))
            assert f"Order {order['name']}" in words
            assert f"purchase_{order['id']}" in words
            assert "TikTok accepted it." in words
            assert order["visitor_id"] in words


async def test_a_person_is_found_by_email_and_neither_page_nor_address_has_it(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        page = await look_for(reader, f"  {EMAIL.upper()} ")
        assert "0 orders, 4 events, 4 visitors" in read_words(page)
        assert EMAIL not in page.lower()
        assert "kim" not in page.lower()


@pytest.mark.parametrize("text", ["nonsense", "x" * 10_000, HOSTILE, "a\x00b", "nobody@example.org"])
async def test_what_is_not_known_is_told_and_not_repeated(reader: Reader, text: str):
    page = await look_for(reader, text)
    assert "Nothing found" in page
    assert text not in page


@pytest.mark.parametrize("text", ["", "   "])
async def test_nothing_is_looked_for_without_a_word(reader: Reader, text: str):
    page = await look_for(reader, text)
    assert "Nothing found" not in page
    assert 'name="q"' in page


async def test_texts_of_the_web_are_only_texts(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        page = await look_for(reader, HOSTILE)
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "<img" not in page
        assert "contents of" in page


async def test_times_are_told_in_the_readers_zone(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        headers = {"cookie": f"tag_gateway_session={reader.cookie}; zone=Asia%2FKolkata"}
        page = (await reader.post("/admin/ledger", {"q": EMAIL}, headers)).text
        assert " IST: the store&#39;s page told it" in page
        assert " UTC:" not in page


async def test_a_refused_event_is_sent_once_more_by_the_button(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, tiktok):
        await reader.sign_in()
        tiktok.moods.add(Mood(code=40002, message="mended soon"))
        await reader.gateway.beacon(make_beacon(make_event("Lead", event_id="lead-1")))
        await reader.gateway.drained()
        page = await look_for(reader, "lead-1")
        assert page.count("Send once more") == 1
        (event,) = reader.gateway.rows("SELECT id FROM events WHERE event_id = 'lead-1'")
        answer = await reader.post("/admin/ledger", {"q": event["id"], "replay": event["id"]})
        assert "1 on the way again." in answer.text
        await reader.gateway.drained()
        page = await look_for(reader, "lead-1")
        assert "Send once more" not in page
        assert "TikTok accepted it." in page


async def test_what_tiktok_accepted_is_not_sent_again_whatever_is_posted(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        (event,) = reader.gateway.rows("SELECT id FROM events WHERE event = 'Purchase'")
        answer = await reader.post("/admin/ledger", {"q": event["id"], "replay": event["id"]})
        assert "only rejected and expired events are replayed" in answer.text
        assert not reader.gateway.outbox


async def test_another_sites_form_replays_nothing(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        (event,) = reader.gateway.rows("SELECT id FROM events WHERE fate = 'rejected'")
        answer = await reader.post("/admin/ledger", {"replay": event["id"]}, {"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
        assert not reader.gateway.outbox

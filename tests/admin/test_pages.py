"""What pages show: everything escaped, nobody's data, and a designed answer where there is nothing or trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.admin import streams
from gateway.admin.pages import PAGES
from gateway.demo.fake_tiktok.moods import Mood
from gateway.errors import StoreUnavailable
from gateway.store import Store
from tests.admin.desk import Reader, running_dashboard
from tests.admin.seeded import HOSTILE, PERSONAL, running_seeded
from tests.beacons import make_beacon, make_event
from tests.servers import SECRET_KEY, make_tree

NAMES = [page.name for page in PAGES]


@pytest.mark.parametrize("name", NAMES)
async def test_a_page_without_anything_to_show_says_so(reader: Reader, name: str):
    page = await reader.get(f"/admin/{name}")
    assert page.status_code == 200
    assert 'aria-current="page"' in page.text


async def test_pages_escape_what_the_web_says_and_show_nobodys_data(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        told = {name: (await reader.get(f"/admin/{name}")).text for name in NAMES}
        assert "&lt;img src=x onerror=alert(1)&gt;" in told["live"]
        assert "&lt;img src=x onerror=alert(1)&gt;" in told["failures"]
        for text in told.values():
            assert "<img" not in text
            assert HOSTILE not in text
            assert not [word for word in (*PERSONAL, SECRET_KEY, "token-of-a-test") if word in text]


async def test_the_installation_ticks_what_has_been_seen_to_work(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        ticks = (await reader.get("/admin/install/ticks")).text
        assert ticks.count('class="done"') == 3
        assert ticks.count('class="open"') == 1
        assert ticks.index("The custom pixel reports") < ticks.index('class="open"') < ticks.index("webhooks arrive")


async def test_the_installation_shows_what_to_paste(reader: Reader):
    text = (await reader.get("/admin/install")).text
    assert "t.acme.com" in text
    assert "/a7/w.js" in text
    assert "/webhooks/shopify" in text
    assert text.count('class="done"') == 0


async def test_failures_tell_the_meaning_and_the_mend(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        text = (await reader.get("/admin/failures")).text
        assert "40002: something in the event is not as TikTok wants it" in text
        assert "What to do:" in text


async def test_what_was_refused_is_sent_once_more_at_the_press_of_a_button(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        answer = await reader.post("/admin/failures?days=7", {"fate": "rejected", "code": "40002"})
        assert 'role="status"' in answer.text
        assert "1 on the way again" in answer.text
        await reader.gateway.drained()
        assert {event["fate"] for event in reader.gateway.events} == {"accepted"}


@pytest.mark.parametrize(
    "form", [{}, {"fate": "accepted"}, {"fate": "rejected", "code": "x"}, {"fate": "*", "code": "1"}]
)
async def test_only_what_ended_badly_is_replayed(reader: Reader, form: dict[str, str]):
    assert (await reader.post("/admin/failures", form)).status_code == 400


async def test_a_replay_that_another_site_asks_for_is_refused(reader: Reader):
    form = {"fate": "rejected", "code": "40002"}
    assert (await reader.post("/admin/failures", form, {"sec-fetch-site": "cross-site"})).status_code == 403


async def test_live_filters_by_event_and_outcome(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        assert (await reader.get("/admin/live")).text.count("<tr id=") == 5
        assert (await reader.get("/admin/live?event=Purchase")).text.count("<tr id=") == 1
        assert (await reader.get("/admin/live?fate=rejected")).text.count("<tr id=") == 1
        assert (await reader.get("/admin/live?fate=accepted&event=Purchase")).text.count("<tr id=") == 1
        assert "No such event" in (await reader.get("/admin/live?fate=expired")).text


async def test_live_tells_an_event_as_it_comes_and_again_when_tiktok_has_answered(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, _):
        await reader.sign_in()
        async with open_stream(reader, "/admin/live/stream?event=Lead") as lines:
            await reader.gateway.beacon(make_beacon(make_event("Lead")))
            told = ""
            async with asyncio.timeout(60):
                while "accepted" not in told:
                    told += await anext(lines)
        assert "event: row" in told
        assert told.count("<tr id=") in (1, 2)
        assert "ViewContent" not in told


async def test_live_takes_back_what_is_none_of_the_wanted_any_more(tmp_path: Path):
    async with running_seeded(tmp_path) as (reader, tiktok):
        await reader.sign_in()
        tiktok.moods.add(Mood(delay_s=1.5))
        async with open_stream(reader, "/admin/live/stream?fate=waiting") as lines:
            await reader.gateway.beacon(make_beacon())
            await until(lines, "event: row")
            await until(lines, "event: gone")


@contextlib.asynccontextmanager
async def open_stream(reader: Reader, path: str) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream, as they come."""
    headers = {"host": "localhost", "cookie": f"tag_gateway_session={reader.cookie}", "accept": "text/event-stream"}
    request = httpx.Request("GET", reader.gateway.base_url + path, headers=headers)
    answer = await reader.gateway.client.send(request, stream=True)
    try:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield answer.aiter_lines()
    finally:
        await answer.aclose()


async def until(lines: AsyncIterator[str], word: str) -> None:
    async with asyncio.timeout(60):
        while word not in await anext(lines):
            pass


async def test_no_more_than_a_few_look_on_at_once(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "MOST_STREAMS", 1)
    async with open_stream(reader, "/admin/live/stream"):
        async with asyncio.timeout(60):
            while not streams._open:  # noqa: ASYNC110 - nothing tells that the stream has begun but its effect
                await asyncio.sleep(0.01)
        assert (await reader.get("/admin/live/stream")).status_code == 503
    async with asyncio.timeout(60):
        while streams._open:  # noqa: ASYNC110 - the server hears of the closed connection by itself
            await asyncio.sleep(0.01)


async def test_an_address_that_leads_nowhere_says_so(reader: Reader):
    answer = await reader.get("/admin/nothing")
    assert answer.status_code == 404
    assert "no such page" in answer.text


async def test_a_database_that_does_not_answer_is_told_and_not_hidden(reader: Reader, monkeypatch: pytest.MonkeyPatch):
    async def fail(*_: object) -> None:
        raise StoreUnavailable("disk I/O error")

    monkeypatch.setattr(Store, "read", fail)
    answer = await reader.get("/admin/live")
    assert answer.status_code == 503
    assert "disk I/O error" in answer.text


async def test_two_stores_are_shown_one_at_a_time(tmp_path: Path):
    acme = make_tree()["stores"][0]
    bolt = acme | {"id": "bolt", "host": "t.bolt.com", "origins": ["https://bolt.com"], "cookie_domain": "bolt.com"}
    async with running_dashboard(tmp_path, stores=[acme, bolt | {"collect_path": "/b2/q"}]) as reader:
        await reader.sign_in()
        await reader.gateway.beacon(make_beacon())
        assert "ViewContent</th>" not in (await reader.get("/admin/live?store=bolt")).text.replace("\n", "")
        assert (await reader.get("/admin/live")).text.count("<tr id=") == 1
        page = (await reader.get("/admin/live?store=bolt")).text
        assert page.count("<tr id=") == 0
        assert 'href="/admin/install?store=bolt"' in page
        assert (await reader.get("/admin/live?store=nobody")).text.count("<tr id=") == 1


async def test_times_are_told_in_the_readers_zone_or_in_utc(reader: Reader):
    async def zone(cookies: str) -> str:
        answer = await reader.get("/admin/live", {"cookie": f"tag_gateway_session={reader.cookie}; {cookies}"})
        return answer.text.split("Times in ")[1].split(",")[0]

    assert await zone("zone=Europe%2FBerlin") == "Europe/Berlin"
    assert await zone("zone=Europe%2FBerlin; utc=1") == "UTC"
    for nonsense in ("zone=..%2F..%2Fetc%2Fpasswd", "zone=Europe", "zone=%00", "zone=" + "x" * 5000, "zone="):
        assert await zone(nonsense) == "UTC"

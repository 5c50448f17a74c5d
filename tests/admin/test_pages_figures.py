"""Overview, Recovered, Match keys, Cookies and Orders say what is in the database, and what it means."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from gateway.admin.format import NOTHING
from gateway.admin.page import PERIODS, View
from gateway.admin.pages import PAGES
from gateway.admin.pages.cookies import predict
from gateway.admin.pages.orders import NAMES, to_gap
from gateway.admin.pages.overview import compare, find_delay, to_span_before
from gateway.model.browser import Browser
from gateway.model.conversion import Reason
from gateway.model.outcome import Fate
from gateway.ops.cookie_life import Name, predict_cookie_life
from gateway.store.reports.overview import Delay, Flow
from gateway.store.reports.scope import Scope
from tests.admin.desk import Reader, running_dashboard
from tests.admin.figures import fill, read_tile, read_words, running_figures
from tests.servers import _STORE, PIXEL, SECRET_KEY, make_settings

FIGURES = ("overview", "recovered", "orders", "match-keys", "cookies", "ledger")
DAY_MS = 86_400_000
OTHER = "C0OTHERPIXEL00000000"
PIXELS = [{"code": code, "access_token": "token-of-a-test"} for code in (PIXEL, OTHER)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def month(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reader]:
    """A month of a shop with two pixels, one of which nothing was sent to."""
    async with running_figures(tmp_path_factory.mktemp("month"), pixels=PIXELS) as reader:
        yield reader


def write(reader: Reader, statement: str, *parameters: Any) -> None:
    with sqlite3.connect(reader.gateway.database) as connection:
        connection.execute(statement, parameters)
    connection.close()


def count(reader: Reader, condition: str) -> int:
    (row,) = reader.gateway.rows(f"SELECT count(*) AS n FROM events WHERE {condition}")
    number: int = row["n"]
    return number


@pytest.mark.asyncio(loop_scope="module")
async def test_every_figure_page_is_in_the_menu_and_the_overview_is_the_first(month: Reader):
    assert [page.name for page in PAGES][:6] == list(FIGURES)
    assert (await month.get("/admin/")).headers["location"] == "/admin/overview"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("days", PERIODS)
async def test_every_page_is_drawn_for_every_period_and_zone(month: Reader, name: str, days: int):
    for zone in ("Asia/Kolkata", "America/New_York"):
        page = await month.get(f"/admin/{name}?days={days}", {"cookie": _with_zone(month, zone)})
        assert page.status_code == 200
        assert f"Times in {zone}" in page.text


def _with_zone(reader: Reader, zone: str) -> str:
    return f"tag_gateway_session={reader.cookie}; zone={zone.replace('/', '%2F')}"


@pytest.mark.asyncio(loop_scope="module")
async def test_the_overview_counts_what_there_is(month: Reader):
    page = (await month.get("/admin/overview?days=90")).text
    assert read_tile(page, "Events accepted") == str(count(month, "fate = 'accepted'"))
    assert read_tile(page, "Purchases accepted") == str(count(month, "fate = 'accepted' AND event = 'Purchase'"))
    assert read_tile(page, "Refused or too late") == str(count(month, "fate IN ('rejected', 'expired')"))
    assert read_tile(page, "Waiting now") == str(count(month, "fate IS NULL"))
    assert page.count("The same as a table") == 3
    assert "Delivering" in page


@pytest.mark.asyncio(loop_scope="module")
async def test_a_pixel_can_be_looked_at_alone_and_stays_chosen(month: Reader):
    page = (await month.get(f"/admin/overview?days=90&pixel={OTHER}")).text
    assert read_tile(page, "Events accepted") == "0"
    assert f"days=7&amp;pixel={OTHER}" in page
    assert f"<option selected>{OTHER}</option>" in page
    assert read_tile((await month.get("/admin/overview?days=90&pixel=nobodys")).text, "Events accepted") != "0"


@pytest.mark.asyncio(loop_scope="module")
async def test_what_nobody_knows_is_not_counted_as_recovered(month: Reader):
    page = (await month.get("/admin/recovered?days=90")).text
    recovered = "fate = 'accepted' AND (pixel IN ('blocked', 'absent') OR (pixel IS NULL AND source = 'webhook'))"
    assert read_tile(page, "Events recovered") == str(count(month, recovered))
    assert read_tile(page, "Purchases recovered") == str(count(month, f"{recovered} AND event = 'Purchase'"))
    unknown = "fate = 'accepted' AND pixel IS NULL AND source = 'beacon'"
    assert count(month, unknown)
    assert read_tile(page, "Not known") == str(count(month, unknown))
    (worth,) = month.gateway.rows(
        f"SELECT sum(worth_e4) AS e4 FROM events WHERE {recovered} AND event = 'Purchase' AND currency = 'EUR'"
    )
    assert read_tile(page, "Their value in EUR") == f"{worth['e4'] / 10_000:.2f}"
    assert "So the true number may be higher" in page


@pytest.mark.asyncio(loop_scope="module")
async def test_match_keys_say_how_many_carried_each_and_why_not(month: Reader):
    words = read_words((await month.get("/admin/match-keys?days=90")).text)
    accepted = count(month, "fate = 'accepted'")
    carried = count(month, "fate = 'accepted' AND traits & 2 <> 0")
    assert f"See the reasons below. {100 * carried / accepted:.1f}% {accepted - carried} " in words
    assert "Landed without a click The landing was seen and had no click id" in words
    assert "because their visitors had given no consent" in words


@pytest.mark.asyncio(loop_scope="module")
async def test_match_keys_are_those_of_one_event_when_it_is_chosen(month: Reader):
    bought = count(month, "fate = 'accepted' AND event = 'Purchase'")
    assert f"{bought} accepted Purchase events" in read_words(
        (await month.get("/admin/match-keys?days=90&event=Purchase")).text
    )
    everything = read_words((await month.get("/admin/match-keys?days=90&event=%3Cscript%3E")).text)
    assert f"{count(month, 'fate = ' + chr(39) + 'accepted' + chr(39))} accepted events" in everything


@pytest.mark.asyncio(loop_scope="module")
async def test_cookies_tell_the_measured_age_and_that_dns_did_not_answer(month: Reader):
    words = read_words((await month.get("/admin/cookies?days=90")).text)
    assert "Safari on iPhone or iPad" in words
    assert "up to 7 days" in words
    assert "counted once that day" in words
    assert "They could not be looked up just now" in words


@pytest.mark.asyncio(loop_scope="module")
async def test_orders_add_up_and_every_gap_has_its_reason(month: Reader):
    page = (await month.get("/admin/orders?days=90")).text
    (orders,) = month.gateway.rows("SELECT count(*) AS n FROM orders")
    assert read_tile(page, "Orders known") == str(orders["n"])
    bought = count(month, "fate = 'accepted' AND event = 'Purchase'")
    assert read_tile(page, "Accepted by TikTok") == str(bought)
    gaps = month.gateway.rows("SELECT DISTINCT reason FROM orders WHERE reason IS NOT NULL")
    assert len(gaps) == 6
    for gap in gaps:
        assert f"\u00a0{NAMES[gap['reason']]}" in page


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_show_nobodys_data(month: Reader):
    for name in FIGURES:
        page = (await month.get(f"/admin/{name}?days=90")).text
        assert not [word for word in ("@example.com", "203.0.113.", SECRET_KEY) if word in page]


@pytest.mark.parametrize("end", [*Reason, Fate.REJECTED, Fate.EXPIRED, Fate.WITHDRAWN, Fate.NOT_SENT])
def test_every_gap_has_a_name_and_a_sentence(end: str):
    gap = to_gap(end, 3)
    assert gap.name
    assert gap.sentence[0].isupper()
    assert not gap.sentence.endswith(".")
    assert gap.is_failure == (end in ("rejected", "expired"))


# -- The state of delivery


async def read_status(reader: Reader) -> str:
    page = (await reader.get("/admin/overview")).text
    return read_words(page.split('<section class="status')[1].partition(">")[2].split("</section>")[0])


async def test_nothing_that_came_in_is_told(reader: Reader):
    assert await read_status(reader) == "Nothing came in Install shows what to paste where, and ticks what works."
    assert "<figure" not in (await reader.get("/admin/overview")).text


async def test_a_pixel_whose_token_is_refused_is_told_with_its_code(reader: Reader):
    write(reader, "INSERT INTO alerts VALUES ('acme', ?, 0, 0, NULL)", f"credentials {PIXEL}")
    status = await read_status(reader)
    assert status.startswith("Delivery is paused")
    assert f"TikTok refuses the access token of pixel {PIXEL}" in status


async def test_trouble_of_another_store_is_not_this_ones(reader: Reader):
    write(reader, "INSERT INTO alerts VALUES ('bolt', 'rejects', 0, 0, NULL), ('', 'disk', 0, 0, NULL)")
    assert await read_status(reader) == (
        "Something needs you The disk of the database is nearly full. When it is, nothing more can be taken in."
    )


async def test_an_event_that_waits_too_long_is_told(tmp_path: Path):
    async with running_figures(tmp_path, events=200) as reader:
        (event,) = reader.gateway.rows("SELECT id, received_ms FROM events ORDER BY id DESC LIMIT 1")
        write(reader, "DELETE FROM outbox")
        write(reader, "INSERT INTO outbox VALUES ('acme', ?, ?, 0, 0, NULL, NULL)", event["id"], PIXEL)
        write(reader, "UPDATE events SET received_ms = received_ms - 400000 WHERE id = ?", event["id"])
        status = await read_status(reader)
    assert status.startswith("Delivery is slow The oldest event came ")


# -- Small judgements


def test_days_begin_at_the_readers_midnight_even_when_the_clock_is_changed(tmp_path: Path):
    settings = make_settings(tmp_path)
    now = datetime(2026, 3, 30, 15, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    now_ms = int(now.timestamp() * 1000)
    backend: Any = type("Backend", (), {"settings": settings})()
    view = View(backend, settings.stores[0], now_ms, ZoneInfo("Europe/Berlin"), {"days": "7"})
    scope = view.scope()
    begin = datetime.fromtimestamp(scope.since_ms / 1000, UTC).astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{begin:%Y-%m-%d %H:%M}" == "2026-03-24 00:00"
    assert len(scope.steps()) == 7
    assert view.scope(1).since_ms == now_ms - DAY_MS
    assert len(view.scope(1).steps()) == 25
    assert 13 <= len(view.scope(90).steps()) <= 14
    assert all(step.weekday() == 0 for step in view.scope(90).steps())


def test_the_span_before_ends_at_the_same_hour_of_the_day():
    hour = 3_600_000
    scope = Scope(("acme",), 700 * hour, 868 * hour + 5)
    before = to_span_before(scope, 7)
    assert (before.since_ms, before.until_ms) == (532 * hour, 700 * hour)


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (5, 0, "none in the 7 days before"),
        (100, 100, "as in the 7 days before"),
        (150, 100, "50.0% more than in the 7 days before"),
        (50, 100, "50.0% fewer than in the 7 days before"),
        (100_001, 100_000, "as in the 7 days before"),
    ],
)
def test_a_span_is_compared_in_words(now: int, before: int, words: str):
    assert compare(Flow(accepted=now), Flow(accepted=before), "7 days").replace("\u202f", "") == words


@pytest.mark.parametrize(
    ("counts", "half", "most"),
    [((0, 0, 0), NOTHING, NOTHING), ((10, 0, 0), "2s", "2s"), ((6, 4, 0), "2s", "1min"), ((1, 1, 8), ">48h", ">48h")],
)
def test_delays_are_told_by_the_step_they_end_in(counts: tuple[int, int, int], half: str, most: str):
    delays = [Delay(limit, one) for limit, one in zip((2, 60, None), counts, strict=True)]
    told = [find_delay(delays, share).replace("\u202f", "") for share in (0.5, 0.95)]
    assert told == [half, most]


def test_each_browser_is_predicted_by_the_rule_it_follows():
    life = predict_cookie_life(
        Name("t.acme.com", (), ("192.0.2.1",)), Name("www.acme.com", (), ("198.51.100.1",)), "acme.com"
    )
    predicted = {browser: predict(life, browser) for browser in Browser}
    assert (predicted[Browser.SAFARI], predicted[Browser.SAFARI_IOS], predicted[Browser.CHROME]) == (7, 7, 400)
    assert (predicted[Browser.TIKTOK], predicted[Browser.UNKNOWN]) == (None, None)
    assert predict(None, Browser.CHROME) is None


async def test_a_store_is_never_shown_anothers_figures(tmp_path: Path):
    bolt = _STORE | {"id": "bolt", "host": "t.bolt.com", "origins": ["https://bolt.com"], "cookie_domain": "bolt.com"}
    fill(tmp_path, 300)
    async with running_dashboard(tmp_path, stores=[_STORE, bolt]) as reader:
        await reader.sign_in()
        assert read_tile((await reader.get("/admin/overview?days=90")).text, "Events accepted") != "0"
        assert read_tile((await reader.get("/admin/overview?days=90&store=bolt")).text, "Events accepted") == "0"
        assert "Nobody came back" in (await reader.get("/admin/cookies?days=90&store=bolt")).text
        found = await reader.post("/admin/ledger?store=bolt", {"q": "#1000"})
        assert "Nothing found" in found.text

"""The fake takes what TikTok takes and nothing else, counts as TikTok counts, and fails as told."""

from __future__ import annotations

import asyncio
import copy
import json
import subprocess
import sys
import time

import httpx
import pytest

from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok, Mood
from gateway.model.normalise import EMPTY_SHA256
from tests.ports import free_port

PATH = "/open_api/v1.3/event/track/"
NOW = 1_800_000_000
EMAIL = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"
OTHER_PIXEL, OTHER_TOKEN = "C0OTHERPIXEL00000000", "other-token"

EVENT = {
    "event": "Purchase",
    "event_time": NOW,
    "event_id": "purchase_1",
    "user": {
        "email": EMAIL,
        "phone": [EMAIL, EMAIL[::-1]],
        "external_id": EMAIL,
        "first_name": EMAIL,
        "zip_code": EMAIL,
        "city": "sãopaulo",
        "state": "ny",
        "country": "de",
        "ttclid": "E.C.P.x",
        "ttp": "01J_.tt.1",
        "ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0",
        "locale": "de-DE",
    },
    "page": {"url": "https://shop.example/thank-you", "referrer": "https://shop.example/cart"},
    "properties": {
        "contents": [{"content_id": "44", "content_name": "Tee", "brand": "Acme", "price": 20.5, "quantity": 2}],
        "content_ids": ["44"],
        "content_type": "product",
        "currency": "EUR",
        "value": 41,
        "num_items": 2,
        "order_id": "1",
        "customer_type": "new",
    },
    "limited_data_use": False,
}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = float(NOW)

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def served():
    """One fake for all tests here, in its thread: starting one costs more than what it answers."""
    clock = Clock()
    fake = FakeTikTok(clock=clock)
    with httpx.Client(base_url=fake.start(), timeout=60) as http:
        fake.http, fake.time = http, clock
        yield fake
    fake.stop()


@pytest.fixture
def fake(served):
    served.reset()
    served.pixels = {DEMO_PIXEL: DEMO_TOKEN, OTHER_PIXEL: OTHER_TOKEN}
    served.time.now_s = float(NOW)
    return served


def change(path: str, value: object) -> dict:
    """The sound event with one value put at a dotted path, or taken away with None."""
    event = copy.deepcopy(EVENT)
    *parents, last = path.split(".")
    place = event
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return event


def post(fake, *events: dict, token: str | None = DEMO_TOKEN, pixel: str = DEMO_PIXEL, **root) -> httpx.Response:
    headers = {"Access-Token": token} if token else {}
    body = {"event_source": "web", "event_source_id": pixel, "data": list(events)} | root
    return fake.http.post(PATH, json=body, headers=headers)


def refusal(response: httpx.Response) -> str:
    """Why a request was refused for a parameter."""
    answer = response.json()
    assert (response.status_code, answer["code"]) == (400, 40002)
    return answer["message"]


def test_a_sound_event_is_accepted_as_received(fake):
    response = post(fake, EVENT)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["code"], answer["message"], answer["data"]) == (0, "OK", {})
    assert answer["request_id"]
    assert fake.events == [EVENT]


def test_the_smallest_event_is_accepted(fake):
    keys = ("event", "event_time", "event_id", "page")
    smallest = {key: EVENT[key] for key in keys} | {"user": {"ttclid": "E.C.P.x"}}
    assert post(fake, smallest).json()["code"] == 0


FAULTS = [
    ("event", None, "event: Missing data for required field"),
    ("event", "", "event: Length must be >= 1"),
    ("event", "CompletePayment", "event: Now called Purchase"),
    ("event_id", None, "event_id: Missing data for required field"),
    ("event_id", 1, "event_id: Not a valid string"),
    ("event_time", str(NOW), "event_time: Not a valid integer"),
    ("event_time", NOW * 1000, "event_time: Not a time in the past, in seconds"),
    ("event_time", NOW + 301, "event_time: Not a time in the past, in seconds"),
    ("event_time", 0, "event_time: Not a time in the past, in seconds"),
    ("page", None, "page: Missing data for required field"),
    ("page.url", None, "page.url: Missing data for required field"),
    ("page.url", "", "page.url: Length must be >= 1"),
    ("page.url", "/cart", "page.url: Not a valid URL"),
    ("page.titel", "x", "page.titel: Unknown field"),
    ("user", None, "user: Missing data for required field"),
    ("user", {}, "user: Nothing to match"),
    ("user.ttclidX", "x", "user.ttclidX: Unknown field"),
    ("user.email", "alice@example.com", "user.email: Not a valid string"),
    ("user.email", EMAIL.upper(), "user.email: Not a valid string"),
    ("user.email", EMAIL + "\n", "user.email: Not a valid string"),
    ("user.email", [], "user.email: Length must be >= 1"),
    ("user.email", EMPTY_SHA256, "user.email: The digest of nothing"),
    ("user.phone", [EMAIL, EMPTY_SHA256], "user.phone: The digest of nothing"),
    ("user.phone", "+12133734253", "user.phone: Not a valid string"),
    ("user.external_id", "user_1", "user.external_id: Not a valid string"),
    ("user.first_name", "Alice", "user.first_name: Not a valid string"),
    ("user.zip_code", "94103", "user.zip_code: Not a valid string"),
    ("user.zip_code", EMPTY_SHA256, "user.zip_code: The digest of nothing"),
    ("user.city", "New York", "user.city: Not a valid string"),
    ("user.country", "DE", "user.country: Not a valid string"),
    ("user.ttp", "", "user.ttp: Length must be >= 1"),
    ("user.ip", "10.0.0.1", "user.ip: Not a public address"),
    ("user.ip", "127.0.0.1", "user.ip: Not a public address"),
    ("user.locale", "Deutsch, bitte", "user.locale: Not a valid string"),
    ("properties.query", "tee", "properties.query: Unknown field"),
    ("properties.contents", [], "properties.contents: Length must be >= 1"),
    ("properties.contents.0.content_id", 44, "properties.contents.0.content_id: Not a valid string"),
    ("properties.contents.0.content_type", "product", "properties.contents.0.content_type: Unknown field"),
    ("properties.contents.0.price", "20.00", "properties.contents.0.price: Not a valid number"),
    ("properties.content_ids", [44], "properties.content_ids.0: Not a valid string"),
    ("properties.content_type", "hat", "properties.content_type: Invalid enum value 'hat'"),
    ("properties.currency", "eur", "properties.currency: Not a supported currency"),
    ("properties.currency", "BGN", "properties.currency: Not a supported currency"),
    ("properties.value", "44.90", "properties.value: Not a valid number"),
    ("properties.value", True, "properties.value: Not a valid number"),
    ("properties.num_items", 1.5, "properties.num_items: Not a valid integer"),
    ("properties.num_items", -1, "properties.num_items: Not a number of pieces"),
    ("limited_data_use", "yes", "limited_data_use: Not a valid boolean"),
    ("callback", "x", "callback: Unknown field"),
]


@pytest.mark.parametrize(("path", "value", "message"), FAULTS)
def test_a_bad_event_is_refused_by_its_path(fake, path, value, message):
    assert refusal(post(fake, change(path, value))) == f"Batch.0.{message}"
    assert fake.events == []


def test_one_bad_event_rejects_the_batch_and_the_first_bad_one_is_named(fake):
    semantic, wrong_type = change("user.ip", "10.0.0.1"), change("event_id", 7)
    assert refusal(post(fake, EVENT, semantic, wrong_type)) == "Batch.1.user.ip: Not a public address"
    assert refusal(post(fake, EVENT, wrong_type, semantic)) == "Batch.1.event_id: Not a valid string"
    assert fake.events == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_json_does_not_know_is_refused(fake, number):
    raw = json.dumps({"event_source": "web", "event_source_id": DEMO_PIXEL, "data": [EVENT]}).replace("20.5", number)
    headers = {"Access-Token": DEMO_TOKEN, "Content-Type": "application/json"}
    assert refusal(fake.http.post(PATH, content=raw, headers=headers))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"event_source":"\xff"}'])
def test_a_body_that_is_no_request_is_refused(fake, raw):
    headers = {"Access-Token": DEMO_TOKEN, "Content-Type": "application/json"}
    assert refusal(fake.http.post(PATH, content=raw, headers=headers))


def test_a_body_is_json_by_its_content_type(fake):
    response = fake.http.post(PATH, content=b"{}", headers={"Access-Token": DEMO_TOKEN, "Content-Type": "text/plain"})
    assert refusal(response) == "Content-Type: Not application/json"


def test_a_thousand_events_are_taken_and_one_more_is_not(fake):
    events = [EVENT | {"event_id": str(number)} for number in range(1001)]
    assert post(fake, *events[:1000]).json()["code"] == 0
    assert refusal(post(fake, *events)) == "data: Length must be <= 1000"
    assert refusal(post(fake)) == "data: Length must be >= 1"
    assert len(fake.events) == 1000


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ({"event_source": "app"}, "event_source: Invalid enum value 'app'"),
        ({"pixel_code": DEMO_PIXEL}, "pixel_code: Unknown field"),
        ({"event_source_id": 7}, "event_source_id: Not a valid string"),
    ],
)
def test_the_root_of_a_request_has_its_schema_too(fake, root, message):
    assert refusal(post(fake, EVENT, **root)) == message


@pytest.mark.parametrize(
    ("token", "pixel", "status", "code"),
    [
        (None, DEMO_PIXEL, 401, 40104),
        ("wrong", DEMO_PIXEL, 401, 40105),
        (f"Bearer {DEMO_TOKEN}", DEMO_PIXEL, 401, 40105),
        (OTHER_TOKEN, DEMO_PIXEL, 401, 40001),
        (DEMO_TOKEN, "C0NOBODYSPIXEL000000", 401, 40001),
    ],
)
def test_token_and_pixel_must_be_a_pair(fake, token, pixel, status, code):
    response = post(fake, EVENT, token=token, pixel=pixel)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert fake.events == []


def test_a_revoked_token_is_refused_until_there_is_a_new_one(fake):
    fake.http.post("/_pixels", json={DEMO_PIXEL: None}).raise_for_status()
    assert post(fake, EVENT).json()["code"] == 40105
    fake.http.post("/_pixels", json={DEMO_PIXEL: "new"}).raise_for_status()
    assert post(fake, EVENT, token="new").json()["code"] == 0


def test_the_endpoint_takes_post_on_its_own_path_alone(fake):
    assert fake.http.get(PATH).status_code == 405
    assert fake.http.post(PATH.rstrip("/")).status_code == 307
    assert fake.http.post("/open_api/v1.3/pixel/track/").status_code == 404


# Deduplication


@pytest.mark.parametrize(
    ("later_s", "outcomes", "count"),
    [
        (0, ["counted", "merged"], 1),
        (300, ["counted", "merged"], 1),
        (301, ["counted", "dropped"], 1),
        (48 * 3600, ["counted", "dropped"], 1),
        (48 * 3600 + 1, ["counted", "counted"], 2),
    ],
)
def test_a_twin_is_merged_dropped_or_counted_again_by_its_age(fake, later_s, outcomes, count):
    post(fake, EVENT)
    fake.time.now_s += later_s
    post(fake, EVENT)
    assert [record.outcome for record in fake.records] == outcomes
    assert fake.counts == {(DEMO_PIXEL, "Purchase", "purchase_1"): count}
    assert len(fake.counted) == count


def test_two_days_are_counted_from_the_first_and_not_from_a_dropped_twin(fake):
    for wait_s in (0, 40 * 3600, 9 * 3600):
        fake.time.now_s += wait_s
        post(fake, EVENT)
    assert [record.outcome for record in fake.records] == ["counted", "dropped", "counted"]


def test_twins_in_one_request_are_twins(fake):
    post(fake, EVENT, EVENT)
    assert [record.outcome for record in fake.records] == ["counted", "merged"]


def test_a_merged_twin_fills_what_the_first_lacked_and_changes_nothing(fake):
    first = change("user", {"ttclid": "first"})
    twin = change("user", {"ttclid": "twin", "email": EMAIL})
    post(fake, first)
    post(fake, twin)
    assert [event["user"] for event in fake.counted] == [{"ttclid": "first", "email": EMAIL}]
    assert fake.events == [first, twin]


def test_other_names_ids_and_pixels_are_other_events(fake):
    post(fake, EVENT, EVENT | {"event": "Lead"}, EVENT | {"event_id": "2"})
    post(fake, EVENT, pixel=OTHER_PIXEL, token=OTHER_TOKEN)
    assert len(fake.counted) == 4
    assert set(fake.counts.values()) == {1}


def test_a_test_event_is_accepted_and_never_counted(fake):
    post(fake, EVENT, test_event_code="TEST1")
    assert [(record.outcome, record.test_event_code) for record in fake.records] == [("test", "TEST1")]
    assert fake.counted == []
    assert not fake.counts


# Moods


@pytest.mark.parametrize(
    ("mood", "status", "code"),
    [
        (Mood(status=500), 500, None),
        (Mood(code=40100), 200, 40100),
        (Mood(code=40133), 200, 40133),
        (Mood(code=40001), 401, 40001),
        (Mood(code=40105), 401, 40105),
        (Mood(code=50000), 200, 50000),
        (Mood(code=50000, status=500), 500, 50000),
        (Mood(html=True), 502, None),
        (Mood(html=True, status=200), 200, None),
    ],
)
def test_a_mood_answers_instead_and_takes_nothing(fake, mood, status, code):
    fake.moods.add(mood)
    response = post(fake, EVENT)
    assert response.status_code == status
    assert fake.events == []
    assert (fake.requests[0].status, fake.requests[0].code) == (status, code)
    assert post(fake, EVENT).json()["code"] == 0


def test_a_throttle_says_when_to_come_again(fake):
    fake.moods.add(Mood(status=429, retry_after_s=3))
    response = post(fake, EVENT)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "3")


def test_moods_are_lived_through_in_order_each_its_number_of_times(fake):
    fake.moods.add(Mood(code=40100, times=2), Mood(code=50000))
    assert [post(fake, EVENT).json()["code"] for _ in range(4)] == [40100, 40100, 50000, 0]


def test_a_mood_without_a_number_lasts_until_it_is_cleared(fake):
    fake.moods.add(Mood(code=50000, times=None))
    assert [post(fake, EVENT).json()["code"] for _ in range(3)] == [50000, 50000, 50000]
    fake.moods.clear()
    assert post(fake, EVENT).json()["code"] == 0


def test_a_mood_may_be_about_one_pixel(fake):
    fake.moods.add(Mood(code=50000, pixel=OTHER_PIXEL))
    assert post(fake, EVENT).json()["code"] == 0
    assert post(fake, EVENT, pixel=OTHER_PIXEL, token=OTHER_TOKEN).json()["code"] == 50000


def test_a_slow_mood_answers_as_usual_later(fake):
    fake.moods.add(Mood(delay_s=0.1))
    started = time.monotonic()
    assert post(fake, EVENT).json()["code"] == 0
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize("is_recorded", [False, True])
def test_a_dropped_connection_has_no_answer_and_events_only_when_told_to(fake, is_recorded):
    fake.moods.add(Mood(drop=True, record=is_recorded))
    with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
        post(fake, EVENT)
    assert len(fake.events) == is_recorded
    assert (len(fake.requests), fake.requests[0].status) == (1, None)


@pytest.mark.parametrize("is_recorded", [False, True])
def test_an_error_may_hide_that_the_events_were_taken(fake, is_recorded):
    fake.moods.add(Mood(status=500, record=is_recorded))
    assert post(fake, EVENT).status_code == 500
    assert len(fake.events) == is_recorded


def test_a_hanging_mood_never_answers(fake):
    fake.moods.add(Mood(hang=True, record=True))
    body = {"event_source": "web", "event_source_id": DEMO_PIXEL, "data": [EVENT]}
    with pytest.raises(httpx.ReadTimeout):
        fake.http.post(PATH, json=body, headers={"Access-Token": DEMO_TOKEN}, timeout=httpx.Timeout(60, read=0.2))
    fake.wait_until(lambda: fake.events == [EVENT])


# From another process


def test_moods_are_set_shown_and_cleared_over_http(fake):
    fake.http.post("/_moods", json=[{"code": 40100, "times": 2}, {"hang": True, "times": None}]).raise_for_status()
    assert post(fake, EVENT).json()["code"] == 40100
    shown = fake.http.get("/_moods").json()
    assert [(mood["code"], mood["hang"], mood["times"]) for mood in shown] == [(40100, False, 1), (None, True, None)]
    assert fake.http.delete("/_moods").json() == []
    assert post(fake, EVENT).json()["code"] == 0


@pytest.mark.parametrize("bad", ['{"mood": 1}', '{"times": 0}', "[", '"\\ud800"'])
def test_a_mood_nobody_knows_is_refused(fake, bad):
    assert fake.http.post("/_moods", content=bad).status_code == 400
    assert fake.http.post("/_pixels", content=bad.replace("1", "[]").replace("0", "[]")).status_code == 400


def test_events_and_requests_are_shown_over_http(fake):
    post(fake, EVENT)
    fake.http.post(PATH, content=b"rubbish")
    (event,) = fake.http.get("/_events").json()
    assert event["event"] == EVENT
    assert (event["key"], event["outcome"]) == ([DEMO_PIXEL, "Purchase", "purchase_1"], "counted")
    sound, rubbish = fake.http.get("/_requests").json()
    assert (sound["body"]["data"], sound["status"], sound["answer"]["code"]) == ([EVENT], 200, 0)
    assert (rubbish["body"], rubbish["answer"]["code"]) == ("rubbish", 40104)
    assert DEMO_TOKEN not in fake.http.get("/_requests").text


def test_a_fake_runs_as_a_process_of_its_own():
    command = [sys.executable, "-m", "gateway.demo.fake_tiktok", "--port", "0", "--pixel", f"{OTHER_PIXEL}=a=b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            event = EVENT | {"event_time": int(time.time())}
            body = {"event_source": "web", "event_source_id": OTHER_PIXEL, "data": [event]}
            response = httpx.post(url + PATH, json=body, headers={"Access-Token": "a=b"}, trust_env=False)
            assert response.json()["code"] == 0
            assert httpx.get(url + "/_events", trust_env=False).json()[0]["event"] == event
        finally:
            process.terminate()


# Running and waiting


async def test_a_fake_serves_in_the_event_loop_at_hand():
    fake = FakeTikTok(clock=Clock())
    async with fake.serve() as url, httpx.AsyncClient(base_url=url) as http:
        arrived = asyncio.create_task(fake.until(lambda: fake.events))
        body = {"event_source": "web", "event_source_id": DEMO_PIXEL, "data": [EVENT]}
        await http.post(PATH, json=body, headers={"Access-Token": DEMO_TOKEN})
        await arrived
    assert fake.events == [EVENT]


async def test_a_fake_stops_although_a_request_hangs():
    fake = FakeTikTok(clock=Clock())
    fake.moods.add(Mood(hang=True))
    async with httpx.AsyncClient() as http:
        async with fake.serve() as url:
            hanging = asyncio.create_task(http.post(url + PATH))
            await fake.until(lambda: fake.requests)
        with pytest.raises((httpx.NetworkError, httpx.RemoteProtocolError)):
            await hanging


def test_a_stopped_fake_starts_again_on_its_port():
    fake, port = FakeTikTok(), free_port()
    url = fake.start(port)
    fake.stop()
    fake.stop()
    assert fake.start(port) == url
    assert httpx.get(url + "/_events", trust_env=False).json() == []
    fake.stop()


def test_waiting_in_vain_tells_what_came_instead(fake):
    post(fake, EVENT)
    with pytest.raises(TimeoutError, match=r"1 requests came, with .*Purchase"):
        fake.wait_until(lambda: len(fake.events) == 2, timeout_s=0.05)


def test_only_the_newest_are_kept():
    fake = FakeTikTok(clock=Clock(), keep=2)
    for event_id in "123":
        fake.ledger.record((DEMO_PIXEL, "Purchase", event_id), json.dumps(EVENT).encode(), NOW)
    assert [record.key[2] for record in fake.records] == ["2", "3"]
    assert len(fake.counts) == 3


def test_the_fake_is_no_bottleneck(fake):
    """A thousand events take about 40 ms of processor time; several times as much is a rule gone slow."""
    events = [EVENT | {"event_id": str(number)} for number in range(1000)]
    spent = []
    for _ in range(3):
        started = time.process_time()
        post(fake, *events)
        spent.append(time.process_time() - started)
    assert min(spent) < 0.4

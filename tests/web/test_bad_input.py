"""Whatever comes in over the wire, the answer is never a 500, and a 204 without X-Dropped is never a lie."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.beacons import PAGE, Browser, make_beacon, make_event
from tests.intake.test_beacon import EVERYTHING, PLACES, put
from tests.servers import Gateway

HEAD = b"Host: t.acme.com\r\nOrigin: https://www.acme.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux) Firefox/133.0\r\n"
GOOD = json.dumps(make_beacon()).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"\xff\xfe\x00", b'{"v":1}', b"[" * 60_000, b'{"v":1,"page":{"url":"https://a\xff"}}',
        b'{"v":1,"page":{"url":"https://a.com/"},"sent_at":NaN}', b'{"v":1,"page":{"url":"https://a.com/"},"sent_at":1e999}',
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
async def test_a_malformed_body_is_answered_400_with_one_sentence(gateway: Gateway, body: bytes):
    for answer in (await gateway.beacon(body), await gateway.px(body)):
        assert answer.status_code == 400
        assert answer.json().keys() == {"error"}
    assert gateway.visitors == []


@pytest.mark.parametrize(
    "url",
    [
        "https://", "http://[", "https://[::1", "https://user:pass@evil.example/",
        "https://www.acme.com/?" + "a" * 8000,
        "https://www.acme.com/?ttclid=%", "https://www.acme.com/?ttclid=%00", "https://www.acme.com/?%ff%fe=%ff",
        "https://www.acme.com/" + "%2e%2e/" * 500, "https://\u0660\u06f1.example/\u202e\U0001f600",
        "https://www.acme.com/\n\r\t\x01",
        "https://www.acme.com:99999999/", "https://\u2100\ufdfa.com/?ttclid=x",
    ],
    ids=lambda url: repr(url[:32]),
)  # fmt: skip
async def test_an_absurd_page_address_is_stored_as_it_is(gateway: Gateway, url: str):
    response = await gateway.beacon(make_beacon(page={"url": url, "referrer": url}))
    assert response.status_code == 204
    assert gateway.events[0]["body"]["page"]["url"] == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cookie", b"_tgv=\xff\xfe; ttclid=\xc3\xa9; _ttp=\x80; _tgc=\xe9"),
        ("cookie", b"_tgv=" + b"v" * 12_000),
        ("cookie", b"=; ;;; _tgv; _tgv==; _tgc=c..."),
        ("user-agent", b"Mozilla/5.0 \xff\xfe Firefox/133.0 \xe2\x80\xae"),
        ("user-agent", b"Mozilla/5.0 Firefox/133.0 " + b"x" * 10_000),
        ("accept-language", b"\xff\xfe,\xe9"),
        ("x-forwarded-for", b"\xff\xfe"),
        ("x-forwarded-for", b", ,, [::1"),
        ("x-forwarded-for", b"203.0.113.7" + b"7" * 5000),
        ("x-forwarded-proto", b"\xff"),
        ("content-type", b"\xff"),
        ("referer", b"\xff"),
    ],
)
async def test_a_header_of_broken_bytes_does_no_harm(gateway: Gateway, name: str, value: bytes):
    response = await gateway.beacon(GOOD, headers={name: value})
    assert response.status_code == 204
    assert len(gateway.events) == 1


@pytest.mark.parametrize("origin", [b"https://www.acme.com\xff", b"\xff", b"https://www.acme.com, https://acme.com"])
async def test_an_origin_of_broken_bytes_is_refused(gateway: Gateway, origin: bytes):
    assert (await gateway.beacon(GOOD, headers={"origin": origin})).status_code == 403


@pytest.mark.parametrize(
    "host", [b"\xff", b"t.acme.com\xff", b"t.acme.com/", b"t.acme.com@evil", b"..", b"[", b"]", b":", b"[]:"]
)
async def test_a_host_of_broken_bytes_is_nobodys(gateway: Gateway, host: bytes):
    assert (await gateway.beacon(GOOD, headers={"host": host})).status_code == 404
    assert (await gateway.request("GET", "/go", headers={"host": host})).status_code == 404


RAW = [
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Content-Length: abc\r\n\r\n",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /a7/q HTTP/1.1\r\n" + HEAD + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    b"POST /a7/q\xff HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"POST /a7/q HTTP/9.9\r\n" + HEAD + b"\r\n",
    b"GET /go?to=/\xe9 HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /go?to=/%ff%fe%00 HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n",
    b"GET /%ff%00/../go HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n",
    b"GET http://evil.example/go?to=/x HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n",
    b"GET /go HTTP/1.1\r\nUser-Agent: x\r\nConnection: close\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
    b"rubbish\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", RAW, ids=lambda raw: repr(raw[:20] + b".." + raw[-24:]))
async def test_broken_http_is_refused_and_the_next_client_served(gateway: Gateway, request_bytes: bytes):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.base_url.rpartition(":")[2]))
    writer.write(request_bytes)
    writer.write_eof()
    status = (await reader.readline()).split(b" ")[1:2]
    writer.close()
    await writer.wait_closed()
    assert status in ([], [b"204"], [b"302"], [b"400"], [b"404"], [b"413"])
    assert (await gateway.beacon(GOOD)).status_code == 204


# What a whole page of values can do

TEXT = st.text(max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
LIKELY = {
    str: TEXT
    | st.sampled_from(
        ["", "'; DROP TABLE events; --", "\u202e", "\U0001f600", "__CLICKID__", "a" * 300, "ada@example.com"]
    ),
    int: st.integers(0, 1000) | st.integers(-(2**53), 2**53) | st.integers(-(2**64), 2**64),
    float: st.floats(-1e12, 1e12) | st.floats() | st.integers(),
    bool: st.booleans() | st.none(),
    list: st.just([]) | st.lists(JSON, max_size=3),
    dict: st.just({}) | st.dictionaries(TEXT, JSON, max_size=3),
}


@st.composite
def strange_beacons(draw: st.DrawFn) -> dict[str, Any]:
    """The whole beacon with some places changed, mostly to values of the right type; its event id is fresh."""
    beacon: dict[str, Any] = json.loads(json.dumps(EVERYTHING))
    beacon["events"][0]["event_id"] = make_event()["event_id"]
    for name in draw(st.lists(st.sampled_from(sorted(PLACES)), max_size=3, unique=True)):
        parent: Any = beacon
        *path, last = PLACES[name]
        try:
            for key in path:
                parent = parent[key]
            likely = LIKELY.get(type(parent[last]), JSON)
            parent[last] = draw(likely | likely | likely | JSON)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    return beacon


FUZZ = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def count(gateway: Gateway, table: str) -> int:
    return int(gateway.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


@FUZZ
@given(beacon=strange_beacons())
async def test_no_beacon_breaks_the_gateway_and_no_204_is_a_lie(gateway: Gateway, beacon: dict[str, Any]):
    before = count(gateway, "events") + count(gateway, "visitors")
    browser = Browser(gateway)
    response = browser.keep(await gateway.beacon(beacon))
    assert response.status_code in (204, 400), response.text
    if response.status_code == 400:
        assert response.json()["error"]
        assert count(gateway, "events") + count(gateway, "visitors") == before
    elif "x-dropped" not in response.headers:
        assert gateway.rows("SELECT id FROM visitors WHERE id = ?", browser.visitor_id)
        for event in beacon["events"]:
            assert gateway.rows("SELECT id FROM events WHERE event_id = ?", event["event_id"])


@FUZZ
@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
async def test_no_bytes_break_the_gateway(gateway: Gateway, body: bytes):
    for answer in (await gateway.beacon(body), await gateway.px(body)):
        assert answer.status_code == 400


HEADER_BYTES = st.binary(max_size=60).map(lambda raw: bytes(b for b in raw if b == 9 or 32 <= b != 127).strip())


@FUZZ
@given(cookie=HEADER_BYTES, agent=HEADER_BYTES, language=HEADER_BYTES, forwarded=HEADER_BYTES)
async def test_no_header_breaks_the_gateway(
    gateway: Gateway, cookie: bytes, agent: bytes, language: bytes, forwarded: bytes
):
    headers = {
        "cookie": b"_tgv=" + cookie,
        "user-agent": agent,
        "accept-language": language,
        "x-forwarded-for": forwarded,
    }
    assert (await gateway.beacon(make_beacon(), headers=headers)).status_code == 204
    assert (await gateway.go("to=/x&ttclid=y", headers=headers)).status_code == 302


async def test_text_of_every_script_is_stored_as_it_came(gateway: Gateway):
    said = "'; DROP TABLE events; -- \u202e \U0001f469\u200d\U0001f4bb \u4f60\u597d <script>"
    event = make_event(properties={"search_string": said, "contents": [{"content_name": said}]})
    assert (await gateway.beacon(make_beacon(event, page={**PAGE, "referrer": said}))).status_code == 204
    [stored] = gateway.events
    assert stored["body"]["properties"]["search_string"] == said
    assert stored["body"]["page"]["referrer"] == said


@pytest.mark.parametrize(
    "name", ["ids.cart", "user.email", "user.phone", "user.external_id", "ids.customer", "ids.first"]
)
@pytest.mark.parametrize(
    "text", ["", " ", "\u0001", "a" * 2048, "\U0001f600" * 500, "@", "+", "0" * 64, "e3b0c442" * 8]
)
async def test_an_absurd_id_does_no_harm(gateway: Gateway, name: str, text: str):
    assert (await gateway.beacon(put(PLACES[name], text))).status_code == 204

"""Each answer TikTok is known to give, and each that it may, has one meaning."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.tiktok.answers import (
    MAX_MESSAGE_CHARS,
    MAX_RETRY_AFTER_S,
    Verdict,
    classify,
    no_response,
    redact,
)

SPEC_3_3 = {
    0: Verdict.ACCEPTED,
    20001: Verdict.ACCEPTED,
    40001: Verdict.PAUSE,
    40002: Verdict.REJECT,
    40016: Verdict.SNOOZE,
    40100: Verdict.SNOOZE,
    40133: Verdict.SNOOZE,
    40101: Verdict.PAUSE,
    40102: Verdict.PAUSE,
    40103: Verdict.PAUSE,
    40104: Verdict.PAUSE,
    40105: Verdict.PAUSE,
    40107: Verdict.PAUSE,
    40110: Verdict.PAUSE,
    50000: Verdict.RETRY,
    50002: Verdict.RETRY,
    51001: Verdict.RETRY,
    51010: Verdict.RETRY,
    51021: Verdict.SNOOZE,
    51039: Verdict.RETRY,
    51999: Verdict.RETRY,
    12345: Verdict.RETRY,
    -1: Verdict.RETRY,
}

OK = {"code": 0, "message": "OK", "request_id": "2026010112000001", "data": {}}


def answer(status: int = 200, body: object = b"", **headers: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return classify(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), raw)


@pytest.mark.parametrize(("code", "verdict"), SPEC_3_3.items())
@pytest.mark.parametrize("status", [200, 400, 500])
def test_the_code_decides_whatever_the_status(code, verdict, status):
    given_answer = answer(status, OK | {"code": code})
    assert (given_answer.verdict, given_answer.code, given_answer.http_status) == (verdict, code, status)
    assert given_answer.is_known is (code < 50_000), "trouble inside TikTok may come after the batch was taken"


@pytest.mark.parametrize("code", [code for code, verdict in SPEC_3_3.items() if verdict is not Verdict.RETRY])
@pytest.mark.parametrize("status", [401, 413, 429])
def test_a_known_code_decides_even_where_the_status_has_a_meaning(code, status):
    assert answer(status, OK | {"code": code}).verdict is SPEC_3_3[code]


@pytest.mark.parametrize(
    ("status", "verdict"), [(401, Verdict.PAUSE), (413, Verdict.REJECT), (429, Verdict.SNOOZE), (403, Verdict.RETRY)]
)
def test_a_code_nobody_knows_is_judged_by_the_status(status, verdict):
    assert answer(status, OK | {"code": 49999}).verdict is verdict


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"<html>Bad Gateway</html>",
        b"[0]",
        b"0",
        b'{"code":',
        b'{"message":"OK"}',
        b'{"code":"0"}',
        b'{"code":null}',
        b'{"code":false}',
        b'{"code":0.0}',
        b"[" * 100_000,
        b'{"code":0,"message":"\xff"}',
    ],
)
@pytest.mark.parametrize(
    ("status", "verdict", "is_known"),
    [
        (200, Verdict.RETRY, False),
        (204, Verdict.RETRY, False),
        (301, Verdict.RETRY, False),
        (400, Verdict.RETRY, False),
        (403, Verdict.RETRY, False),
        (404, Verdict.RETRY, False),
        (500, Verdict.RETRY, False),
        (502, Verdict.RETRY, False),
        (503, Verdict.RETRY, False),
        (401, Verdict.PAUSE, True),
        (413, Verdict.REJECT, True),
        (429, Verdict.SNOOZE, True),
    ],
)
def test_without_a_code_the_status_decides_and_nothing_is_a_success(status, verdict, is_known, body):
    given_answer = answer(status, body)
    assert (given_answer.verdict, given_answer.code, given_answer.is_known) == (verdict, None, is_known)
    assert str(status) in given_answer.message


@settings(max_examples=100)
@given(st.integers(100, 599), st.binary(max_size=80))
def test_no_body_whatsoever_raises_or_passes_for_a_success(status, body):
    assert answer(status, body).verdict is not Verdict.ACCEPTED


def test_the_request_id_is_kept():
    assert answer(200, OK).request_id == "2026010112000001"


@pytest.mark.parametrize("bad", [None, 7, "", "two words", "x" * 65, "<script>", ["a"]])
def test_a_request_id_that_is_none_is_not_kept(bad):
    assert answer(200, OK | {"request_id": bad}).request_id == ""


@pytest.mark.parametrize("message", [None, 7, ["a"], {"a": 1}])
def test_a_message_that_is_no_text_is_empty(message):
    assert answer(200, OK | {"message": message}).message == ""


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("7", 7), (" 120 ", 120), ("999999999", MAX_RETRY_AFTER_S)],
)
def test_retry_after_is_read_in_seconds_and_bounded(header, seconds):
    assert answer(429, b"", retry_after=header).retry_after_s == seconds
    assert answer(200, OK | {"code": 40100}, retry_after=header).retry_after_s == seconds


@pytest.mark.parametrize("header", ["", "-1", "1.5", "nan", "1e9", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 400])
def test_a_retry_after_we_cannot_read_is_none(header):
    assert answer(429, b"", retry_after=header).retry_after_s is None


def test_no_response_is_a_retry_of_known_or_unknown_fate():
    known, unknown = no_response("refused", is_known=True), no_response("timed out", is_known=False)
    assert (known.verdict, known.is_known, known.http_status, known.code) == (Verdict.RETRY, True, 0, None)
    assert (unknown.verdict, unknown.is_known, unknown.message) == (Verdict.RETRY, False, "timed out")


@pytest.mark.parametrize(
    "secret",
    [
        "alice@example.com",
        "alice%40example.com",
        "a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0",
        "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f",
        "v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH",
        "VGhpcyBpcyBhIHNlY3JldCB0b2tlbg==",
        "AbCdEfGhIjKlMnOpQrStUvWxYz",
        "C0ABCDEFGHIJKLMNOPQR",
        "+12133734253",
        "213-373-4253",
        "203.0.113.9",
        "2a00:1450:4001:81b::200e",
    ],
)
@pytest.mark.parametrize("frame", ["{}", "No permission for {}.", 'value "{}" is wrong', "a={}&b=1", "x: {}, y"])
def test_secrets_and_people_are_taken_out_of_a_message(secret, frame):
    assert secret not in redact(frame.format(secret))
    assert "[redacted]" in redact(frame.format(secret))


@pytest.mark.parametrize(
    "message",
    [
        "OK",
        "Batch.0.properties.contents.0.content_id: Not a valid string",
        "Batch.999.user.browser_version_list: Unknown field",
        "Access token is incorrect or has been revoked",
        "Event CompleteRegistration: rate limit of 1000 per second exceeded",
    ],
)
def test_what_helps_to_mend_a_fault_is_left_in_a_message(message):
    assert redact(message) == message


def test_a_message_is_one_line():
    assert redact("a\nb\r\n\x1b[31mc\u2028d") == "a b [31mc d"


def test_a_long_message_is_cut():
    assert len(redact("two words " * 1000)) == MAX_MESSAGE_CHARS
    assert len(redact("x" * 10_000_000)) < MAX_MESSAGE_CHARS


def test_a_message_is_redacted_in_an_answer():
    assert answer(401, OK | {"code": 40001, "message": "pixel C0ABCDEFGHIJKLMNOPQR"}).message == "pixel [redacted]"


@pytest.mark.parametrize(
    ("told", "told_ms"),
    [
        ("Sun, 22 Nov 2026 23:15:17 GMT", 1_795_389_317_000),
        ("Sun, 22 Nov 99999 23:15:17 GMT", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_time_that_tiktok_tells_is_read_or_left(told: str, told_ms: int | None):
    assert answer(200, OK, date=told).told_ms == told_ms


def test_a_proxys_time_is_not_tiktoks():
    assert answer(502, b"<html>", date="Sun, 22 Nov 2026 23:15:17 GMT").told_ms is None

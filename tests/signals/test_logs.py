"""The logs: JSON for machines, text for people, and nobody's data in either."""

from __future__ import annotations

import contextvars
import io
import json
import logging
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.receive import Intake
from gateway.signals.logs import begin_request, build_formatter, set_up_logs
from gateway.store import Store
from tests.beacons import PAGE, Browser, make_beacon, make_event
from tests.servers import CLIENT_IP, Gateway, make_settings, running_gateway, running_process

CLICK = "E.C.P.the-click-of-somebody"
PERSON = {"email": "ada@example.com", "phone": "+49 30 1234567", "external_id": "customer-4711"}
IDS = {"cart": "cart-of-ada", "checkout": "checkout-of-ada", "client": "client-of-ada", "customer": "4711471147"}
PRIVATE = (
    "ada@",
    "ada%40",
    "1234567",
    CLICK,
    CLIENT_IP,
    "203.0.113.",
    "-of-ada",
    "4711471147",
    "customer-4711",
    "token-of",
)

HOSTILE: list[Any] = [
    make_beacon(
        user=PERSON, ids=IDS, page={**PAGE, "url": f"https://www.acme.com/?ttclid={CLICK}&email=ada@example.com"}
    ),
    make_beacon(make_event("ada@example.com", event_id="ada@example.com"), user=PERSON),
    make_beacon(make_event(properties={"currency": "ada@example.com", "value": "ada@example.com"})),
    make_beacon(v="ada@example.com"),
    make_beacon(user={"email": "ada@example.com\n" * 50, "phone": "\x00+49 30 1234567"}),
    make_beacon(page={"url": "https://ada@example.com:1234567/\ud800", "referrer": f"https://{CLIENT_IP}/"}),
    make_beacon(consent={"marketing": False, "source": "ada@example.com"}, ids=IDS),
    b'{"v":1,"user":"ada@example.com"',
    b"\xff\xfeada@example.com",
    b'{"v":1,' + b'"ada@example.com":' * 2000,
]


@pytest.fixture
def restored_logs() -> Iterator[None]:
    """Logging is as it was before, whatever a test did to it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    """A stream with a person before it."""

    def isatty(self) -> bool:
        return True


def write(stream: io.StringIO, *said: Any, **how: Any) -> None:
    """One warning goes to a stream."""
    set_up_logs(stream)
    logging.getLogger("gateway.somewhere").warning(*said, **how)


def fail_over(private: str) -> BaseException:
    """An exception that quotes somebody's data, caused by another that does."""
    try:
        try:
            int(private)
        except ValueError as error:
            raise KeyError(private) from error
    except KeyError as error:
        return error


def test_a_machine_gets_one_json_object_a_line(restored_logs: None):
    stream = io.StringIO()
    write(stream, 'a %s\nwith «quotes» " and \x1b[31m', "line")
    [line] = stream.getvalue().splitlines()
    told = json.loads(line)
    stamp = datetime.fromisoformat(told.pop("timestamp"))
    assert stamp.utcoffset() == timedelta(0)
    request_id = told.pop("request_id", None)
    assert request_id is None
    assert told == {
        "event": 'a line\nwith «quotes» " and \x1b[31m',
        "level": "warning",
        "logger": "gateway.somewhere",
    }


def test_a_person_gets_text(restored_logs: None):
    stream = Terminal()
    write(stream, "something %s", "happened")
    assert "something happened" in stream.getvalue()
    assert not stream.getvalue().lstrip().startswith("{")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["machine", "person"])
def test_an_exception_is_told_as_its_kind_and_place_without_its_words(stream: io.StringIO, restored_logs: None):
    write(stream, "a write failed\nfuture: %r", fail_over(PERSON["email"]), exc_info=fail_over(PERSON["email"]))
    text = stream.getvalue()
    assert "ada@" not in text
    for told in ("a write failed", "KeyError", "ValueError", "test_logs.py", "fail_over"):
        assert told in text


def test_the_members_of_a_group_are_told(restored_logs: None):
    stream = io.StringIO()
    write(stream, "lanes failed", exc_info=ExceptionGroup("of ada@", [fail_over("ada@"), OSError("ada@")]))
    told = json.loads(stream.getvalue())["exception"]
    assert "ada@" not in told
    assert told.count("KeyError") == told.count("OSError") == 1


def test_an_endless_chain_of_exceptions_ends(restored_logs: None):
    error = fail_over("x")
    assert error.__cause__
    error.__cause__.__cause__ = error
    stream = io.StringIO()
    write(stream, "in a ring", exc_info=error)
    assert "KeyError" in stream.getvalue()


def test_each_request_has_an_id_of_its_own_and_keeps_it():
    formatter = build_formatter(is_watched=False)

    def read_id() -> str:
        record = logging.LogRecord("x", logging.WARNING, __file__, 1, "said", (), None)
        return json.loads(formatter.format(record))["request_id"]

    def serve() -> list[str]:
        begin_request()
        return [read_id(), read_id()]

    first, again = contextvars.copy_context().run(serve)
    other, _ = contextvars.copy_context().run(serve)
    assert first == again != other


async def test_a_request_that_fails_is_logged_under_its_id_and_outside_requests_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_logs: None
):
    stream = io.StringIO()

    async def fail(*_: object) -> None:
        raise fail_over(PERSON["email"])

    async with running_gateway(make_settings(tmp_path)) as gateway:
        set_up_logs(stream)
        monkeypatch.setattr(Intake, "receive", fail)
        for _ in range(2):
            assert (await gateway.beacon(make_beacon(user=PERSON))).status_code == 500
        logging.getLogger("gateway").warning("outside")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    failures = [line for line in lines if "exception" in line]
    assert len({line["request_id"] for line in failures}) == len(failures) == 2
    assert all(line["event"] == "Exception in ASGI application" for line in failures)
    assert not any("request_id" in line for line in lines if line["event"] == "outside")
    assert "ada@" not in stream.getvalue()


async def test_a_write_that_fails_tells_nobody_of_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_logs: None
):
    stream = io.StringIO()

    def fail(*_: object) -> None:
        raise fail_over(PERSON["email"])

    async with running_gateway(make_settings(tmp_path)) as gateway:
        set_up_logs(stream)
        monkeypatch.setattr("gateway.store.writer.record_all", fail)
        assert (await gateway.beacon(make_beacon(user=PERSON))).status_code == 500
    assert "a write failed" in stream.getvalue()
    assert "ada@" not in stream.getvalue()


async def say_everything(gateway: Gateway) -> None:
    """What a hostile visitor, and a hostile or broken shop, may send."""
    browser = Browser(gateway)
    for body in HOSTILE:
        sent = json.dumps(body).encode() if isinstance(body, dict) else body
        await gateway.beacon(sent, cookies=browser.cookies)
        await gateway.px(sent)
        headers = {"x-shopify-topic": "ada@example.com", "x-shopify-hmac-sha256": "ada@example.com"}
        await gateway.request("POST", "/webhooks/shopify", content=sent, headers=headers)
    await browser.beacon(user=PERSON, ids=IDS)
    await browser.go(f"to=/x&ttclid={CLICK}&email=ada@example.com")
    await gateway.request(
        "GET", f"/nothing/ada@example.com?ttclid={CLICK}", headers={"x-forwarded-for": "ada@example.com"}
    )
    await gateway.request(
        "POST", "/control", content=b"ada@example.com", headers={"authorization": "Bearer ada@example.com"}
    )
    await gateway.request("GET", "/metrics", headers={"authorization": "Bearer token-of-ada"})


async def test_nobodys_data_is_in_any_line_of_a_real_process(tmp_path: Path):
    async with running_process(tmp_path, consent="granted") as gateway:
        await say_everything(gateway)
        assert gateway.events
        assert gateway.process
        gateway.process.send_signal(signal.SIGTERM)
        await gateway.process.wait()
    lines = [json.loads(line) for line in gateway.log]
    assert lines
    for line in lines:
        assert {"timestamp", "level", "logger", "event"} <= line.keys()
    for private in PRIVATE:
        assert private not in "".join(gateway.log), private


async def test_nobodys_data_is_in_a_line_when_nothing_can_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restored_logs: None
):
    stream = io.StringIO()

    async def fail(*_: object) -> None:
        raise fail_over(PERSON["email"])

    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        set_up_logs(stream)
        monkeypatch.setattr(Store, "record", fail)
        await say_everything(gateway)
    assert "KeyError" in stream.getvalue()
    for private in PRIVATE:
        assert private not in stream.getvalue(), private

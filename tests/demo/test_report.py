"""The report shows each event's way in plain lines, on wide and narrow terminals, in any encoding."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from gateway.demo.report import Report
from gateway.demo.tap import Exchange
from gateway.demo.verdict import Expected

IP = "203.0.113.11"
USER = {"ttclid": "E.C.P.ada", "ip": IP, "user_agent": "Mozilla/5.0"}
WANTED = Expected("Ada", "Purchase", "purchase_1", USER)


def make_report(width: int = 160, encoding: str = "utf-8") -> tuple[Report, io.TextIOWrapper]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    return Report(Console(file=out, width=width, highlight=False), {IP: "Ada"}), out


def read(out: io.TextIOWrapper) -> str:
    out.seek(0)
    return out.read()


def tell_paid(report: Report) -> None:
    body = json.dumps({"id": 1, "name": "#1", "browser_ip": IP}).encode()
    sent = {"x-shopify-topic": "orders/paid"}
    report.on_gateway(Exchange("127.0.0.1", "POST", "/webhooks/shopify", "", sent, body, 200))


def tell_tiktok(report: Report, answer: dict[str, Any], **user: str) -> None:
    body = {"data": [{"event": "Purchase", "event_id": "purchase_1", "user": USER | user}]}
    path = "/open_api/v1.3/event/track/"
    exchange = Exchange(
        "127.0.0.1", "POST", path, "", body=json.dumps(body).encode(), answer=json.dumps(answer).encode()
    )
    report.on_tiktok(exchange)


def test_a_webhook_told_twice_and_accepted_once_is_one_row():
    report, out = make_report()
    tell_paid(report)
    tell_paid(report)
    tell_tiktok(report, {"code": 0}, email="d1")
    report.summarize([WANTED], [], "All is well.")
    told = read(out)

    assert told.count("orders/paid        200 heard   #1 purchase_1") == 2
    assert "Ada    → TikTok   Purchase           accepted  ttclid ✓  ttp ·  email ✓  ip ✓  ua ✓" in told
    (row,) = [" ".join(line.split()) for line in told.splitlines() if line.startswith("  Ada       Purchase")]
    assert row == "Ada Purchase purchase_1 orders/paid twice ✓ heard accepted ttclid email ip ua"


def test_a_refusal_of_tiktoks_is_shown_in_its_words():
    report, out = make_report()
    tell_tiktok(report, {"code": 40002, "message": "Batch.0.user: Nothing to match"})

    assert "Ada    → TikTok   Purchase           refused: 40002 Batch.0.user: Nothing to match" in read(out)


def test_what_never_came_has_its_row_and_its_sentence():
    report, out = make_report()
    report.summarize([WANTED], ["Ada's Purchase purchase_1 was not accepted"], "Not well.")
    told = read(out)

    assert "never came" in told
    assert "differs: Ada's Purchase purchase_1 was not accepted" in told


def test_a_landing_without_consent_says_that_nothing_is_stored():
    report, out = make_report()
    headers = {"location": "http://www.acme.localhost:8000/products/mug?ttclid=x"}
    report.on_gateway(Exchange(IP, "GET", "/go", "to=/products/mug&ttclid=x", status=302, headers=headers))

    assert "302 to /products/mug; nothing stored: consent is not known yet" in read(out)


@pytest.mark.parametrize(("width", "is_wide"), [(100, False), (160, True)])
def test_a_narrow_terminal_is_spared_the_ids(width: int, is_wide: bool):
    report, out = make_report(width)
    tell_paid(report)
    report.summarize([WANTED], [], "")

    assert ("told by" in read(out)) is is_wide
    assert max(len(line.rstrip()) for line in read(out).splitlines()) <= width


def test_an_encoding_without_marks_gets_words():
    report, out = make_report(encoding="ascii")
    tell_tiktok(report, {"code": 0})

    assert "Ada    -> TikTok   Purchase           accepted  ttclid yes  ttp -  email -  ip yes  ua yes" in read(out)

"""What each check makes of what it saw, where no real server can be made to show it."""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import AsyncIterator
from functools import partial
from http.cookies import SimpleCookie
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from rich.console import Console

from gateway.errors import CommandError
from gateway.ops.cookie_life import Name
from gateway.ops.doctor import Network, chart, door, inside, network, rounds
from gateway.ops.doctor.door import _judge_life
from gateway.ops.doctor.findings import Finding, Status, fail, ok, tell_duration, warn
from gateway.ops.doctor.network import Reply, Unreachable, exchange
from gateway.ops.doctor.shoppers import check_consent, check_pixel
from gateway.ops.doctor.visits import FORGED_IP, _is_as_set, _judge_client, _judge_cookies, _Seen
from gateway.ops.doctor.webhooks import check_deliveries, check_sources
from gateway.store.vitals import Vitals
from tests.servers import HOST, ORIGIN, make_settings

DAY_S = 86_400
SHOPIFY = {"shop": "acme.myshopify.com", "webhook_secrets": ["secret"]}
_TGC = "_tgc=x; Max-Age=5; Path=/; Domain=acme.com; Secure; SameSite=Lax"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.1, "no time"), (1.2, "a second"), (80, "80 seconds"), (150, "2 minutes"), (7200, "2 hours"), (5e5, "6 days")],
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, told: str):
    assert tell_duration(seconds) == told


def reply(status: int, **headers: str) -> Reply:
    return Reply(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}))


# -- the client's address


@pytest.mark.parametrize(
    ("seen", "vitals", "status"),
    [
        (_Seen("203.0.113.7", True, True), Vitals(), Status.OK),
        (_Seen("203.0.113.7", False, False), Vitals(), Status.OK),  # the gateway stands at the edge itself
        (_Seen(FORGED_IP, True, True), Vitals(), Status.FAIL),
        (_Seen("172.17.0.1", True, False), Vitals(visitors=20, located=20), Status.FAIL),
        (_Seen("172.17.0.1", False, False), Vitals(visitors=20, located=20), Status.FAIL),
        (_Seen("172.17.0.1", True, True), Vitals(visitors=20, located=3), Status.OK),
        (_Seen("172.17.0.1", True, True), Vitals(visitors=20), Status.FAIL),
        (_Seen("172.17.0.1", True, True), Vitals(), Status.WARN),
        (_Seen("", True, True), Vitals(), Status.WARN),
    ],
)
def test_the_address_is_judged_by_the_request_and_then_by_real_visitors(seen: _Seen, vitals: Vitals, status: Status):
    assert _judge_client(seen, vitals).status is status


# -- the cookies


@pytest.mark.parametrize(
    ("cookie", "is_right"),
    [
        (_TGC, True),
        (_TGC.replace("; Secure", ""), False),
        (_TGC.replace("; Domain=acme.com", ""), False),
        (_TGC.replace("Lax", "None"), False),
        (_TGC.replace("Path=/", "Path=/a7"), False),
        (_TGC.replace("; Max-Age=5", ""), False),
        (_TGC + "; HttpOnly", False),
    ],
)
def test_a_cookie_whose_attributes_were_changed_is_found(cookie: str, is_right: bool):
    assert _is_as_set(SimpleCookie(cookie)["_tgc"], "acme.com") is is_right


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(403), "is answered HTTP 403"),
        (reply(204, x_dropped="bot"), "drops a visit with consent (bot)"),
        (reply(204, access_control_allow_origin="*"), "the proxy changes the headers"),
        (reply(204, access_control_allow_origin=ORIGIN), "_tgv, ttclid, _ttp of the four"),
    ],
)
def test_a_visit_that_is_not_answered_as_it_should_is_told(tmp_path: Path, answer: Reply, said: str):
    cookies = dict(SimpleCookie(_TGC).items())
    finding = _judge_cookies(make_settings(tmp_path).stores[0], HOST, answer, cookies)
    assert finding.status is Status.FAIL
    assert said in finding.sentence


# -- certificate, disk, webhooks, orders


@pytest.mark.parametrize(
    ("addresses", "status"), [(("203.0.113.9", "2001:db8::9"), Status.OK), (("2001:db8::9",), Status.FAIL)]
)
async def test_a_machine_without_ipv6_judges_by_ipv4(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], status: Status
):
    async def shake_hands(_network: Network, address: str, _host: str) -> dict[str, str]:
        if ":" in address:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        return {"notBefore": "Jan  1 00:00:00 2026 GMT", "notAfter": "Mar  1 00:00:00 2026 GMT"}

    monkeypatch.setattr(door, "_shake_hands", shake_hands)
    finding = await door.check_certificate(Network("127.0.0.1"), Name(HOST, (), addresses), 1_767_312_000_000)
    assert finding.status is status


async def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(network, "LONGEST_BODY_BYTES", 100)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"x" * 101))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(Unreachable, match="more than 100 bytes"):
            await exchange(http, http.build_request("GET", "https://t.acme.com/"))


@pytest.mark.parametrize(("left_days", "status"), [(30, Status.OK), (14, Status.WARN)])
def test_a_certificate_that_is_not_renewed_in_time_is_told(left_days: int, status: Status):
    finding = _judge_life(HOST, 0, 90 * DAY_S, (90 - left_days) * DAY_S * 1000)
    assert (finding.status, f"another {left_days} days" in finding.sentence) == (status, True)


@pytest.mark.parametrize(("free", "status"), [(5e9, Status.OK), (5e8, Status.WARN), (5e7, Status.FAIL)])
def test_a_disk_that_fills_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: float, status: Status):
    monkeypatch.setattr(inside.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    settings = make_settings(tmp_path / "not" / "there")
    finding = inside.check_disk(settings)
    assert finding
    assert finding.status is status


@pytest.mark.parametrize(("age_days", "status"), [(None, Status.WARN), (1, Status.OK), (8, Status.WARN)])
def test_webhooks_that_stopped_coming_are_told(tmp_path: Path, age_days: int | None, status: Status):
    now_ms = 100 * DAY_S * 1000
    vitals = Vitals(last_webhook_ms=None if age_days is None else now_ms - age_days * DAY_S * 1000)
    assert check_deliveries(vitals, now_ms).status is status


def test_a_secret_that_is_not_the_shops_is_told():
    finding = check_deliveries(Vitals(last_webhook_ms=1, are_webhooks_refused=True), 2)
    assert finding.status is Status.FAIL
    assert finding.sentence == "Shopify's webhooks are refused: their signature fits none of `webhook_secrets`"
    assert finding.mend.startswith("copy the secret")


@pytest.mark.parametrize(
    ("orders", "status", "said"),
    [
        ({}, Status.OK, "0 were heard of"),
        ({"": 5, "order_source": 5}, Status.OK, "orders of web count, 10"),
        ({"": 2, "order_source": 5}, Status.WARN, "5 of the last week's 7 orders came from sources"),
        ({"": 2, "not_the_trigger": 5}, Status.WARN, "wait for orders/paid"),
    ],
)
def test_orders_that_mostly_do_not_count_are_told(tmp_path: Path, orders: dict[str, int], status: Status, said: str):
    shop = make_settings(tmp_path, shopify=SHOPIFY).stores[0].shopify
    assert shop
    finding = check_sources(Vitals(orders=orders), shop)
    assert (finding.status, said in finding.sentence) == (status, True)


@pytest.mark.parametrize(
    ("taken", "unconsented", "status"), [(0, 0, None), (5, 5, Status.OK), (0, 1, Status.WARN), (5, 6, Status.WARN)]
)
def test_events_that_mostly_lack_consent_are_told(tmp_path: Path, taken: int, unconsented: int, status: Status | None):
    for mode in ("shopify", "required", "granted"):
        shop = make_settings(tmp_path, consent=mode).stores[0]
        finding = check_consent(Vitals(taken=taken, unconsented=unconsented), shop)
        assert (finding and finding.status) == status


@pytest.mark.parametrize(
    ("fired", "blocked", "status"), [(0, 0, None), (5, 5, Status.OK), (0, 1, Status.WARN), (5, 6, Status.WARN)]
)
def test_a_pixel_that_is_mostly_blocked_is_told(fired: int, blocked: int, status: Status | None):
    finding = check_pixel(Vitals(fired=fired, blocked=blocked))
    assert (finding and finding.status) == status


# -- bounds, and what is shown


async def test_a_check_that_never_ends_has_failed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rounds, "CHECK_S", 0.01)

    async def wait_for_ever() -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    (finding,) = await rounds._run([("script", wait_for_ever())])
    assert (finding.check, finding.status) == ("script", Status.FAIL)
    assert "came to no end" in finding.sentence


@pytest.mark.parametrize("server", ["dns.example", "9.9.9.9:none", ""])
def test_a_dns_server_that_is_none_is_refused(server: str):
    with pytest.raises(CommandError, match="--dns"):
        Network(server)


async def give(*findings: Finding) -> AsyncIterator[Finding]:
    for finding in findings:
        yield finding


@pytest.mark.parametrize(
    ("findings", "code", "last"),
    [
        ((ok("dns", "fine"),), 0, "All that must work works. Next: "),
        ((ok("dns", "fine"), warn("disk", "small", "clean up")), 0, "All that must work works, 1 to know of. Next: "),
        ((fail("dns", "bad", "mend it"), warn("disk", "small", "clean up")), 1, "1 to mend. Next: "),
    ],
)
async def test_the_last_line_sums_up_and_says_what_is_next(
    findings: tuple[Finding, ...], code: int, last: str, capsys: pytest.CaptureFixture[str]
):
    assert await chart.show_findings(give(*findings)) == code
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith(last)
    assert out.splitlines()[0].split()[0] == findings[0].status
    assert ("\x1b" in out, err) == (False, "")


def test_a_line_names_store_check_sentence_and_mend():
    assert chart.to_line(Finding("dns", Status.FAIL, "not found", "add it", "acme")) == (
        "acme: dns: not found -> add it"
    )


async def test_on_a_terminal_every_line_is_whole_and_the_progress_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch):
    """What a terminal shows in the end: a carriage return and an erased line undo what stood there."""
    screen = StringIO()
    terminal = partial(Console, file=screen, force_terminal=True, width=60)
    monkeypatch.setattr(chart, "Console", terminal)
    await chart.show_findings(give(ok("dns", "fine " * 20), fail("disk", "full", "clean up")))
    shown = [line.split("\r\x1b[2K")[-1] for line in screen.getvalue().split("\n")]
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line) for line in shown]
    assert f"ok   dns: {'fine ' * 20}" in plain
    assert "fail disk: full -> clean up" in plain
    assert plain[-2].startswith("1 to mend")
    assert chart.WORKING in screen.getvalue()

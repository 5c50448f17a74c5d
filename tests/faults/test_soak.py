"""The soak of `make soak` in a few seconds: whatever strikes, every acknowledged event is accounted for."""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import misfortune, shoppers
from bench.soak import MB, Account, Sample, Soaked, Told, judge, settle, soak
from gateway.signals.logs import build_formatter
from gateway.signals.metrics import FAILURES, render
from tests.ports import free_port


async def test_every_acknowledged_event_is_delivered_or_ledgered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shoppers, "WITHDRAW", 0.1)
    monkeypatch.setattr(misfortune, "find_port", free_port)  # for all its lives
    soaked = await soak(tmp_path, minutes=0.1, rate=60, seed=4)
    assert soaked.account.is_whole, soaked
    assert soaked.account.delivered
    assert soaked.account.withdrawn
    assert (soaked.failures, soaked.defects) == (0, [])
    assert soaked.struck.total() >= 2


@pytest.mark.parametrize(
    ("told", "counted", "became"),
    [
        (Told("accepted"), 1, "delivered"),
        (Told("withdrawn"), 0, "withdrawn"),
        (Told("withdrawn", may_be_sent=True), 1, "withdrawn"),
        (Told("withdrawn"), 1, "told as withdrawn, and TikTok has it"),
        (Told("rejected"), 0, "rejected without a reason"),
        (Told("expired"), 1, "told as expired, and TikTok has it"),
        (Told("accepted"), 0, "told as accepted, and TikTok has never seen it"),
        (Told("accepted"), 2, "counted twice"),
        (Told(None), 0, "still waiting"),
        (Told(None), 1, "delivered without a fate"),
        (None, 0, "lost"),
        (None, 1, "delivered and forgotten"),
    ],
)
def test_the_database_and_tiktok_must_agree(told: Told | None, counted: int, became: str):
    assert judge(told, counted, has_withdrawn=True) == became


def test_a_visitor_who_never_withdrew_explains_no_withdrawal():
    assert judge(Told("withdrawn"), 0, has_withdrawn=False) == "withdrawn without a reason"


def test_an_account_with_a_lost_event_is_not_whole():
    account = settle({"told", "lost"}, set(), {"told": Told("accepted")}, {"told": 1})
    assert not account.is_whole
    assert account.wrong == {"lost": 1}


def test_an_account_of_which_nothing_was_delivered_is_not_whole():
    account = settle({"told"}, {"told"}, {"told": Told("withdrawn")}, {})
    assert not account.wrong
    assert not account.is_whole


def test_a_leak_of_a_few_bytes_a_beacon_is_seen_and_a_young_process_is_not_blamed():
    leaking = make_soaked(lambda at_s: 90 + at_s * 1000 * 40 / MB)
    assert round(leaking.growth_bytes) == 40
    growing_up = make_soaked(lambda at_s: 90 - max(0, 60 - at_s) / 4)
    assert abs(growing_up.growth_bytes) < 0.1


def make_soaked(memory: Callable[[int], float]) -> Soaked:
    """A life of five minutes with a thousand beacons a second, after another."""
    samples = [Sample(0.0, 0, 300.0), *(Sample(float(at_s), 1, memory(at_s)) for at_s in range(301))]
    account = Account(301_000, 301_000, 0, Counter())
    return Soaked(account, samples, Counter(), 0, 301.0, 0, [])


def test_a_shopper_who_is_late_catches_up_but_not_for_ever():
    assert shoppers.plan(100.0, 100.3, 0.5) == 100.5
    assert shoppers.plan(100.0, 103.0, 0.5) == 100.5
    assert shoppers.plan(100.0, 200.0, 0.5) == 200 - shoppers.CATCH_UP_S + 0.5


def test_a_defect_in_the_log_is_found():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(build_formatter(is_watched=False))
    log = logging.Logger("gateway")
    log.addHandler(handler)
    log.warning("the database takes writes again")
    assert misfortune.find_defects(out.getvalue()) == []
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        log.exception("a write failed")
    [defect] = misfortune.find_defects(out.getvalue())
    assert "ZeroDivisionError" in defect


def test_a_request_that_a_defect_ended_is_counted():
    before = misfortune.read_failures(render().decode())
    FAILURES.inc()
    assert misfortune.read_failures(render().decode()) == before + 1

"""How long a lane waits, and what ends the wait."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.retry import CAP_S, PROBE_S, Pace, backoff_s
from gateway.tiktok.answers import Answer, Verdict

NOW_MS = 1_000_000
PROBE_MS = int(PROBE_S * 1000)


class Highest(random.Random):
    """Chance at its worst: every wait is the longest."""

    def uniform(self, _low: float, high: float) -> float:
        return high


def answer(verdict: Verdict, retry_after_s: float | None = None) -> Answer:
    return Answer(verdict, 200, None, "", "", retry_after_s, is_known=True)


ACCEPTED, REJECT, RETRY, SNOOZE, PAUSE = (
    answer(verdict) for verdict in (Verdict.ACCEPTED, Verdict.REJECT, Verdict.RETRY, Verdict.SNOOZE, Verdict.PAUSE)
)


@given(st.integers(1, 10_000), st.randoms(use_true_random=False))
def test_a_wait_is_anything_up_to_its_bound(failures, chance):
    assert 0 <= backoff_s(failures, chance) <= min(300, 2 ** min(failures - 1, 20))


def test_the_bound_doubles_up_to_five_minutes():
    bounds = [backoff_s(failures, Highest()) for failures in range(1, 12)]
    assert bounds == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert CAP_S == 300


def test_waits_are_spread_over_all_of_their_range():
    chance = random.Random(1)
    waits = [backoff_s(5, chance) for _ in range(200)]
    assert min(waits) < 1
    assert max(waits) > 15


def test_a_fresh_lane_flows():
    pace = Pace(Highest())
    assert (pace.held_until_ms, pace.is_paused, pace.is_troubled) == (0, False, False)


@pytest.mark.parametrize("good", [ACCEPTED, REJECT], ids=["accepted", "one bad event"])
def test_a_good_answer_ends_every_trouble(good):
    pace = Pace(Highest())
    pace.heed(PAUSE, NOW_MS, NOW_MS)
    pace.heed(good, NOW_MS + PROBE_MS, NOW_MS + PROBE_MS)
    assert (pace.held_until_ms, pace.is_paused, pace.is_troubled) == (0, False, False)


@pytest.mark.parametrize("bad", [RETRY, SNOOZE], ids=["retry", "snooze"])
def test_failures_in_a_row_make_the_wait_longer(bad):
    pace, now_ms = Pace(Highest()), NOW_MS
    for wait_s in (1, 2, 4):
        pace.heed(bad, now_ms, now_ms)
        assert pace.held_until_ms == now_ms + wait_s * 1000
        assert pace.is_troubled
        now_ms = pace.held_until_ms
    pace.heed(ACCEPTED, now_ms, now_ms)
    pace.heed(bad, now_ms, now_ms)
    assert pace.held_until_ms == now_ms + 1000


def test_what_tiktok_asks_for_is_the_least():
    pace = Pace(Highest())
    pace.heed(answer(Verdict.SNOOZE, 30), NOW_MS, NOW_MS)
    assert pace.held_until_ms == NOW_MS + 30_000


def test_asking_for_nothing_shortens_no_wait():
    pace = Pace(Highest())
    pace.heed(answer(Verdict.SNOOZE, 0), NOW_MS, NOW_MS)
    assert pace.held_until_ms == NOW_MS + 1000


def test_answers_from_before_the_hold_count_for_nothing():
    pace = Pace(Highest())
    for _ in range(4):
        pace.heed(RETRY, NOW_MS, NOW_MS + 10)
    assert pace.held_until_ms == NOW_MS + 10 + 1000
    pace.heed(ACCEPTED, NOW_MS, NOW_MS + 20)
    assert pace.held_until_ms == NOW_MS + 10 + 1000
    assert pace.is_troubled


def test_a_longer_wait_asked_for_late_stands():
    pace = Pace(Highest())
    pace.heed(RETRY, NOW_MS, NOW_MS)
    pace.heed(answer(Verdict.SNOOZE, 60), NOW_MS, NOW_MS + 5)
    pace.heed(RETRY, NOW_MS, NOW_MS + 6)
    assert pace.held_until_ms == NOW_MS + 5 + 60_000


def test_refused_credentials_pause_for_a_minute_each_time():
    pace = Pace(Highest())
    for probe_ms in (NOW_MS, NOW_MS + PROBE_MS, NOW_MS + 2 * PROBE_MS):
        pace.heed(PAUSE, probe_ms, probe_ms)
        assert (pace.is_paused, pace.held_until_ms) == (True, probe_ms + PROBE_MS)
    assert PROBE_S == 60


def test_an_old_success_does_not_end_a_pause():
    pace = Pace(Highest())
    pace.heed(PAUSE, NOW_MS, NOW_MS)
    pace.heed(ACCEPTED, NOW_MS, NOW_MS + 50)
    assert (pace.is_paused, pace.held_until_ms) == (True, NOW_MS + PROBE_MS)


def test_an_old_refusal_pauses_all_the_same():
    pace = Pace(Highest())
    pace.heed(RETRY, NOW_MS, NOW_MS)
    pace.heed(PAUSE, NOW_MS, NOW_MS + 1)
    assert (pace.is_paused, pace.held_until_ms) == (True, NOW_MS + 1 + PROBE_MS)


def test_other_trouble_during_a_pause_leaves_it_paused():
    pace = Pace(Highest())
    pace.heed(PAUSE, NOW_MS, NOW_MS)
    pace.heed(SNOOZE, NOW_MS + PROBE_MS, NOW_MS + PROBE_MS)
    assert pace.is_paused


def test_a_hold_of_our_own_shortens_none():
    pace = Pace(Highest())
    pace.hold(NOW_MS, 5)
    pace.hold(NOW_MS, 1)
    assert pace.held_until_ms == NOW_MS + 5000

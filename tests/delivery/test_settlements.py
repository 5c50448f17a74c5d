"""What an event's fate is: pure rules, each at its boundary."""

from __future__ import annotations

import pytest
from msgspec import Raw, structs

from gateway.delivery.settlements import UNKNOWN_WINDOW_MS, after_answer, after_answers, put_back, screen
from gateway.model.event import Event, Page, PixelState, Source, User
from gateway.model.outcome import Fate
from gateway.model.words import AS_A_TEST
from gateway.store import Claimed, Settlement
from gateway.store.rows import from_event, to_raw_event
from gateway.tiktok.answers import Answer, Verdict

NOW_MS = 1_790_000_000_000
EVENT = Event(
    event="Purchase",
    event_id="purchase_1",
    occurred_ms=NOW_MS,
    received_ms=NOW_MS,
    source=Source.BEACON,
    page=Page("https://www.acme.com/"),
    user=User(external_id=("ab" * 32,)),
)


def claimed(event: Event = EVENT, **said) -> Claimed:
    usual = {"expires_ms": NOW_MS + 10, "attempts": 3, "maybe_sent_ms": None, "is_withdrawn": False}
    body, ip = from_event(event)
    return Claimed("id-1", Raw(body.encode()), ip, **usual | said)


CLAIMED = claimed()


def judge(one: Claimed, now_ms: int) -> Settlement | None:
    return screen(one, to_raw_event(one.body), now_ms)


def answer(verdict: Verdict, *, is_known: bool = True, **said) -> Answer:
    usual = {"http_status": 200, "code": 0, "message": "OK", "request_id": "r-1", "retry_after_s": None}
    return Answer(verdict, is_known=is_known, **usual | said)


def test_what_is_kept_back_still_tells_what_may_have_been_sent():
    """Else it could be replayed when TikTok counts it twice."""
    for kept in (claimed(is_withdrawn=True), claimed(expires_ms=0), claimed(event=structs.replace(EVENT, event=""))):
        settlement = judge(structs.replace(kept, maybe_sent_ms=NOW_MS - 5), NOW_MS)
        assert settlement
        assert settlement.maybe_sent_ms == NOW_MS - 5


def test_an_event_in_time_may_go():
    assert judge(CLAIMED, NOW_MS) is None


@pytest.mark.parametrize(("late_ms", "fate"), [(0, None), (1, Fate.EXPIRED)])
def test_an_event_expires_after_its_end(late_ms, fate):
    settlement = judge(CLAIMED, CLAIMED.expires_ms + late_ms)
    assert (settlement and settlement.fate) == fate


@pytest.mark.parametrize(
    ("pixel", "reason"),
    [
        (PixelState.FIRED, "the Pixel reported it 48 hours ago: TikTok could count it twice"),
        (PixelState.BLOCKED, "older than delivery.max_age_h"),
        (None, "older than delivery.max_age_h"),
    ],
)
def test_an_expired_event_is_told_why(pixel, reason):
    settlement = judge(claimed(event=structs.replace(EVENT, pixel=pixel)), NOW_MS + 11)
    assert settlement == Settlement("id-1", NOW_MS + 11, Fate.EXPIRED, reason)


@pytest.mark.parametrize(("late_ms", "fate"), [(0, None), (1, Fate.EXPIRED)])
def test_an_event_that_may_have_been_sent_has_less_than_two_days(late_ms, fate):
    maybe = claimed(maybe_sent_ms=NOW_MS, expires_ms=NOW_MS * 2)
    settlement = judge(maybe, NOW_MS + UNKNOWN_WINDOW_MS + late_ms)
    assert (settlement and settlement.fate) == fate
    assert UNKNOWN_WINDOW_MS < 48 * 3_600_000


def test_withdrawn_consent_comes_before_everything_else():
    settlement = judge(claimed(is_withdrawn=True, maybe_sent_ms=0), NOW_MS + 11)
    assert settlement
    assert settlement.fate is Fate.WITHDRAWN


def test_an_event_that_tiktok_would_refuse_is_rejected_unsent():
    settlement = judge(claimed(event=structs.replace(EVENT, user=User())), NOW_MS)
    assert settlement == Settlement("id-1", NOW_MS, Fate.REJECTED, "user: empty, nothing to match")


@pytest.mark.parametrize("kept", [claimed(is_withdrawn=True), claimed(expires_ms=0), claimed(maybe_sent_ms=0)])
def test_what_is_kept_back_was_not_attempted(kept):
    settlement = judge(kept, NOW_MS)
    assert settlement
    assert settlement.verdict is None


def test_an_accepted_event_has_its_fate_and_tiktoks_answer():
    assert after_answer(CLAIMED, answer(Verdict.ACCEPTED), NOW_MS, NOW_MS + 80, 0) == Settlement(
        id="id-1", at_ms=NOW_MS + 80, fate=Fate.ACCEPTED, attempts=3, verdict=Verdict.ACCEPTED, http_status=200, code=0,
        message="OK", request_id="r-1",
    )  # fmt: skip


def test_a_rejected_event_is_told_tiktoks_reason():
    settlement = after_answer(CLAIMED, answer(Verdict.REJECT, message="Batch.0.event: bad"), NOW_MS, NOW_MS, 0)
    assert (settlement.fate, settlement.reason) == (Fate.REJECTED, "Batch.0.event: bad")


@pytest.mark.parametrize(
    ("verdict", "attempts"), [(Verdict.RETRY, 4), (Verdict.SNOOZE, 3), (Verdict.PAUSE, 3)], ids=str
)
def test_what_is_not_settled_is_due_again_and_only_a_retry_costs(verdict, attempts):
    settlement = after_answer(CLAIMED, answer(verdict), NOW_MS, NOW_MS, NOW_MS + 500)
    assert (settlement.fate, settlement.reason) == (None, None)
    assert (settlement.due_ms, settlement.attempts, settlement.verdict) == (NOW_MS + 500, attempts, verdict)


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.SNOOZE, Verdict.PAUSE])
def test_a_known_answer_starts_no_clock(verdict):
    assert after_answer(CLAIMED, answer(verdict), NOW_MS, NOW_MS, NOW_MS).maybe_sent_ms is None


def test_an_unknown_answer_starts_the_clock_when_the_request_left():
    settlement = after_answer(CLAIMED, answer(Verdict.RETRY, is_known=False), NOW_MS - 9, NOW_MS, NOW_MS)
    assert settlement.maybe_sent_ms == NOW_MS - 9


@pytest.mark.parametrize("is_known", [True, False])
def test_a_clock_once_started_runs_on(is_known):
    maybe = claimed(maybe_sent_ms=NOW_MS - 1000)
    settlement = after_answer(maybe, answer(Verdict.RETRY, is_known=is_known), NOW_MS, NOW_MS, NOW_MS)
    assert settlement.maybe_sent_ms == NOW_MS - 1000


@pytest.mark.parametrize("maybe_sent_ms", [None, NOW_MS - 1000])
def test_what_is_put_back_is_as_it_was(maybe_sent_ms):
    assert put_back(claimed(maybe_sent_ms=maybe_sent_ms), NOW_MS, NOW_MS + 7) == Settlement(
        "id-1", NOW_MS, due_ms=NOW_MS + 7, attempts=3, maybe_sent_ms=maybe_sent_ms
    )


def test_each_event_of_a_request_is_settled_by_what_was_known_of_it():
    part = [claimed(attempts=attempts, maybe_sent_ms=maybe) for attempts in (0, 3) for maybe in (None, NOW_MS - 1000)]
    part = [structs.replace(one, id=f"id-{number}") for number, one in enumerate(part * 2)]
    for said in (answer(Verdict.ACCEPTED), answer(Verdict.RETRY, is_known=False), answer(Verdict.SNOOZE)):
        alone = [after_answer(one, said, NOW_MS - 9, NOW_MS, NOW_MS + 5) for one in part]
        assert after_answers(part, said, NOW_MS - 9, NOW_MS, NOW_MS + 5) == alone


def test_what_is_accepted_as_a_test_is_told_from_what_counts():
    assert after_answer(CLAIMED, answer(Verdict.ACCEPTED), NOW_MS, NOW_MS, 0, is_test=True).reason == AS_A_TEST
    refused = after_answer(CLAIMED, answer(Verdict.REJECT, message="bad"), NOW_MS, NOW_MS, 0, is_test=True)
    assert refused.reason == "bad"

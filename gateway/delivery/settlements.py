"""What an event's fate is, before it is sent and after TikTok has answered. Pure; the rules of contract 4.4."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import structs

from gateway.delivery.retry import CAP_S
from gateway.model.event import RawEvent
from gateway.model.outcome import Fate
from gateway.model.words import AS_A_TEST
from gateway.store import Claimed, Settlement
from gateway.tiktok.answers import Answer, Verdict
from gateway.tiktok.payload import check_event

UNKNOWN_WINDOW_MS = 48 * 3_600_000 - 60_000
"""How long after an attempt with an unknown answer an event may be sent again, less a minute for the request itself.

Source: TikTok spec 5, read 2026-09: what arrives more than 48 hours after its twin counts a second time.
"""


_FATES = {Verdict.ACCEPTED: Fate.ACCEPTED, Verdict.REJECT: Fate.REJECTED}
"""What ends an event's way; after any other verdict it is sent again."""


class _Leased(Protocol):
    """What is known of an event whether it was read or not."""

    @property
    def id(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def maybe_sent_ms(self) -> int | None: ...


def screen(claimed: Claimed, event: RawEvent, now_ms: int) -> Settlement | None:
    """Why this event must not be sent now, as its settlement; None when it may go."""
    fate, reason = _judge(claimed, event, now_ms)
    return Settlement(claimed.id, now_ms, fate, reason, maybe_sent_ms=claimed.maybe_sent_ms) if fate else None


def _judge(claimed: Claimed, event: RawEvent, now_ms: int) -> tuple[Fate | None, str | None]:
    if claimed.is_withdrawn:
        return Fate.WITHDRAWN, "consent was withdrawn before it was sent"
    if now_ms > claimed.expires_ms:
        return Fate.EXPIRED, _too_late(event)
    if claimed.maybe_sent_ms is not None and now_ms > claimed.maybe_sent_ms + UNKNOWN_WINDOW_MS:
        return Fate.EXPIRED, "an earlier attempt had no answer 48 hours ago: TikTok could count it twice"
    fault = check_event(event, claimed.ip)
    return (Fate.REJECTED, fault) if fault else (None, None)


def _too_late(event: RawEvent) -> str:
    if event.pixel == "fired":
        return "the Pixel reported it 48 hours ago: TikTok could count it twice"
    return "older than delivery.max_age_h"


def not_ahead(event: RawEvent, now_ms: int) -> RawEvent:
    """The event as it is sent: what a clock that was ahead has dated after now happened now, for all TikTok knows.

    Source: TikTok spec 3.1, read 2026-09: what becomes of a time in the future is open.
    """
    return structs.replace(event, occurred_ms=now_ms) if event.occurred_ms > now_ms else event


def put_back(claimed: _Leased, now_ms: int, due_ms: int) -> Settlement:
    """The settlement of an event that was claimed and not sent: as it was before, and due again."""
    return Settlement(claimed.id, now_ms, due_ms=due_ms, attempts=claimed.attempts, maybe_sent_ms=claimed.maybe_sent_ms)


def unread(claimed: Claimed, now_ms: int) -> Settlement:
    """The settlement of an event that this program cannot read: another version may, as long as it is in time."""
    if now_ms > claimed.expires_ms:
        reason = "it could not be read, by a defect of the gateway that its log names"
        return Settlement(claimed.id, now_ms, Fate.EXPIRED, reason, maybe_sent_ms=claimed.maybe_sent_ms)
    return put_back(claimed, now_ms, now_ms + int(CAP_S * 1000))


def unwritten(claimed: _Leased, now_ms: int) -> Settlement:
    """The settlement of an event that cannot be written as a request, not even alone: nothing would ever send it."""
    reason = "it could not be written as a request, by a defect of the gateway that its log names"
    return Settlement(claimed.id, now_ms, Fate.REJECTED, reason, maybe_sent_ms=claimed.maybe_sent_ms)


def after_answers(
    part: Iterable[_Leased], answer: Answer, sent_ms: int, now_ms: int, due_ms: int, *, is_test: bool = False
) -> list[Settlement]:
    """The settlements of all events of an answered request: worked out once for those of whom the same was known."""
    known: dict[tuple[int, int | None], Settlement] = {}
    settlements: list[Settlement] = []
    for one in part:
        before = (one.attempts, one.maybe_sent_ms)
        if before not in known:
            known[before] = after_answer(one, answer, sent_ms, now_ms, due_ms, is_test=is_test)
        settlements.append(structs.replace(known[before], id=one.id))
    return settlements


def after_answer(
    claimed: _Leased, answer: Answer, sent_ms: int, now_ms: int, due_ms: int, *, is_test: bool = False
) -> Settlement:
    """The settlement of one event of an answered request; REJECT is for an event that was alone in its request."""
    fate, reason = _FATES.get(answer.verdict), None
    if fate is Fate.REJECTED:
        reason = answer.message
    elif fate and is_test:
        reason = AS_A_TEST
    maybe_sent_ms = claimed.maybe_sent_ms
    if not answer.is_known and maybe_sent_ms is None:
        maybe_sent_ms = sent_ms
    return Settlement(
        id=claimed.id,
        at_ms=now_ms,
        fate=fate,
        reason=reason,
        due_ms=due_ms,
        attempts=claimed.attempts + (answer.verdict is Verdict.RETRY),
        maybe_sent_ms=maybe_sent_ms,
        verdict=answer.verdict,
        http_status=answer.http_status,
        code=answer.code,
        message=answer.message,
        request_id=answer.request_id,
    )

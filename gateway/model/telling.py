"""Tells a Dossier in plain sentences. Pure; the words stand in `gateway.model.words`.

Called by `gateway.ops.ledger` for terminals and by the dashboard for its pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from gateway.model.browser import Browser
from gateway.model.dossier import Attempt, EventDossier, OrderDossier, VisitorDossier
from gateway.model.event import PixelState, Source
from gateway.model.outcome import Fate
from gateway.model.words import BROWSERS, FATES, PIXEL_REFUSED, PIXEL_STATES, REASONS, SOURCES, VERDICTS, WAYS

Line = tuple[str, str]
"""What it is about, and what there is to say."""

When = Callable[[int], str]
"""A time in words. Units: Unix milliseconds."""

_ANSWERLESS = "no answer"
_REASONS = {str(reason): sentence for reason, sentence in REASONS.items()}


def tell_time(at_ms: int) -> str:
    """A time as people read it, in UTC: servers and shops have many time zones."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def tell_event(event: EventDossier, when: When = tell_time) -> Iterator[Line]:
    """The event's account, from how it came in to how it ended."""
    yield "came in", f"{when(event.received_ms)}: {SOURCES[Source(event.source)]}, {_tell_device(event)}."
    if event.occurred_ms < event.received_ms - 1000:
        yield "happened", f"{when(event.occurred_ms)}."
    yield "consent", _tell_consent(event)
    if event.visitor_id:
        way = WAYS.get(event.found_by or "", "how it was found is not recorded")
        yield "visitor", f"{event.visitor_id}, {way}."
    if event.pixel:
        yield "pixel", f"{_capitalise(PIXEL_STATES[PixelState(event.pixel)])}."
    yield "known by", ", ".join(event.match_keys) or "nothing"
    if event.value is not None:
        yield "value", f"{event.value} {event.currency or ''}".rstrip()
    if event.duplicates:
        yield "merged", f"It was told {_times(event.duplicates)} more, and is sent once."
    for attempt in event.attempts:
        yield "sent", tell_attempt(attempt, when)
    yield "outcome", tell_outcome(event, when)


def tell_outcome(event: EventDossier, when: When = tell_time) -> str:
    """How the event ended, or when it is sent, in one sentence or two."""
    said = FATES[event.fate]
    if event.fate is None:
        return _tell_wait(event, when)
    if not event.reason:
        return said
    if event.fate is Fate.ACCEPTED:
        return f"{said.rstrip('.')} {event.reason}."
    return f"{said} The reason: {_REASONS.get(event.reason, event.reason).rstrip('.')}."


def _tell_wait(event: EventDossier, when: When) -> str:
    if event.attempts and event.attempts[-1].verdict == "pause":
        return PIXEL_REFUSED
    if event.due_ms is None:
        return FATES[None]
    return f"It is on its way: it is sent at {when(event.due_ms)} or soon after."


def tell_attempt(attempt: Attempt, when: When = tell_time) -> str:
    """When it was sent, and all that TikTok said."""
    code = _ANSWERLESS if not attempt.http_status else f"HTTP {attempt.http_status}"
    if attempt.code is not None:
        code = f"code {attempt.code}"
    said = f"{when(attempt.attempted_ms)}: {VERDICTS.get(attempt.verdict, attempt.verdict)}, {code}"
    said += f", {attempt.message}" if attempt.message else ""
    return said + (f" (request {attempt.request_id})" if attempt.request_id else "")


def tell_order(order: OrderDossier, when: When = tell_time) -> Iterator[Line]:
    """The order's account, but for what its events tell."""
    yield "placed", f"{when(order.placed_ms)}."
    if order.name is None:
        yield "told by", "A browser alone; Shopify has not told of it."
    else:
        yield "told by", f"Shopify, last at {when(order.heard_ms)}."
    if order.value is not None:
        yield "value", f"{order.value} {order.currency or ''}".rstrip()
    if order.visitor_id:
        yield "visitor", order.visitor_id
    if order.reason:
        yield "outcome", f"Not sent, because {_REASONS.get(order.reason, order.reason)}."


def tell_visitor(visitor: VisitorDossier, when: When = tell_time, cost: str = "") -> Iterator[Line]:
    """What is known of the visitor, without saying it. `cost`: what Safari takes of the cookies' life, if anything."""
    yield "seen", f"{when(visitor.first_seen_ms)} to {when(visitor.last_seen_ms)}, {_tell_device(visitor)}."
    if visitor.click_ms is not None:
        yield (
            "click",
            f"The newest ad click is of {when(visitor.click_ms)}." if visitor.click_ms else "An ad click.",
        )
    yield "known by", ", ".join(visitor.known) or "nothing"
    choice = {True: "allowed", False: "refused", None: "not said"}[visitor.marketing]
    said = f", told by {visitor.consent_source or 'the page'}" if visitor.consent_ms is not None else ""
    at = f" at {when(visitor.consent_ms)}" if visitor.consent_ms else ""
    yield "consent", f"Marketing is {choice}{said}{at}."
    if cost and visitor.is_safari:
        yield "cookies", cost


def _tell_device(seen: EventDossier | VisitorDossier) -> str:
    family = f"from an {seen.ip_family} address" if seen.ip_family else "address not kept"
    return family if seen.browser is Browser.UNKNOWN else f"{family}, {BROWSERS[seen.browser]}"


def _tell_consent(event: EventDossier) -> str:
    if event.consent_source is None:
        said = (
            "Nobody had made a choice known, or it is not recorded; without consent where it is needed nothing is kept."
        )
    else:
        said = f"Allowed when it was taken, told by {event.consent_source or 'the page'}."
    return said + (
        " The sale of data is refused: TikTok is told to use it in a limited way." if event.is_limited else ""
    )


def _capitalise(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"

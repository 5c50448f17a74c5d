"""Every word of the gateway's has its sentence, and an account tells all there is and nothing personal."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.browser import Browser
from gateway.model.conversion import Reason
from gateway.model.dossier import Attempt, EventDossier, OrderDossier, VisitorDossier
from gateway.model.event import PixelState, Source
from gateway.model.outcome import Dropped, Fate
from gateway.model.telling import tell_event, tell_order, tell_visitor
from gateway.model.words import BROWSERS, DROPS, FATES, PIXEL_STATES, REASONS, SOURCES, VERDICTS, WAYS
from gateway.store.receipt import AnchorKind, FoundBy
from gateway.tiktok.answers import Verdict

AT_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        ({*Fate, None}, FATES),
        ({*Reason}, REASONS),
        ({*Dropped}, DROPS),
        ({*Source}, SOURCES),
        ({*PixelState}, PIXEL_STATES),
        ({*FoundBy}, WAYS),
        ({*Verdict}, VERDICTS),
        ({*Browser}, BROWSERS),
    ],
    ids=["fates", "reasons", "drops", "sources", "pixel", "ways", "verdicts", "browsers"],
)
def test_every_word_has_its_sentence(words: set[Any], sentences: dict[Any, str]):
    assert set(sentences) == words
    assert len(set(sentences.values())) == len(sentences) or words == {*PixelState}


def test_every_anchor_is_a_way():
    assert {*AnchorKind} < {*FoundBy}


def make_dossier(**said: Any) -> EventDossier:
    usual: dict[str, Any] = {
        "store_id": "acme", "id": "0" * 32, "pixel_code": "C0", "event": "Purchase", "event_id": "purchase_7",
        "visitor_id": "1" * 32, "source": "webhook", "pixel": None, "occurred_ms": AT_MS, "received_ms": AT_MS,
        "duplicates": 0, "ip_family": "IPv6", "browser": Browser.SAFARI_IOS, "match_keys": ("ttclid", "email"),
        "is_limited": False, "value": "38.36", "currency": "EUR", "found_by": "cart", "consent_source": "shopify",
        "fate": None, "reason": None, "settled_ms": None, "maybe_sent_ms": None, "due_ms": None,
    }  # fmt: skip
    return EventDossier(**usual | said)


def tell(**said: Any) -> dict[str, str]:
    return dict(tell_event(make_dossier(**said)))


def test_an_events_account_tells_how_it_came_and_how_it_ended():
    refused = Attempt(AT_MS + 1000, "reject", 200, 40002, "invalid currency", "202611")
    told = tell(fate=Fate.REJECTED, reason="invalid currency", attempts=(refused,), duplicates=1, pixel="blocked")
    assert told == {
        "came in": "2026-09-21 14:13:20 UTC: Shopify's webhook told it, from an IPv6 address, "
        "Safari on iPhone or iPad.",
        "consent": "Allowed when it was taken, told by shopify.",
        "visitor": f"{'1' * 32}, by the cart.",
        "pixel": "The browser's Pixel was blocked, so only the gateway reported it.",
        "known by": "ttclid, email",
        "value": "38.36 EUR",
        "merged": "It was told once more, and is sent once.",
        "sent": "2026-09-21 14:13:21 UTC: refused, code 40002, invalid currency (request 202611)",
        "outcome": f"{FATES[Fate.REJECTED]} The reason: invalid currency.",
    }


def test_what_waits_says_when_it_is_sent():
    assert "2026-09-21 14:14:05 UTC" in tell(due_ms=AT_MS + 45_000)["outcome"]


def test_a_reason_of_ours_is_told_in_words():
    assert REASONS[Reason.ZERO_VALUE] in tell(fate=Fate.NOT_SENT, reason="zero_value")["outcome"]


def test_what_is_not_recorded_is_not_made_up():
    told = tell(found_by=None, consent_source=None, ip_family=None, browser=Browser.UNKNOWN)
    assert "not recorded" in told["visitor"]
    assert "not recorded" in told["consent"]
    assert "address not kept" in told["came in"]


@pytest.mark.parametrize("reason", Reason)
def test_an_order_that_was_not_sent_says_why(reason: Reason):
    order = OrderDossier("acme", "7", "#1001", None, AT_MS, AT_MS, "38.36", "EUR", reason)
    assert dict(tell_order(order))["outcome"] == f"Not sent, because {REASONS[reason]}."


@pytest.mark.parametrize(
    ("browser", "is_told"),
    [(Browser.SAFARI, True), (Browser.SAFARI_IOS, True), (Browser.CHROME, False), (Browser.META, False)],
)
def test_what_safari_takes_of_cookies_is_told_of_safaris_visitors_alone(browser: Browser, is_told: bool):
    visitor = VisitorDossier("acme", "v", AT_MS, AT_MS, None, (), None, None, None, None, browser)
    assert (("cookies", "Seven days.") in list(tell_visitor(visitor, cost="Seven days."))) is is_told
    assert "cookies" not in dict(tell_visitor(visitor))

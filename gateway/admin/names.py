"""Short names for columns, choices and rows, the same on every page. Sentences stand in `gateway.model.words`.

Used by templates as filters (`gateway.admin.rendering`), and by the pages.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.browser import Browser
from gateway.model.event import Source
from gateway.model.outcome import Fate
from gateway.model.words import BROWSERS

OTHER = "other"
"""What the hours call a store's own events."""

WAITING = "on its way"

OUTCOMES: Mapping[str, str] = {
    Fate.ACCEPTED: "accepted",
    Fate.REJECTED: "refused",
    Fate.EXPIRED: "too late",
    Fate.WITHDRAWN: "consent withdrawn",
    Fate.NOT_SENT: "not sent",
}
TELLERS: Mapping[str, str] = {
    Source.BEACON: "store's page",
    Source.PIXEL: "custom pixel",
    Source.WEBHOOK: "webhook",
    Source.RECONCILE: "Shopify's orders",
    Source.TEST: "test event",
}
KEYS: Mapping[str, str] = {
    "ttclid": "click id",
    "ttp": "TikTok's cookie",
    "email": "email",
    "phone": "phone",
    "external_id": "external id",
    "ip": "IP address",
    "user_agent": "browser",
}


def name_outcome(fate: str | None) -> str:
    """How an event ended; what has not is on its way."""
    return OUTCOMES.get(fate or "", WAITING)


def name_teller(source: str) -> str:
    """Who told of an event."""
    return TELLERS[source]


def name_key(key: str) -> str:
    """A match key; one that is not counted keeps its own name."""
    return KEYS.get(key, key.replace("_", " "))


def name_event(name: str) -> str:
    """An event as the hours count it: one of TikTok's own names, or all others together."""
    return "Your own events" if name == OTHER else name


def name_browser(browser: str) -> str:
    """The browser as people call it."""
    return BROWSERS[Browser(browser)]

"""A Dossier: all that is stored of orders and events, as a merchant may see it.

Made by `gateway.store.search`, told in sentences by `gateway.model.telling`. Nothing personal is in it: of an address
its family, of a user agent its browser, of an email that there was one.
"""

from __future__ import annotations

from msgspec import Struct

from gateway.model.browser import Browser
from gateway.model.outcome import Fate


class Attempt(Struct, frozen=True):
    """One sending to TikTok, and its answer. Shape: `http_status` is 0 when none came; `message` is redacted."""

    attempted_ms: int
    verdict: str
    http_status: int | None
    code: int | None
    message: str | None
    request_id: str | None


class EventDossier(Struct, frozen=True):
    """One event at one pixel.

    `match_keys` names what TikTok gets to know the person by. `pixel` is what became of the browser Pixel's copy.
    `duplicates`: how often it was told once more. `due_ms`: when it is sent, while it waits.
    `maybe_sent_ms`: the first attempt whose answer nobody knows.
    """

    store_id: str
    id: str
    pixel_code: str
    event: str
    event_id: str
    visitor_id: str | None
    source: str
    pixel: str | None
    occurred_ms: int
    received_ms: int
    duplicates: int
    ip_family: str | None
    browser: Browser
    match_keys: tuple[str, ...]
    is_limited: bool
    value: str | None
    currency: str | None
    found_by: str | None
    consent_source: str | None
    fate: Fate | None
    reason: str | None
    settled_ms: int | None
    maybe_sent_ms: int | None
    due_ms: int | None
    attempts: tuple[Attempt, ...] = ()


class OrderDossier(Struct, frozen=True):
    """One order. `reason`: why no Purchase was queued for it; None when one was."""

    store_id: str
    id: str
    name: str | None
    visitor_id: str | None
    placed_ms: int
    heard_ms: int
    value: str | None
    currency: str | None
    reason: str | None


class VisitorDossier(Struct, frozen=True):
    """One visitor. `marketing` is the choice in force, None for none; `known` names what is known of them."""

    store_id: str
    id: str
    first_seen_ms: int
    last_seen_ms: int
    click_ms: int | None
    known: tuple[str, ...]
    marketing: bool | None
    consent_source: str | None
    consent_ms: int | None
    ip_family: str | None
    browser: Browser

    @property
    def is_safari(self) -> bool:
        """Whether Safari's rules hold for its cookies; of an app's own window nobody can tell."""
        return self.browser in (Browser.SAFARI, Browser.SAFARI_IOS)


class Dossier(Struct, frozen=True):
    """What a search found in one store; newest first. `is_cut`: there is more than is shown."""

    orders: tuple[OrderDossier, ...] = ()
    events: tuple[EventDossier, ...] = ()
    visitors: tuple[VisitorDossier, ...] = ()
    is_cut: bool = False

"""What upper layers hand to the store to be written, and what they get back. Built by `gateway.intake`."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Raw, Struct

from gateway.model.consent import ConsentMode
from gateway.model.conversion import OrderFacts, Reason, Reversal
from gateway.model.event import NO_USER, Event, User
from gateway.model.outcome import Dropped, Fate
from gateway.model.visitor import Sighting, Visitor


class AnchorKind(StrEnum):
    """What can lead back to a visitor, in the order in which they are asked (architecture, Identity)."""

    FIRST = "first"
    CART = "cart"
    CHECKOUT = "checkout"
    CLIENT = "client"
    CUSTOMER = "customer"
    EMAIL = "email"
    PHONE = "phone"


UNGUESSABLE = frozenset({AnchorKind.FIRST, AnchorKind.CART, AnchorKind.CHECKOUT, AnchorKind.CLIENT})
"""Anchors that nobody can make up: only these may give a browser its cookies back (contract 4.6)."""


class FoundBy(StrEnum):
    """How the visitor of an event was found: by an anchor, or by one of the three ways that are none."""

    FIRST = "first"
    CART = "cart"
    CHECKOUT = "checkout"
    CLIENT = "client"
    CUSTOMER = "customer"
    EMAIL = "email"
    PHONE = "phone"
    SIGNED = "signed"  # by a signature of ours: the visitor cookie, or the companion
    TWIN = "twin"  # by the same event, told another way before
    NEW = "new"  # nobody was found, so a new visitor was made


class Anchor(Struct, frozen=True, gc=False):
    """One way back to a visitor. `digest` is keyed: the database alone cannot be searched for a cart or an email."""

    kind: AnchorKind
    digest: str


class Queued(Struct, frozen=True, gc=False):
    """One event for one pixel. Units: `expires_ms` Unix milliseconds, after which it must not be sent."""

    pixel_code: str
    event: Event
    expires_ms: int
    fate: Fate | None = None
    reason: str | None = None


class WebhookNote(Struct, frozen=True, gc=False):
    """One delivery of a webhook; the same `id` comes again when Shopify did not see our answer."""

    id: str
    topic: str


class OrderNote(Struct, frozen=True, gc=False):
    """What the account of orders is told. `reason`: why the order is no Purchase to be sent, None when it is one."""

    facts: OrderFacts
    reason: Reason | None = None


class Receipt(Struct, frozen=True, gc=False):
    """All that one request says, to be written in one transaction.

    `known_id` comes out of a verified signature; `new_id` is used when nobody is known and `may_create` is true.
    `is_browserless`: no browser gets an answer, so a guessable anchor, or a twin of one of the events, may lead to the
    visitor too. `fallback` holds match keys for where the visitor has none. Units: `hold_unknown_ms` is how long the
    events of a visitor whom no browser has told of wait for the twin that one may still tell.
    """

    store_id: str
    mode: ConsentMode
    new_id: str
    sighting: Sighting
    known_id: str | None = None
    anchors: tuple[Anchor, ...] = ()
    events: tuple[Queued, ...] = ()
    may_create: bool = True
    is_browserless: bool = False
    fallback: User = NO_USER
    hold_unknown_ms: int = 0
    webhook: WebhookNote | None = None
    order: OrderNote | None = None
    reversal: Reversal | None = None


class Recorded(Struct, frozen=True, gc=False):
    """What is on disk now.

    `visitor` is None when nothing about a visitor was kept. `kin` is the same person known by a guessable anchor: never
    told to the browser. `queued` and `duplicates` count events; `late` of the duplicates came after their twin left, or
    after their order was over or its person erased. `is_ignored`: the webhook was heard before, or its order is erased.
    """

    visitor: Visitor | None = None
    kin: Visitor | None = None
    found_by: FoundBy | None = None
    is_ignored: bool = False
    queued: int = 0
    duplicates: int = 0
    late: int = 0
    dropped: Dropped | None = None


class Claimed(Struct, frozen=True, gc=False):
    """An event leased for sending. `maybe_sent_ms` is what was known before this lease.

    Shape: `body` as in `events`, for `gateway.store.rows`.
    """

    id: str
    body: Raw
    ip: str | None
    expires_ms: int
    attempts: int
    maybe_sent_ms: int | None
    is_withdrawn: bool


class Settlement(Struct, frozen=True, gc=False):
    """What became of one leased event.

    With a `fate` it leaves the outbox for good; without one it is due again at `due_ms`.
    `verdict` None: nothing was sent, so no attempt is recorded.
    """

    id: str
    at_ms: int
    fate: Fate | None = None
    reason: str | None = None
    due_ms: int = 0
    attempts: int = 0
    maybe_sent_ms: int | None = None
    verdict: str | None = None
    http_status: int | None = None
    code: int | None = None
    message: str | None = None
    request_id: str | None = None

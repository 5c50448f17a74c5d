"""Outcome: the one final fate of everything the gateway received.

Beacons that never become a stored event end in a Dropped reason, told to the client in `X-Dropped` and counted, as is a
webhook that its shop did not sign; stored events end in a Fate, kept with the event. The words here are those of the
database, the metrics and the documentation.
"""

from __future__ import annotations

from enum import StrEnum


class Dropped(StrEnum):
    """Why something was deliberately not stored or not queued."""

    CONSENT = "consent"  # no consent given, or refused
    BOT = "bot"  # a crawler, and the store says bots = "drop"
    PAGE_VIEW = "page_view"  # the Pixel reported this page view itself; TikTok cannot deduplicate it (spec 4.1)
    DUPLICATE = "duplicate"  # already received, and already on its way
    NO_PIXEL = "no_pixel"  # no configured pixel takes this event
    SIGNATURE = "signature"  # a webhook in the shop's name, signed with none of its secrets: answered 401


class Fate(StrEnum):
    """How a stored event ended. None in the database: it is still on its way."""

    ACCEPTED = "accepted"  # TikTok answered code 0
    REJECTED = "rejected"  # TikTok refused this event for good: a dead letter, may be replayed
    EXPIRED = "expired"  # too old to be sent without counting twice, or at all
    WITHDRAWN = "withdrawn"  # consent was withdrawn while it waited
    NOT_SENT = "not_sent"  # deliberately never queued; the reason says why

"""A Visitor: one browser as far as the gateway can know, the person last seen on it, and the click that led here."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from gateway.model.consent import Consent
from gateway.model.landing import Landing

CLICK_WINDOW_MS = 28 * 86_400_000
"""How long a click id is worth keeping. Source: TikTok's longest click-attribution window (spec 6.1)."""


class Click(Struct, frozen=True, gc=False):
    """A click on an ad. Units: `at_ms` Unix milliseconds of the landing."""

    ttclid: str
    at_ms: int


class Identity(Struct, frozen=True, gc=False):
    """Who a visitor said they are; every value is a SHA-256 hex digest."""

    email: str | None = None
    phone: str | None = None
    external_id: str | None = None


NOBODY = Identity()
"""What a visitor said who said nothing."""


class Visitor(Struct, frozen=True, gc=False):
    """What is known of one visitor.

    Units: `first_seen_ms`, `last_seen_ms` Unix milliseconds. `id` is a UUIDv7 in 32 hex digits.
    `landing`: how they came to the first page seen; `cookie_ms`: when their cookie was last counted.
    """

    id: str
    first_seen_ms: int
    last_seen_ms: int
    click: Click | None = None
    ttp: str | None = None
    identity: Identity = NOBODY
    consent: Consent | None = None
    ip: str | None = None
    user_agent: str | None = None
    landing: Landing | None = None
    cookie_ms: int | None = None


class Sighting(Struct, frozen=True, gc=False):
    """What one beacon, ad landing or order says about its visitor.

    `minted_ttp` is used only where no `_ttp` is known. `cookie_first_ms`: when the visitor cookie that came along was
    first issued; 0 for a browser that could have sent one and did not; None where none could come.
    """

    at_ms: int
    click: Click | None = None
    ttp: str | None = None
    minted_ttp: str | None = None
    identity: Identity = NOBODY
    consent: Consent | None = None
    ip: str | None = None
    user_agent: str | None = None
    cookie_first_ms: int | None = None


_DAY_MS = 86_400_000


def update_visitor(visitor: Visitor, seen: Sighting) -> Visitor:
    """The visitor after this sighting; the very same object when nothing worth a write has changed.

    The newest click wins. A changed email or external id starts a new identity instead of mixing two people on one
    device. `last_seen_ms`, `ip` and `user_agent` are refreshed at most once a day, or along with any other change; a
    cookie is noted once a day.
    """
    news: dict[str, Any] = {}
    if seen.click and _is_newer(seen.click, visitor.click, seen.at_ms):
        news["click"] = seen.click
    if seen.ttp and seen.ttp != visitor.ttp:
        news["ttp"] = seen.ttp
    elif seen.minted_ttp and not visitor.ttp:
        news["ttp"] = seen.minted_ttp
    if seen.identity != NOBODY and (identity := merge_identity(visitor.identity, seen.identity)) != visitor.identity:
        news["identity"] = identity
    consent = newest_consent(visitor.consent, seen.consent)
    if consent is not visitor.consent:
        news["consent"] = consent
    if seen.cookie_first_ms is not None and is_later_day(seen.at_ms, visitor.cookie_ms):
        news["cookie_ms"] = seen.at_ms
    if not news and seen.at_ms - visitor.last_seen_ms < _DAY_MS:
        return visitor
    news["last_seen_ms"] = max(visitor.last_seen_ms, seen.at_ms)
    news["ip"], news["user_agent"] = seen.ip or visitor.ip, seen.user_agent or visitor.user_agent
    return structs.replace(visitor, **news)


def is_later_day(at_ms: int, than_ms: int | None) -> bool:
    """Whether this is on a later day (UTC) than that, or that never was."""
    return than_ms is None or at_ms // _DAY_MS > than_ms // _DAY_MS


def merge_identity(known: Identity, said: Identity) -> Identity:
    """Known and newly said digests together, or the newly said alone when they contradict: another person."""
    for name in ("email", "external_id"):
        old, new = getattr(known, name), getattr(said, name)
        if old and new and old != new:
            return said
    return Identity(said.email or known.email, said.phone or known.phone, said.external_id or known.external_id)


def is_same_person(one: Identity, other: Identity) -> bool:
    """Whether these can be one person: an email or external id in common decides, then the phone."""
    for names in (("email", "external_id"), ("phone",)):
        pairs = [(a, b) for name in names if (a := getattr(one, name)) and (b := getattr(other, name))]
        if pairs:
            return any(a == b for a, b in pairs)
    return True


def _is_newer(click: Click, known: Click | None, now_ms: int) -> bool:
    """Whether this click is to be known from now on: any where none is, else a later one that still counts."""
    if known is None:
        return True
    return click.ttclid != known.ttclid and click.at_ms >= max(known.at_ms, now_ms - CLICK_WINDOW_MS)


def newest_consent(known: Consent | None, said: Consent | None) -> Consent | None:
    """The choice in force: of each thing what was said last, so that a word on analytics takes no refusal back.

    A refusal is heard though the choice it takes back be dated later, by a clock that was ahead. Saying the same again
    changes nothing, not even its time.
    """
    if said is None:
        return known
    if known is None:
        return said
    in_force = (known.marketing, known.analytics, known.sale_of_data)
    if (said.marketing, said.analytics, said.sale_of_data) == in_force:
        return known
    if said.at_ms < known.at_ms:
        said = _only_refusals(said)
    choices = (
        known.marketing if said.marketing is None else said.marketing,
        known.analytics if said.analytics is None else said.analytics,
        known.sale_of_data if said.sale_of_data is None else said.sale_of_data,
    )
    if choices == in_force:
        return known
    return Consent(*choices, said.source, said.at_ms)


def _only_refusals(said: Consent) -> Consent:
    """The choice without what it allows."""
    return structs.replace(
        said, **{name: None for name in ("marketing", "analytics", "sale_of_data") if getattr(said, name)}
    )


def only_consent(seen: Sighting) -> Sighting:
    """What may be kept of a sighting whose visitor refuses: the refusal."""
    return Sighting(at_ms=seen.at_ms, consent=seen.consent)

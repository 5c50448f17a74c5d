"""Turns visitors and events into rows and back. Pure; the order of every tuple is that of `gateway.store.sql`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw, structs

from gateway.model.consent import Consent
from gateway.model.event import Event, RawEvent
from gateway.model.landing import Landing
from gateway.model.visitor import Click, Identity, Visitor

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode
_decode_raw = msgspec.json.Decoder(RawEvent).decode
_LANDINGS = {landing.value: landing for landing in Landing}


def from_visitor(store_id: str, visitor: Visitor) -> tuple[Any, ...]:
    """The row of one visitor, in the order of `sql.VISITOR`."""
    click, consent, identity = visitor.click, visitor.consent, visitor.identity
    return (
        store_id,
        visitor.id,
        visitor.first_seen_ms,
        visitor.last_seen_ms,
        click.ttclid if click else None,
        click.at_ms if click else None,
        visitor.ttp,
        identity.email,
        identity.phone,
        identity.external_id,
        consent.marketing if consent else None,
        consent.analytics if consent else None,
        consent.sale_of_data if consent else None,
        consent.source if consent else None,
        consent.at_ms if consent else None,
        visitor.ip,
        visitor.user_agent,
        visitor.landing,
        visitor.cookie_ms,
    )


def to_visitor(row: Sequence[Any]) -> Visitor:
    """The visitor of a row in the order of `sql.VISITOR`."""
    _, id_, first_ms, last_ms, ttclid, click_ms, ttp, email, phone, external_id, *consent, ip, agent, landing, day = row
    return Visitor(
        id=id_,
        first_seen_ms=first_ms,
        last_seen_ms=last_ms,
        click=Click(ttclid, click_ms) if ttclid else None,
        ttp=ttp,
        identity=Identity(email, phone, external_id),
        consent=_to_consent(*consent),
        ip=ip,
        user_agent=agent,
        landing=_LANDINGS[landing] if landing else None,
        cookie_ms=day,
    )


def _to_consent(marketing: Any, analytics: Any, sale: Any, source: str | None, at_ms: int | None) -> Consent | None:
    if at_ms is None:
        return None
    return Consent(to_bool(marketing), to_bool(analytics), to_bool(sale), source, at_ms)


def to_bool(value: Any) -> bool | None:
    """SQLite's 0, 1 and NULL as a choice that may be unsaid."""
    return None if value is None else bool(value)


def from_event(event: Event) -> tuple[str, str | None]:
    """The event as JSON without its ip, and the ip: addresses are kept for a shorter time than events."""
    ip = event.user.ip
    bare = structs.replace(event, user=structs.replace(event.user, ip=None)) if ip else event
    return _encode(bare).decode(), ip


def to_raw_event(body: str | Raw) -> RawEvent:
    """The event of a row as it is sent, the address left beside it. Raises: msgspec.MsgspecError."""
    return _decode_raw(body)


def to_event(body: str | Raw, ip: str | None) -> Event:
    """The event of a row, with the address that is kept beside it."""
    event = _decode(body)
    return structs.replace(event, user=structs.replace(event.user, ip=ip)) if ip else event

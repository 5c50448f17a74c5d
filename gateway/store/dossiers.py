"""Turns rows into dossiers, and leaves behind what is personal. Called by `gateway.store.search` and `.walk`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from gateway.model.browser import read_agent
from gateway.model.dossier import Attempt, EventDossier, OrderDossier, VisitorDossier
from gateway.model.event import User
from gateway.model.outcome import Fate
from gateway.store import rows
from gateway.store.tables import attempts, events

EVENT_COLUMNS = tuple(events.columns)

_MATCH_KEYS = ("ttclid", "ttp", "email", "phone", "external_id", "ip", "user_agent")


def to_event_dossier(row: Any, tried: Sequence[Attempt]) -> EventDossier:
    """The dossier of an event's row, which also has the `due_ms` of its place in the outbox."""
    event = rows.to_event(row.body, row.ip)
    return EventDossier(
        store_id=row.store_id,
        id=row.id,
        pixel_code=row.pixel_code,
        event=row.event,
        event_id=row.event_id,
        visitor_id=row.visitor_id,
        source=row.source,
        pixel=row.pixel,
        occurred_ms=row.occurred_ms,
        received_ms=row.received_ms,
        duplicates=row.duplicates,
        ip_family=to_family(row.ip),
        browser=read_agent(event.user.user_agent or "").browser,
        match_keys=_list_keys(event.user),
        is_limited=event.limited_data_use,
        value=None if event.properties.value is None else str(event.properties.value),
        currency=event.properties.currency,
        found_by=row.found_by,
        consent_source=row.consent_source,
        fate=Fate(row.fate) if row.fate else None,
        reason=row.reason,
        settled_ms=row.settled_ms,
        maybe_sent_ms=row.maybe_sent_ms,
        due_ms=row.due_ms,
        attempts=tuple(tried),
    )


def _list_keys(user: User) -> tuple[str, ...]:
    return tuple(name for name in _MATCH_KEYS if getattr(user, name))


def to_family(ip: str | None) -> str | None:
    """Which internet protocol an address is of."""
    return ip and ("IPv6" if ":" in ip else "IPv4")


def to_order_dossier(row: Any) -> OrderDossier:
    """The dossier of an order's row."""
    return OrderDossier(**{name: getattr(row, name) for name in OrderDossier.__struct_fields__})


def to_visitor_dossier(row: Any) -> VisitorDossier:
    """The dossier of a visitor's row."""
    return VisitorDossier(
        store_id=row.store_id,
        id=row.id,
        first_seen_ms=row.first_seen_ms,
        last_seen_ms=row.last_seen_ms,
        click_ms=row.click_ms if row.ttclid else None,
        known=tuple(name for name in ("ttclid", "ttp", "email", "phone", "external_id") if getattr(row, name)),
        marketing=rows.to_bool(row.marketing),
        consent_source=row.consent_source,
        consent_ms=row.consent_ms,
        ip_family=to_family(row.ip),
        browser=read_agent(row.user_agent or "").browser,
    )


def read_attempts(connection: Connection, store_id: str, ids: Sequence[str]) -> Mapping[str, list[Attempt]]:
    """What was tried with each of these events, in its order."""
    query = select(attempts).where(attempts.c.store_id == store_id, attempts.c.id.in_(ids))
    found: dict[str, list[Attempt]] = {}
    for row in connection.execute(query.order_by(attempts.c.id, attempts.c.attempted_ms)):
        attempt = Attempt(**{name: getattr(row, name) for name in Attempt.__struct_fields__})
        found.setdefault(row.id, []).append(attempt)
    return found

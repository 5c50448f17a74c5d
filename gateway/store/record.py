"""Writes many receipts in one transaction: finds or makes each visitor, links the anchors, queues the events.

Called by the writer thread (`gateway.store.writer`) with everything that arrived together. Receipts are taken in order,
so that two first beacons of one browser become one visitor even within a batch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct, structs
from uuid_utils import uuid7

from gateway.model.consent import is_allowed
from gateway.model.event import Event, User, fill, merge_events
from gateway.model.outcome import Dropped
from gateway.model.visitor import Sighting, Visitor, newest_consent, only_consent, update_visitor
from gateway.store import rows, sql
from gateway.store.receipt import UNGUESSABLE, Anchor, Queued, Receipt, Recorded


class Cursor(Protocol):
    """What of a driver's cursor is used here."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, statement: str, parameters: Sequence[Any], /) -> Any: ...
    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]], /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Sequence[Any]: ...


def record_all(cursor: Cursor, receipts: Sequence[Receipt]) -> list[Recorded]:
    """Everything in these receipts is written, not yet committed; one Recorded for each, in order."""
    return _Batch(cursor).record(receipts)


class _Batch:
    """The state of one transaction: the visitors seen so far, and which of them are still to be written."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._visitors: dict[tuple[str, str], Visitor | None] = {}
        self._new_visitors: dict[tuple[str, str], None] = {}
        self._changed_visitors: dict[tuple[str, str], None] = {}

    def record(self, receipts: Sequence[Receipt]) -> list[Recorded]:
        found = [self.take(receipt) for receipt in receipts]
        self._write_visitors()
        return _queue_events(self._cursor, receipts, found)

    def take(self, receipt: Receipt) -> Recorded:
        """The receipt's visitor as it will stand after this transaction, or why there is none."""
        visitor = self._find_visitor(receipt)
        if visitor is None and not receipt.may_create:
            return Recorded(dropped=Dropped.CONSENT)
        if visitor is None:
            visitor = self._make_visitor(receipt)
        elif is_allowed(receipt.mode, newest_consent(visitor.consent, receipt.sighting.consent)):
            visitor = self._update_visitor(receipt.store_id, visitor, receipt.sighting)
        else:
            self._update_visitor(receipt.store_id, visitor, only_consent(receipt.sighting))
            return Recorded(dropped=Dropped.CONSENT)
        kin = self._find_kin(receipt, visitor) if receipt.anchors else None
        self._link_anchors(receipt, visitor)
        return Recorded(visitor=visitor, kin=kin)

    def _find_visitor(self, receipt: Receipt) -> Visitor | None:
        if receipt.known_id and (visitor := self._visitor(receipt.store_id, receipt.known_id)):
            return visitor
        for anchor in receipt.anchors:
            is_proof = anchor.kind in UNGUESSABLE or receipt.is_browserless
            if is_proof and (visitor := self._at(receipt.store_id, anchor)):
                return visitor
        return None

    def _find_kin(self, receipt: Receipt, visitor: Visitor) -> Visitor | None:
        """The same person elsewhere, known by a guessable anchor: it enriches what TikTok gets and nothing else."""
        for anchor in receipt.anchors:
            if anchor.kind not in UNGUESSABLE:
                kin = self._at(receipt.store_id, anchor)
                if kin and kin.id != visitor.id and is_allowed(receipt.mode, kin.consent):
                    return kin
        return None

    def _at(self, store_id: str, anchor: Anchor) -> Visitor | None:
        self._cursor.execute(sql.FIND_LINK, (store_id, anchor.kind, anchor.digest))
        row = self._cursor.fetchone()
        return self._visitor(store_id, row[0]) if row else None

    def _visitor(self, store_id: str, visitor_id: str) -> Visitor | None:
        key = (store_id, visitor_id)
        if key not in self._visitors:
            self._cursor.execute(sql.FIND_VISITOR, key)
            row = self._cursor.fetchone()
            self._visitors[key] = rows.to_visitor(row) if row else None
        return self._visitors[key]

    def _make_visitor(self, receipt: Receipt) -> Visitor:
        seen = receipt.sighting
        blank = Visitor(id=receipt.new_id, first_seen_ms=seen.at_ms, last_seen_ms=0)
        visitor = update_visitor(blank, seen)
        key = (receipt.store_id, visitor.id)
        self._visitors[key] = visitor
        self._new_visitors[key] = None
        return visitor

    def _update_visitor(self, store_id: str, visitor: Visitor, seen: Sighting) -> Visitor:
        updated = update_visitor(visitor, seen)
        if updated is not visitor:
            key = (store_id, visitor.id)
            self._visitors[key] = updated
            if key not in self._new_visitors:
                self._changed_visitors[key] = None
        return updated

    def _link_anchors(self, receipt: Receipt, visitor: Visitor) -> None:
        click_ms = visitor.click.at_ms if visitor.click else 0
        for anchor in receipt.anchors:
            row = (receipt.store_id, anchor.kind, anchor.digest, visitor.id, click_ms, receipt.sighting.at_ms)
            self._cursor.execute(sql.PUT_LINK, row)

    def _write_visitors(self) -> None:
        if self._new_visitors:
            self._cursor.executemany(sql.ADD_VISITOR, [self._row(key) for key in self._new_visitors])
        if self._changed_visitors:
            changed = [self._row(key) for key in self._changed_visitors]
            self._cursor.executemany(sql.CHANGE_VISITOR, [(*row[2:], *row[:2]) for row in changed])

    def _row(self, key: tuple[str, str]) -> tuple[Any, ...]:
        visitor = self._visitors[key]
        assert visitor is not None  # noqa: S101 - only keys of visitors in hand are noted
        return rows.from_visitor(key[0], visitor)


class _Draft(Struct, frozen=True):
    """One event about to be written: the receipt it belongs to, and its row."""

    position: int
    queued: Queued
    event: Event
    row: tuple[Any, ...]


def _queue_events(cursor: Cursor, receipts: Sequence[Receipt], found: list[Recorded]) -> list[Recorded]:
    """The events of all receipts that may be kept are in `events` and `outbox`; twins are merged or counted."""
    drafts = list(_draft_events(receipts, found))
    if not drafts:
        return found
    cursor.executemany(sql.ADD_EVENT, [draft.row for draft in drafts])
    twins = _find_twins(cursor, drafts) if cursor.rowcount != len(drafts) else []
    twin_ids = {draft.row[1] for draft in twins}
    fresh = [draft for draft in drafts if draft.queued.fate is None and draft.row[1] not in twin_ids]
    if fresh:
        cursor.executemany(sql.ADD_OUTBOX, [_outbox_row(draft) for draft in fresh])
    queued_of = Counter(draft.position for draft in fresh)
    duplicates_of = Counter(draft.position for draft in twins)
    late_of = Counter(draft.position for draft in twins if not _absorb_twin(cursor, draft))
    return [
        structs.replace(recorded, queued=queued_of[i], duplicates=duplicates_of[i], late=late_of[i])
        for i, recorded in enumerate(found)
    ]


def _draft_events(receipts: Sequence[Receipt], found: Sequence[Recorded]) -> Iterator[_Draft]:
    for position, (receipt, recorded) in enumerate(zip(receipts, found, strict=True)):
        if recorded.visitor:
            for queued in receipt.events:
                event = _with_known(queued.event, recorded.visitor, recorded.kin)
                row = _event_row(receipt.store_id, queued, event, recorded.visitor.id)
                yield _Draft(position, queued, event, row)


def _with_known(event: Event, visitor: Visitor, kin: Visitor | None) -> Event:
    """The event with the match keys known of its visitor, and of the same person elsewhere, filled in."""
    user = fill(event.user, _match_keys(visitor))
    if kin:
        user = fill(user, _match_keys(kin))
    if not user.external_id:
        user = structs.replace(user, external_id=(hashlib.sha256(visitor.id.encode()).hexdigest(),))
    return structs.replace(event, user=user)


def _match_keys(visitor: Visitor) -> User:
    identity = visitor.identity
    return User(
        email=(identity.email,) if identity.email else (),
        phone=(identity.phone,) if identity.phone else (),
        external_id=(identity.external_id,) if identity.external_id else (),
        ttclid=visitor.click.ttclid if visitor.click else None,
        ttp=visitor.ttp,
        ip=visitor.ip,
        user_agent=visitor.user_agent,
    )


def _event_row(store_id: str, queued: Queued, event: Event, visitor_id: str) -> tuple[Any, ...]:
    body, ip = rows.from_event(event)
    settled_ms = event.received_ms if queued.fate else None
    return (
        store_id, uuid7().hex, queued.pixel_code, event.event, event.event_id, visitor_id, event.source, event.pixel,
        event.occurred_ms, event.received_ms, queued.expires_ms, 0, ip, body, queued.fate, queued.reason, settled_ms,
    )  # fmt: skip


def _outbox_row(draft: _Draft) -> tuple[Any, ...]:
    store_id, id_ = draft.row[:2]
    due_ms = max(draft.event.received_ms, draft.event.hold_until_ms)
    return (store_id, id_, draft.queued.pixel_code, due_ms, 0, None, None)


def _find_twins(cursor: Cursor, drafts: Sequence[_Draft]) -> list[_Draft]:
    """Those whose row was not taken, because another stood under the same key before."""

    def is_stored(draft: _Draft) -> bool:
        cursor.execute(sql.FIND_EVENT, draft.row[:2])
        return cursor.fetchone() is not None

    return [draft for draft in drafts if not is_stored(draft)]


def _absorb_twin(cursor: Cursor, twin: _Draft) -> bool:
    """A row still waiting takes over what it lacks and may leave earlier: True; one that has left only counts its twin."""
    store_id, _, *key = twin.row[:5]
    cursor.execute(sql.FIND_TWIN, (store_id, *key))
    id_, body, ip, expires_ms, due_ms, is_waiting = cursor.fetchone()
    if not is_waiting:
        cursor.execute(sql.COUNT_DUPLICATE, (store_id, id_))
        return False
    stored = rows.to_event(body, ip)
    merged = merge_events(stored, twin.event)
    body, ip = rows.from_event(merged)
    expires_ms = min(expires_ms, twin.queued.expires_ms)
    cursor.execute(sql.MERGE_EVENT, (body, ip, merged.pixel, merged.occurred_ms, expires_ms, store_id, id_))
    if stored.hold_until_ms > merged.hold_until_ms:
        due_ms = min(due_ms, max(twin.event.received_ms, merged.hold_until_ms))
        cursor.execute(sql.HASTEN, (due_ms, store_id, id_))
    return True

"""Writes many receipts in one transaction: finds or makes each visitor, links the anchors, queues the events.

Called by the writer thread (`gateway.store.writer`) with everything that arrived together. Receipts are taken in order,
so that two first beacons of one browser become one visitor even within a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import structs
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
    """The state of one transaction: visitors and links seen so far, and the rows still to be written."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._visitors: dict[tuple[str, str], Visitor | None] = {}
        self._links: dict[tuple[str, str, str], str] = {}
        self._new_visitors: dict[tuple[str, str], None] = {}
        self._changed_visitors: dict[tuple[str, str], None] = {}
        self._link_rows: list[tuple[Any, ...]] = []

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
        visitor_id = self._linked(store_id, anchor)
        return self._visitor(store_id, visitor_id) if visitor_id else None

    def _visitor(self, store_id: str, visitor_id: str) -> Visitor | None:
        key = (store_id, visitor_id)
        if key not in self._visitors:
            self._cursor.execute(sql.FIND_VISITOR, key)
            row = self._cursor.fetchone()
            self._visitors[key] = rows.to_visitor(row) if row else None
        return self._visitors[key]

    def _linked(self, store_id: str, anchor: Anchor) -> str | None:
        key = (store_id, anchor.kind, anchor.digest)
        if key in self._links:
            return self._links[key]
        self._cursor.execute(sql.FIND_LINK, key)
        row = self._cursor.fetchone()
        return row[0] if row else None

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
            key = (receipt.store_id, anchor.kind, anchor.digest)
            self._links.setdefault(key, visitor.id)
            self._link_rows.append((*key, visitor.id, click_ms, receipt.sighting.at_ms))

    def _write_visitors(self) -> None:
        if self._new_visitors:
            self._cursor.executemany(sql.ADD_VISITOR, [self._row(key) for key in self._new_visitors])
        if self._changed_visitors:
            changed = [self._row(key) for key in self._changed_visitors]
            self._cursor.executemany(sql.CHANGE_VISITOR, [(*row[2:], *row[:2]) for row in changed])
        if self._link_rows:
            self._cursor.executemany(sql.PUT_LINK, self._link_rows)

    def _row(self, key: tuple[str, str]) -> tuple[Any, ...]:
        visitor = self._visitors[key]
        assert visitor is not None  # noqa: S101 - only keys of visitors in hand are noted
        return rows.from_visitor(key[0], visitor)


def _queue_events(cursor: Cursor, receipts: Sequence[Receipt], found: list[Recorded]) -> list[Recorded]:
    """The events of all receipts that may be kept are in `events` and `outbox`; twins are merged or counted."""
    drafts = [
        (index, receipt, queued, _with_known(queued.event, recorded.visitor, recorded.kin), recorded.visitor.id)
        for index, (receipt, recorded) in enumerate(zip(receipts, found, strict=True))
        if recorded.visitor
        for queued in receipt.events
    ]
    if not drafts:
        return found
    event_rows = [_event_row(receipt.store_id, queued, event, owner) for _, receipt, queued, event, owner in drafts]
    cursor.executemany(sql.ADD_EVENT, event_rows)
    duplicates = _duplicates(cursor, event_rows) if cursor.rowcount != len(event_rows) else {}
    outbox_rows = []
    queued_of, duplicates_of = [0] * len(found), [0] * len(found)
    for position, (index, receipt, queued, event, _) in enumerate(drafts):
        if twin := duplicates.get(position):
            duplicates_of[index] += 1
            _absorb_twin(cursor, receipt.store_id, twin, event, queued)
        elif queued.fate is None:
            queued_of[index] += 1
            due_ms = max(event.received_ms, event.hold_until_ms)
            outbox_rows.append((receipt.store_id, event_rows[position][1], queued.pixel_code, due_ms, 0, None, None))
    if outbox_rows:
        cursor.executemany(sql.ADD_OUTBOX, outbox_rows)
    return [
        structs.replace(recorded, queued=queued_of[index], duplicates=duplicates_of[index])
        for index, recorded in enumerate(found)
    ]


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


def _duplicates(cursor: Cursor, event_rows: Sequence[tuple[Any, ...]]) -> dict[int, tuple[Any, ...]]:
    """For each row that was there before (another id under the same key): the row that stands."""
    twins = {}
    for position, row in enumerate(event_rows):
        cursor.execute(sql.FIND_TWIN, (row[0], row[2], row[3], row[4]))
        standing = cursor.fetchone()
        if standing[0] != row[1]:
            twins[position] = standing
    return twins


def _absorb_twin(cursor: Cursor, store_id: str, twin: tuple[Any, ...], event: Event, queued: Queued) -> None:
    """A twin still waiting takes over what it lacks and may leave earlier; one that has left is only counted."""
    twin_id, _, body, ip, expires_ms, due_ms, is_waiting = twin
    if not is_waiting:
        cursor.execute(sql.COUNT_DUPLICATE, (store_id, twin_id))
        return
    stored = rows.to_event(body, ip)
    merged = merge_events(stored, event)
    new_body, new_ip = rows.from_event(merged)
    expires_ms = min(expires_ms, queued.expires_ms)
    cursor.execute(sql.MERGE_EVENT, (new_body, new_ip, merged.pixel, merged.occurred_ms, expires_ms, store_id, twin_id))
    if stored.hold_until_ms > merged.hold_until_ms:
        cursor.execute(sql.HASTEN, (min(due_ms, max(event.received_ms, merged.hold_until_ms)), store_id, twin_id))

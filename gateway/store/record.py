"""Writes many receipts in one transaction: finds or makes each visitor, links the anchors, queues the events.

Called by the writer thread (`gateway.store.writer`) with everything that arrived together. Receipts are taken in order,
so that two first beacons of one browser become one visitor even within a batch.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from msgspec import Struct, structs
from uuid_utils import uuid7

from gateway.model.conversion import Reason
from gateway.model.event import NO_USER, Event, User, fill, merge_events
from gateway.model.names import INITIATE_CHECKOUT
from gateway.model.visitor import Visitor
from gateway.store import checkout_twins, ledger, rows, sql
from gateway.store.database import TryAgain
from gateway.store.known import Known
from gateway.store.receipt import FoundBy, Queued, Receipt, Recorded
from gateway.store.rollups import Tally
from gateway.store.sql import Cursor
from gateway.store.traits import Marks, mark, merge_marks
from gateway.store.visitors import Visitors
from gateway.store.visits import note_visits


def record_all(cursor: Cursor, receipts: Sequence[Receipt], known: Known) -> list[Recorded]:
    """Everything in these receipts is written, not yet committed; one Recorded for each, in order.

    What browsers said is written together; what may lean on a receipt of the same instant, alone.
    """
    recorded: list[Recorded] = []
    tally = Tally()
    for leans, group in groupby(receipts, _may_lean):
        turn = list(group)
        for batch in [[receipt] for receipt in turn] if leans else [turn]:
            recorded += _record(cursor, batch, tally, known)
    tally.write(cursor)
    return recorded


def _may_lean(receipt: Receipt) -> bool:
    """A webhook leans on what browsers said, and one start of a checkout on another that has another id."""
    return receipt.is_browserless or INITIATE_CHECKOUT in [queued.event.event for queued in receipt.events]


def _record(cursor: Cursor, receipts: Sequence[Receipt], tally: Tally, known: Known) -> list[Recorded]:
    visitors = Visitors(cursor, tally, known)
    visitors.fetch(receipts)
    found = [_take(cursor, visitors, receipt) for receipt in receipts]
    visitors.write()
    recorded = _queue_events(cursor, receipts, found, tally)
    for receipt, outcome in zip(receipts, recorded, strict=True):
        if receipt.is_browserless:
            _note(cursor, receipt, outcome)
    return recorded


def _take(cursor: Cursor, visitors: Visitors, receipt: Receipt) -> Recorded:
    """The receipt's visitor, unless this was heard before or is to be forgotten."""
    now_ms = receipt.sighting.at_ms
    if receipt.webhook and not ledger.note_webhook(cursor, receipt.store_id, receipt.webhook, now_ms):
        return Recorded(is_ignored=True)
    if receipt.order and ledger.is_erased(cursor, receipt.store_id, receipt.order.facts.id):
        return Recorded(is_ignored=True)
    return visitors.take(receipt)


def _note(cursor: Cursor, receipt: Receipt, recorded: Recorded) -> None:
    """What Shopify told of an order is in its account."""
    if recorded.is_ignored:
        return
    now_ms = receipt.sighting.at_ms
    if receipt.order:
        reason = receipt.order.reason or (Reason.NO_CONSENT if recorded.dropped else None)
        visitor_id = recorded.visitor.id if recorded.visitor else None
        ledger.note_order(cursor, receipt.store_id, receipt.order.facts, visitor_id, reason, now_ms)
    if receipt.reversal:
        ledger.note_reversal(cursor, receipt.store_id, receipt.reversal)


class _Draft(Struct, frozen=True, gc=False):
    """One event about to be written: the receipt it belongs to, and its row."""

    position: int
    queued: Queued
    event: Event
    marks: Marks
    row: tuple[Any, ...]


def _queue_events(cursor: Cursor, receipts: Sequence[Receipt], found: list[Recorded], tally: Tally) -> list[Recorded]:
    """The events of all receipts that may be kept are in `events` and `outbox`; twins are merged or counted."""
    drafts, over = _part_over(cursor, _draft_events(cursor, receipts, found))
    if not drafts and not over:
        return found
    twins = _add_events(cursor, drafts)
    kept = drafts
    if twins:
        twin_ids = {draft.row[1] for draft in twins}
        kept = [draft for draft in drafts if draft.row[1] not in twin_ids]
    fresh = [draft for draft in kept if draft.queued.fate is None]
    if fresh:
        cursor.insert(sql.ADD_OUTBOX, [_outbox_row(draft) for draft in fresh])
    if kept:
        note_visits(cursor, ((draft.row[0], draft.row[5], draft.row[1]) for draft in kept))
    late = over + [draft for draft in twins if not _absorb_twin(cursor, draft)]
    _count_drafts(tally, kept, twins, late)
    queued_of = Counter([draft.position for draft in fresh])
    if not late and not twins:
        return [structs.replace(recorded, queued=queued_of[i]) for i, recorded in enumerate(found)]
    duplicates_of, late_of = (Counter([draft.position for draft in some]) for some in (over + twins, late))
    return [
        structs.replace(recorded, queued=queued_of[i], duplicates=duplicates_of[i], late=late_of[i])
        for i, recorded in enumerate(found)
    ]


def _count_drafts(tally: Tally, kept: Sequence[_Draft], twins: Sequence[_Draft], late: Sequence[_Draft]) -> None:
    """What came is counted; what has its fate already, by that as well."""
    tally.count_events([draft.row for draft in kept], "received")
    for fate in {draft.queued.fate for draft in kept if draft.queued.fate}:
        tally.count_events([draft.row for draft in kept if draft.queued.fate is fate], fate)
    late_ids = {draft.row[1] for draft in late}
    tally.count_events([draft.row for draft in twins if draft.row[1] not in late_ids], "merged")
    tally.count_events([draft.row for draft in late], "late")


def _draft_events(cursor: Cursor, receipts: Sequence[Receipt], found: Sequence[Recorded]) -> Iterator[_Draft]:
    for position, (receipt, recorded) in enumerate(zip(receipts, found, strict=True)):
        visitor = recorded.visitor
        if visitor is None or not receipt.events:
            continue
        known = _Known(visitor, recorded.kin, receipt.fallback)
        for queued in receipt.events:
            event = known.put_into(queued.event)
            if receipt.hold_unknown_ms and not visitor.user_agent:
                event = structs.replace(event, hold_until_ms=event.received_ms + receipt.hold_unknown_ms)
            if event.event == INITIATE_CHECKOUT:
                event = checkout_twins.agree(cursor, receipt.store_id, queued.pixel_code, visitor.id, event)
            marks = mark(event, visitor)
            row = _event_row(receipt.store_id, queued, event, marks, visitor, recorded.found_by)
            yield _Draft(position, queued, event, marks, row)


def _part_over(cursor: Cursor, drafts: Iterable[_Draft]) -> tuple[list[_Draft], list[_Draft]]:
    """Those that may be told, in the account if they are Purchases; and those whose order is erased or long over."""
    told: list[_Draft] = []
    over: list[_Draft] = []
    for draft in drafts:
        store_id, visitor_id = draft.row[0], draft.row[5]
        is_told = ledger.note_purchase(cursor, store_id, draft.event, visitor_id)
        (told if is_told else over).append(draft)
    return told, over


class _Known:
    """What one receipt's events can be told of their person: the visitor, and the same person elsewhere.

    The other device's address and browser are not where it happened. Who does not want their data sold is heard too.
    """

    __slots__ = ("_refuses_sale", "_user", "_user_with_id")

    def __init__(self, visitor: Visitor, kin: Visitor | None, fallback: User) -> None:
        user = _match_keys(visitor)
        if kin:
            user = fill(user, structs.replace(_match_keys(kin), ip=None, user_agent=None))
        self._user = user = fill(user, fallback) if fallback is not NO_USER else user
        self._user_with_id = user if user.external_id else structs.replace(user, external_id=(_stand_in(visitor.id),))
        self._refuses_sale = visitor.consent is not None and visitor.consent.sale_of_data is False

    def put_into(self, event: Event) -> Event:
        """The event with its empty match keys filled in; its visitor stands in where nobody else is named."""
        known = self._user if event.user.external_id else self._user_with_id
        user = _see(event.user, known) if _is_seen(event.user) else fill(event.user, known)
        return structs.replace(event, user=user, limited_data_use=event.limited_data_use or self._refuses_sale)


def _is_seen(user: User) -> bool:
    """Whether this is no more than what any request shows of its browser: so it is with most events."""
    return structs.replace(user, ip=None, user_agent=None, locale=None) == NO_USER


def _see(seen: User, known: User) -> User:
    """As `fill`, in an eighth of its bytecodes."""
    return structs.replace(
        known,
        ip=seen.ip or known.ip,
        user_agent=seen.user_agent or known.user_agent,
        locale=seen.locale or known.locale,
    )


@lru_cache(4096)
def _stand_in(visitor_id: str) -> str:
    return hashlib.sha256(visitor_id.encode()).hexdigest()


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


def _event_row(
    store_id: str, queued: Queued, event: Event, marks: Marks, visitor: Visitor, found_by: FoundBy | None
) -> tuple[Any, ...]:
    """Enums as plain text: the driver asks of anything else whether it can be adapted, which takes longer than all."""
    body, ip = rows.from_event(event)
    pixel = event.pixel and str(event.pixel)
    settled_ms = event.received_ms if queued.fate else None
    consent_source = (visitor.consent.source or "") if visitor.consent else None
    return (
        store_id, uuid7().hex, queued.pixel_code, event.event, event.event_id, visitor.id, str(event.source), pixel,
        event.occurred_ms, event.received_ms, queued.expires_ms, 0, ip, body, queued.fate, queued.reason, settled_ms,
        *marks.to_row(), None, found_by and str(found_by), consent_source,
    )  # fmt: skip


def _outbox_row(draft: _Draft) -> tuple[Any, ...]:
    store_id, id_ = draft.row[:2]
    due_ms = max(draft.event.received_ms, draft.event.hold_until_ms)
    return (store_id, id_, draft.queued.pixel_code, due_ms, 0, None, None)


def _add_events(cursor: Cursor, drafts: Sequence[_Draft]) -> list[_Draft]:
    """The rows of these are in `events`; those whose row was not taken, because another stood under the same key."""
    if not drafts:
        return []
    if cursor.insert(sql.ADD_EVENTS, [draft.row for draft in drafts]) == len(drafts):
        return []

    def is_stored(draft: _Draft) -> bool:
        cursor.execute(sql.FIND_EVENT, draft.row[:2])
        return cursor.fetchone() is not None

    return [draft for draft in drafts if not is_stored(draft)]


def _absorb_twin(cursor: Cursor, twin: _Draft) -> bool:
    """A row still waiting takes over what it lacks and may leave earlier: True; one that left only counts its twin."""
    store_id, _, *key = twin.row[:5]
    cursor.execute(sql.COUNT_DUPLICATE, (store_id, *key))
    cursor.execute(sql.FIND_TWIN, (store_id, *key))
    if not (row := cursor.fetchone()):
        raise TryAgain("another node erased an event as its twin came")
    id_, body, ip, expires_ms, traits, due_ms = row
    if due_ms is None:
        return False
    stored = rows.to_event(body, ip)
    merged = merge_events(stored, twin.event)
    if stored.hold_until_ms > merged.hold_until_ms:
        due_ms = min(due_ms, max(twin.event.received_ms, merged.hold_until_ms))
    cursor.execute(sql.KEEP_WAITING, (due_ms, store_id, id_))
    if not cursor.rowcount:
        return False
    body, ip = rows.from_event(merged)
    expires_ms = min(expires_ms, twin.queued.expires_ms)
    marks = merge_marks(merged, traits or 0, twin.marks).to_row()
    cursor.execute(sql.MERGE_EVENT, (body, ip, merged.pixel, merged.occurred_ms, expires_ms, *marks, store_id, id_))
    return True

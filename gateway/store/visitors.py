"""Finds and makes the visitors of one transaction, and links what leads back to them.

Called by `gateway.store.record`. A visitor looked up once is kept, so that receipts of one batch see each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from gateway.model.consent import is_allowed
from gateway.model.landing import read_landing
from gateway.model.outcome import Dropped
from gateway.model.visitor import Sighting, Visitor, is_same_person, newest_consent, only_consent, update_visitor
from gateway.store import rows, sql
from gateway.store.database import TryAgain
from gateway.store.known import Known, VisitorKey
from gateway.store.receipt import UNGUESSABLE, Anchor, FoundBy, Receipt, Recorded
from gateway.store.rollups import Tally
from gateway.store.sql import Cursor

Found = tuple[FoundBy, Visitor | None]
"""Whom something led to, and what; NEW with nobody."""
LinkKey = tuple[str, str, str]
Link = tuple[str, int]
"""The visitor's id that an anchor leads to, and when their click was: the newest wins."""


class Visitors:
    """The state of one transaction: the visitors seen so far, and which of them are still to be written."""

    def __init__(self, cursor: Cursor, tally: Tally, known: Known) -> None:
        self._cursor = cursor
        self._tally = tally
        self._known = known
        self._visitors: dict[VisitorKey, Visitor | None] = {}
        self._new_visitors: dict[VisitorKey, None] = {}
        self._changed_visitors: dict[VisitorKey, None] = {}
        self._links: dict[LinkKey, Link | None] = {}
        self._new_links: dict[LinkKey, int] = {}
        self._changed_links: dict[LinkKey, int] = {}

    def fetch(self, receipts: Sequence[Receipt]) -> None:
        """The visitors and links that these receipts name are at hand, or known to be none.

        One alone is found as well when it is needed.
        """
        visitors: dict[VisitorKey, Visitor | None] = {}
        for one in receipts:
            if one.known_id and not self._recall(key := (one.store_id, one.known_id)):
                visitors[key] = None
        links: dict[LinkKey, Link | None] = {
            (receipt.store_id, anchor.kind, anchor.digest): None for receipt in receipts for anchor in receipt.anchors
        }
        if len(visitors) > 1:
            self._visitors.update(visitors)
            for row in self._find_all(sql.FIND_VISITORS, visitors):
                self._keep((row[0], row[1]), rows.to_visitor(row))
        if len(links) > 1:
            self._links.update(links)
            for store_id, kind, digest, *link in self._find_all(sql.FIND_LINKS, links):
                self._links[store_id, kind, digest] = (link[0], link[1])

    def _recall(self, key: VisitorKey) -> Visitor | None:
        """The visitor, if one of this transaction or of a moment ago."""
        visitor = self._visitors.get(key) or self._known.get(key)
        if visitor:
            self._visitors[key] = visitor
        return visitor

    def _keep(self, key: VisitorKey, visitor: Visitor) -> None:
        self._visitors[key] = visitor
        self._known.put(key, visitor)

    def _find_all(self, statement: str, keys: Iterable[tuple[str, ...]]) -> list[Any]:
        self._cursor.execute(statement, (msgspec.json.encode(list(keys)).decode(),))
        found: list[Any] = msgspec.json.decode(self._cursor.fetchone()[0])
        return found

    def take(self, receipt: Receipt) -> Recorded:
        """The receipt's visitor as it will stand after this transaction, or why there is none."""
        found_by, visitor = self._find_proven(receipt)
        if visitor is None and receipt.is_browserless:
            found_by, visitor = self._find_buyer(receipt)
            receipt = without_proof(receipt) if visitor else receipt
        if visitor is None and not receipt.may_create:
            return Recorded(dropped=Dropped.CONSENT)
        if visitor is None:
            visitor = self._make_visitor(receipt)
        elif is_allowed(receipt.mode, newest_consent(visitor.consent, receipt.sighting.consent)):
            known, visitor = visitor, self._update_visitor(receipt.store_id, visitor, receipt.sighting)
            if visitor.cookie_ms != known.cookie_ms:
                self._tally.count_return(receipt.store_id, found_by, receipt.sighting)
        else:
            self._update_visitor(receipt.store_id, visitor, only_consent(receipt.sighting))
            return Recorded(dropped=Dropped.CONSENT)
        kin = self._find_kin(receipt, visitor) if receipt.anchors else None
        self._link_anchors(receipt, visitor)
        return Recorded(visitor=visitor, kin=kin, found_by=found_by)

    def _find_proven(self, receipt: Receipt) -> Found:
        """The visitor that a signature or an unguessable anchor leads to."""
        if receipt.known_id and (visitor := self._visitor(receipt.store_id, receipt.known_id)):
            return FoundBy.SIGNED, visitor
        for anchor in receipt.anchors:
            if anchor.kind in UNGUESSABLE and (visitor := self._at(receipt.store_id, anchor)):
                return FoundBy(anchor.kind), visitor
        return FoundBy.NEW, None

    def _find_buyer(self, receipt: Receipt) -> Found:
        """Who is meant as far as can be guessed: who told this very event before, or the same person elsewhere."""
        if visitor := self._find_by_twin(receipt):
            return FoundBy.TWIN, visitor
        return next(self._find_people(receipt), (FoundBy.NEW, None))

    def _find_by_twin(self, receipt: Receipt) -> Visitor | None:
        for queued in receipt.events:
            key = (receipt.store_id, queued.pixel_code, queued.event.event, queued.event.event_id)
            self._cursor.execute(sql.FIND_TWIN_VISITOR, key)
            row = self._cursor.fetchone()
            if row and row[0]:
                return self._visitor(receipt.store_id, row[0])
        return None

    def _find_kin(self, receipt: Receipt, visitor: Visitor) -> Visitor | None:
        """The same person elsewhere, known by a guessable anchor: it enriches what TikTok gets and nothing else."""
        for _, kin in self._find_people(receipt):
            if kin.id != visitor.id and is_allowed(receipt.mode, kin.consent):
                return kin
        return None

    def _find_people(self, receipt: Receipt) -> Iterator[tuple[FoundBy, Visitor]]:
        """The visitors that guessable anchors lead to, but for those whose device is somebody else's by now."""
        for anchor in receipt.anchors:
            found = self._at(receipt.store_id, anchor) if anchor.kind not in UNGUESSABLE else None
            if found and is_same_person(found.identity, receipt.sighting.identity):
                yield FoundBy(anchor.kind), found

    def _at(self, store_id: str, anchor: Anchor) -> Visitor | None:
        link = self._link((store_id, anchor.kind, anchor.digest))
        return self._visitor(store_id, link[0]) if link else None

    def _link(self, key: LinkKey) -> Link | None:
        if key not in self._links:
            self._cursor.execute(sql.FIND_LINK, key)
            self._links[key] = self._cursor.fetchone()
        return self._links[key]

    def _visitor(self, store_id: str, visitor_id: str) -> Visitor | None:
        key = (store_id, visitor_id)
        if key not in self._visitors and not self._recall(key):
            self._cursor.execute(sql.FIND_VISITOR, key)
            row = self._cursor.fetchone()
            if row:
                self._keep(key, rows.to_visitor(row))
            else:
                self._visitors[key] = None
        return self._visitors[key]

    def _make_visitor(self, receipt: Receipt) -> Visitor:
        seen = receipt.sighting
        landing = read_landing(receipt.events[0].event.page) if receipt.events and not receipt.is_browserless else None
        blank = Visitor(receipt.new_id, first_seen_ms=seen.at_ms, last_seen_ms=0, landing=landing, cookie_ms=seen.at_ms)
        visitor = update_visitor(blank, seen)
        key = (receipt.store_id, visitor.id)
        self._keep(key, visitor)
        self._new_visitors[key] = None
        return visitor

    def _update_visitor(self, store_id: str, visitor: Visitor, seen: Sighting) -> Visitor:
        updated = update_visitor(visitor, seen)
        if updated is not visitor:
            key = (store_id, visitor.id)
            self._keep(key, updated)
            if key not in self._new_visitors:
                self._changed_visitors[key] = None
        return updated

    def _link_anchors(self, receipt: Receipt, visitor: Visitor) -> None:
        """The receipt's anchors lead to this visitor, or to one with a newer click."""
        click_ms = visitor.click.at_ms if visitor.click else 0
        for anchor in receipt.anchors:
            key = (receipt.store_id, anchor.kind, anchor.digest)
            known = self._link(key)
            if known and (click_ms < known[1] or (visitor.id == known[0] and click_ms == known[1])):
                continue
            self._links[key] = (visitor.id, click_ms)
            changed = self._new_links if known is None or key in self._new_links else self._changed_links
            changed[key] = receipt.sighting.at_ms

    def write(self) -> None:
        """Every new and changed visitor and link is in the database.

        Raises: TryAgain when an anchor that led nowhere is another node's by now, and so perhaps the visitor: that is
        how two first beacons of one browser become one visitor wherever they arrive.
        """
        if self._new_visitors:
            self._cursor.insert(sql.ADD_VISITORS, [self._row(key) for key in self._new_visitors])
        if self._changed_visitors:
            changed = [self._row(key) for key in self._changed_visitors]
            self._cursor.executemany(sql.CHANGE_VISITOR, [(*row[2:], *row[:2]) for row in changed])
        if self._new_links and self._write_links(sql.ADD_LINKS, self._new_links) < len(self._new_links):
            raise TryAgain("another node met this visitor at the same moment")
        if self._changed_links:
            self._write_links(sql.PUT_LINKS, self._changed_links)

    def _write_links(self, into: sql.Insert, linked_ms: Mapping[LinkKey, int]) -> int:
        """In one order on every node, so that two never wait in a circle."""
        links = [(*key, *(self._links[key] or ()), linked_ms[key]) for key in sorted(linked_ms)]
        return self._cursor.insert(into, links)

    def _row(self, key: tuple[str, str]) -> tuple[Any, ...]:
        visitor = self._visitors[key]
        assert visitor is not None  # noqa: S101 - only keys of visitors in hand are noted
        return rows.from_visitor(key[0], visitor)


def without_proof(receipt: Receipt) -> Receipt:
    """What of a receipt may be kept with a visitor who was only guessed (contract 4.6).

    Its unguessable anchors would hand that visitor's cookies to whoever holds them, and its click would be told to that
    visitor's browser.
    """
    anchors = tuple(anchor for anchor in receipt.anchors if anchor.kind not in UNGUESSABLE)
    return structs.replace(receipt, anchors=anchors, sighting=structs.replace(receipt.sighting, click=None))

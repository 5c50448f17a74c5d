"""Erasing people: found by whatever names them, gone from visitors, links, events and the queue (contract 1, `erase`).

Called by Shopify's privacy webhooks and by `gateway.ops.erase`.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from msgspec import Struct, structs
from uuid_utils import uuid7

from gateway.intake.tokens import Tokens
from gateway.model.normalise import hash_external_id
from gateway.model.person import Person
from gateway.model.visitor import Identity
from gateway.settings import StoreSettings
from gateway.store import Store
from gateway.store.erase import (
    SEARCHED,
    Erased,
    count_searched,
    erase_store,
    erase_visitor,
    find_linked,
    forget_orders,
    note_erasure,
    search,
)
from gateway.store.receipt import Anchor, AnchorKind
from gateway.store.sql import Cursor

log = logging.getLogger(__name__)

_STEP = 2000
_ROWS = 5000
"""So many rows are looked at in one read, which then lets others read."""


class Step(Struct, frozen=True):
    """So much of an erasure is done: `done` of `total` of what `what` says. `erased` is what went so far."""

    what: str
    done: int
    total: int
    erased: Erased = Erased()


class People:
    """Erases on request, in steps small enough that beacons go on being answered."""

    def __init__(self, tokens: Tokens, store: Store) -> None:
        self._tokens = tokens
        self._store = store

    async def erase(self, settings: StoreSettings, person: Person, now_ms: int) -> Erased:
        """Nothing of this person is left in this store but the proof of it, and their orders are never told again.

        Raises: StoreUnavailable; then call again, nothing is done by halves that a second call does not finish.
        """
        erased = Erased()
        async for step in self.erase_in_steps(settings, person, now_ms):
            erased = step.erased
        return erased

    async def erase_in_steps(self, settings: StoreSettings, person: Person, now_ms: int) -> AsyncIterator[Step]:
        """The same, step by step. It may stop after any: each visitor goes in one transaction, and the proof of it."""
        names = ", ".join(name.removesuffix("_ids") for name, value in structs.asdict(person).items() if value)
        note = partial(note_erasure, store_id=settings.id, id_=uuid7().hex, named_by=names, now_ms=now_ms)
        found: set[str] = set()
        async for step in self._search(settings, person, found):
            yield step
        erased = Erased()
        for number, visitor_id in enumerate(sorted(found), 1):
            erased = erased.plus(await self._store.run(partial(_erase, settings.id, visitor_id, note)))
            yield Step("visitors erased", number, len(found), erased)
        await self._store.run(lambda cursor: _end(cursor, settings.id, person.order_ids, note, now_ms))
        log.info("store %s: erased %d visitors, %d events", settings.id, erased.visitors, erased.events)

    async def _search(self, settings: StoreSettings, person: Person, found: set[str]) -> AsyncIterator[Step]:
        """`found` has the ids of all visitors who are, or ever were, this person, as far as anything stored tells."""
        anchors = self._list_anchors(settings, person)
        found |= await self._store.read(
            partial(find_linked, store_id=settings.id, anchors=anchors, order_ids=person.order_ids)
        )
        found.update(filter(None, [person.visitor_id]))
        identity = Identity(person.email, person.phone, hash_external_id(person.customer_id))
        if identity == Identity():
            return
        total, done = await self._store.read(partial(count_searched, store_id=settings.id)), 0
        for table in SEARCHED:
            after: str | None = ""
            while after is not None:
                look = partial(search, store_id=settings.id, identity=identity, table=table, after=after, limit=_ROWS)
                searched = await self._store.read(look)
                found |= searched.found
                done, after = done + searched.rows, searched.after
                yield Step("rows searched", done, max(done, total))

    def _list_anchors(self, settings: StoreSettings, person: Person) -> list[Anchor]:
        said = (
            (AnchorKind.CUSTOMER, person.customer_id),
            (AnchorKind.EMAIL, person.email),
            (AnchorKind.PHONE, person.phone),
        )
        return [one for kind, value in said for one in self._tokens.anchors(settings.id, kind, value)]

    async def erase_store(self, settings: StoreSettings) -> int:
        """Nothing of this store is left; how many rows went."""
        total = 0
        while step := await self._store.run(lambda cursor: erase_store(cursor, settings.id, _STEP)):
            total += step
        log.warning("store %s: erased all of it, %d rows", settings.id, total)
        return total


def _erase(store_id: str, visitor_id: str, note: Callable[..., None], cursor: Cursor) -> Erased:
    erased = erase_visitor(cursor, store_id, visitor_id)
    note(cursor, erased=erased)
    return erased


def _end(cursor: Cursor, store_id: str, order_ids: Sequence[str], note: Callable[..., None], now_ms: int) -> None:
    """The orders are forgotten, and there is a proof even when nobody was found."""
    forget_orders(cursor, store_id, order_ids, now_ms)
    note(cursor, erased=Erased())

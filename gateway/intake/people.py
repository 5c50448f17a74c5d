"""Erasing people: found by whatever names them, gone from visitors, links, events and the queue (contract 1, `erase`).

Called by Shopify's privacy webhooks and by `gateway.ops.erase`.
"""

from __future__ import annotations

import logging
from functools import partial

from msgspec import structs

from gateway.intake.tokens import Tokens
from gateway.model.normalise import hash_external_id
from gateway.model.person import Person
from gateway.model.visitor import Identity
from gateway.settings import StoreSettings
from gateway.store import Store
from gateway.store.erase import Erased, erase_store, erase_visitor, find_people, forget_orders, note_erasure
from gateway.store.receipt import AnchorKind

log = logging.getLogger(__name__)

_STEP = 2000


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
        for visitor_id in await self._find(settings, person):
            erased = erased.plus(
                await self._store.run(partial(erase_visitor, store_id=settings.id, visitor_id=visitor_id))
            )
        await self._store.run(lambda cursor: forget_orders(cursor, settings.id, person.order_ids, now_ms))
        names = ", ".join(name.removesuffix("_ids") for name, value in structs.asdict(person).items() if value)
        await self._store.run(lambda cursor: note_erasure(cursor, settings.id, names, erased, now_ms))
        log.info("store %s: erased %d visitors, %d events", settings.id, erased.visitors, erased.events)
        return erased

    async def _find(self, settings: StoreSettings, person: Person) -> list[str]:
        """The ids of all visitors who are this person."""
        said = (
            (AnchorKind.CUSTOMER, person.customer_id),
            (AnchorKind.EMAIL, person.email),
            (AnchorKind.PHONE, person.phone),
        )
        anchors = [one for kind, value in said for one in self._tokens.anchors(settings.id, kind, value)]
        identity = Identity(person.email, person.phone, hash_external_id(person.customer_id))
        found = await self._store.read(
            lambda connection: find_people(connection, settings.id, identity, anchors, person.order_ids)
        )
        return list(dict.fromkeys([*found, *filter(None, [person.visitor_id])]))

    async def erase_store(self, settings: StoreSettings) -> int:
        """Nothing of this store is left; how many rows went."""
        total = 0
        while step := await self._store.run(lambda cursor: erase_store(cursor, settings.id, _STEP)):
            total += step
        log.warning("store %s: erased all of it, %d rows", settings.id, total)
        return total

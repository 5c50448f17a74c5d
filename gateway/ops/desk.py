"""Does errands in the process that holds the database: the running gateway, or a command while no gateway runs.

Made by `gateway.app`, `gateway.beside` and `gateway.ops.control`. Each errand is done store by store; what goes wrong
with one store is reported and leaves the others alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx

from gateway.errors import CommandError, GatewayError
from gateway.intake.orders import OrderIntake
from gateway.intake.people import People
from gateway.intake.tokens import Tokens
from gateway.model.person import Person
from gateway.ops.errands import (
    Checked,
    Erase,
    Errand,
    Gone,
    Look,
    Looked,
    Reconcile,
    Replay,
    Report,
    Underway,
    parse_errand,
    to_line,
    to_trouble,
)
from gateway.ops.reconcile import Reconciler, find_longest_age_h
from gateway.ops.replay import Replayer
from gateway.settings import Settings, StoreSettings
from gateway.shopify.admin_api import AdminApi
from gateway.store import Store
from gateway.store.erase import Erased
from gateway.store.vitals import find_vitals

ADMIN_TIMEOUT_S = 30.0
"""Shopify gives up on a query of its own before that."""


class Desk:
    """Where errands are handed in. Units: `clock` gives Unix milliseconds."""

    is_serving = False
    """Whether a gateway is running that delivers what an errand queues."""

    def __init__(self, settings: Settings, tokens: Tokens, store: Store, clock: Callable[[], int]) -> None:
        self._shops = {shop.id: shop for shop in settings.stores}
        self._max_age_h = find_longest_age_h(settings)
        self._orders = OrderIntake(tokens, store, settings.delivery)
        self._people = People(tokens, store)
        self._store = store
        self._clock = clock

    async def leads(self) -> bool:
        """Whether what is done on schedule is this node's to do. Raises: StoreUnavailable."""
        return await self._store.leads()

    async def run(self, errand: Errand) -> AsyncIterator[Report]:
        """The errand is done, for one store after the other; its reports, as they come."""
        for store_id in errand.store_ids:
            try:
                async for report in self._run(errand, self._find(store_id)):
                    yield report
            except GatewayError as error:
                yield to_trouble(store_id, error)

    def take(self, body: bytes) -> AsyncIterator[bytes]:
        """The same for an errand in JSON; its reports as JSON Lines. Raises: Malformed."""
        errand = parse_errand(body)
        return (to_line(report) async for report in self.run(errand))

    def _find(self, store_id: str) -> StoreSettings:
        if store_id not in self._shops:
            raise CommandError("the running gateway does not know this store: restart it")
        return self._shops[store_id]

    def _run(self, errand: Errand, shop: StoreSettings) -> AsyncIterator[Report]:
        match errand:
            case Reconcile(since_s=since_s, send=send):
                return self._reconcile(shop, since_s, send=send)
            case Erase(person=person):
                return self._erase(shop, person)
            case Look():
                return self._look(shop)
            case Replay(wanted=wanted, act=act):
                codes = {pixel.code for pixel in shop.pixels}
                return Replayer(self._store, shop.id, codes, self._max_age_h, self._clock).replay(wanted, act=act)

    async def _reconcile(self, shop: StoreSettings, since_s: int, *, send: bool) -> AsyncIterator[Report]:
        reconciler = Reconciler(shop, self._orders, self._store, self._max_age_h, self._clock)
        yield Checked(shop.id)
        async with await asyncio.to_thread(_build_http) as http:
            async for standings in reconciler.check(AdminApi(reconciler.shop, http), since_s, send=send):
                yield Checked(shop.id, tuple(standings))

    async def _erase(self, shop: StoreSettings, person: Person) -> AsyncIterator[Report]:
        erased = Erased()
        async for step in self._people.erase_in_steps(shop, person, self._clock()):
            erased = step.erased
            yield Underway(shop.id, step.what, step.done, step.total)
        yield Gone(shop.id, erased)

    async def _look(self, shop: StoreSettings) -> AsyncIterator[Report]:
        await self._store.check()
        now_ms = self._clock()
        yield Looked(shop.id, await self._store.read(lambda connection: find_vitals(connection, shop.id, now_ms)))


def _build_http() -> httpx.AsyncClient:
    """A client for one errand, which reaches this machine without a proxy. Loading certificates takes its time."""
    return httpx.AsyncClient(timeout=ADMIN_TIMEOUT_S, mounts={"all://127.0.0.1": None, "all://localhost": None})

"""Compares a shop's orders, as its Admin API tells them, with what became of them here; sends what is missing.

Called by `gateway.ops.desk`. An order that is sent this way goes the webhook's way: same event id, same consent, same
limit of age. So whatever comes twice is still sent once.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from gateway.errors import CommandError
from gateway.intake.orders import OrderIntake
from gateway.intake.receive import expiry_ms
from gateway.model.conversion import Conversion, NotSent, Reason
from gateway.model.outcome import Dropped, Fate
from gateway.ops.errands import Standing, State, choose_stores
from gateway.settings import Settings, StoreSettings
from gateway.shopify.admin_api import PAGE_SIZE, AdminApi
from gateway.shopify.orders import to_facts, to_purchase
from gateway.shopify.resources import Order
from gateway.shopify.storefront import to_purchase_id
from gateway.store import Recorded, Store
from gateway.store.accounts import Account, Ending, find_accounts

T = TypeVar("T")

WITHDRAWN = "consent_withdrawn"
_DURATION = re.compile(r"([0-9]{1,4})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400}

_BY_FATE = {
    Fate.REJECTED: State.REJECTED,
    Fate.EXPIRED: State.EXPIRED,
    Fate.WITHDRAWN: State.NOT_SENT,
    Fate.NOT_SENT: State.NOT_SENT,
    None: State.WAITING,
    Fate.ACCEPTED: State.SENT,
}
"""The worst first: an order stands where it stands at the pixel that fared worst."""
_FATES = tuple(_BY_FATE)


def parse_since(text: str) -> int:
    """Seconds of a time such as 30m, 6h or 7d. Raises: CommandError."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise CommandError("--since: write a number and its unit, such as 30m, 6h or 7d")
    return int(found[1]) * _SECONDS[found[2]]


def choose_shops(settings: Settings, store_id: str | None) -> list[StoreSettings]:
    """The store that is named, or all of them, if Shopify can be asked. Raises: CommandError when there is none."""
    shops = [store for store in choose_stores(settings, store_id) if has_admin_api(store)]
    if not shops:
        raise CommandError(
            "Shopify shows orders to apps alone: set client_id and client_secret, or admin_token, in [stores.shopify]"
        )
    return shops


def has_admin_api(store: StoreSettings) -> bool:
    """Whether this store's shop can be asked for its orders."""
    return bool(store.shopify and (store.shopify.client_id or store.shopify.admin_token))


def find_longest_age_h(settings: Settings) -> float:
    """Hours after which an order is not sent any more: too old for TikTok, or for us to know whether it was sent."""
    return min(settings.delivery.max_age_h, 24 * settings.retention.events_days)


class Reconciler:
    """Compares one store's orders. Units: `clock` gives Unix milliseconds.

    Raises: CommandError for a store without a shop.
    """

    def __init__(
        self, settings: StoreSettings, intake: OrderIntake, store: Store, max_age_h: float, clock: Callable[[], int]
    ) -> None:
        if settings.shopify is None:
            raise CommandError("there is no [stores.shopify] table, so no shop to ask for its orders")
        self._settings = settings
        self.shop = settings.shopify
        self._takers = [pixel.code for pixel in settings.pixels if pixel.takes("Purchase")]
        self._intake = intake
        self._store = store
        self._max_age_h = max_age_h
        self._clock = clock

    async def check(self, api: AdminApi, since_s: int, *, send: bool) -> AsyncIterator[list[Standing]]:
        """Where each order stands that changed in the last `since_s` seconds; with `send`, what was missing is queued.

        It may be stopped at any point and run again: what was queued stays so, once.
        Raises: AdminError, StoreUnavailable.
        """
        since = datetime.fromtimestamp(self._clock() / 1000, UTC) - timedelta(seconds=since_s)
        async for orders in _take_by(PAGE_SIZE, api.orders_since(since)):
            accounts = await self._find_accounts(orders)
            yield [await self._check_order(order, accounts[str(order.id)], send=send) for order in orders]

    async def _find_accounts(self, orders: Sequence[Order]) -> dict[str, Account]:
        event_ids = {str(order.id): to_purchase_id(order.id) for order in orders}
        return await self._store.read(
            lambda connection: find_accounts(connection, self._settings.id, self._takers, event_ids)
        )

    async def _check_order(self, order: Order, account: Account, *, send: bool) -> Standing:
        now_ms = self._clock()
        told = to_purchase(order, None, self.shop, self._settings.origins[0], now_ms)
        is_late = isinstance(told, Conversion) and expiry_ms(told.event, self._max_age_h) < now_ms
        state, reason = judge(told, account, self._takers, is_late=is_late)
        if send and (state is State.MISSING or reason == Reason.NO_CONSENT) and isinstance(told, Conversion):
            facts = to_facts(order, now_ms)
            state, reason = judge_recorded(await self._intake.record(self._settings, now_ms, told, facts=facts))
        return Standing(order.id, order.name or str(order.id), state, reason)


def judge(
    told: Conversion | NotSent, account: Account, takers: Sequence[str], *, is_late: bool
) -> tuple[State, str | None]:
    """Where an order stands, and why. `takers` are the pixels that take a Purchase.

    One pixel without it makes it missing, unless there is a reason by now not to send it any more. Whether consent has
    come meanwhile, nobody knows before it is tried.
    """
    if account.reason == Reason.ERASED:
        return State.NOT_SENT, Reason.ERASED
    if not takers:
        return State.NOT_SENT, Dropped.NO_PIXEL
    is_over = isinstance(told, NotSent) or is_late
    if account.endings and (is_over or account.endings.keys() >= set(takers)):
        return _find_worst(account.endings.values())
    if isinstance(told, NotSent):
        return State.NOT_SENT, told.reason
    if is_late:
        return State.EXPIRED, "too old"
    if account.reason == Reason.NO_CONSENT:
        return State.NOT_SENT, Reason.NO_CONSENT
    return State.MISSING, None


def _find_worst(endings: Iterable[Ending]) -> tuple[State, str | None]:
    worst = min(endings, key=lambda ending: _FATES.index(ending.fate))
    return _BY_FATE[worst.fate], WITHDRAWN if worst.fate is Fate.WITHDRAWN else worst.reason


def judge_recorded(recorded: Recorded) -> tuple[State, str | None]:
    """Where an order stands that was just told to the store."""
    if recorded.is_ignored:
        return State.NOT_SENT, Reason.ERASED
    if recorded.dropped:
        return State.NOT_SENT, Reason.NO_CONSENT
    return (State.QUEUED if recorded.queued else State.WAITING), None


async def _take_by(size: int, items: AsyncIterable[T]) -> AsyncIterator[list[T]]:
    """All the items, so many at a time."""
    taken: list[T] = []
    async for item in items:
        taken.append(item)
        if len(taken) == size:
            yield taken
            taken = []
    if taken:
        yield taken

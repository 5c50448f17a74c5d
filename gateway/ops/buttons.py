"""What the buttons of the dashboard do: errands, each telling in plain words what came of it.

Made by `gateway.app` around the running gateway's `Desk`, and handed to the dashboard.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from gateway.ops.desk import Desk
from gateway.ops.errands import Checked, Reconcile, Replay, State, Trouble
from gateway.ops.reconcile import has_admin_api
from gateway.ops.replay import Sum
from gateway.ops.tally import Tally
from gateway.settings import StoreSettings
from gateway.store.walk import Wanted

NO_SHOP = "there is no [stores.shopify] table, so no shop to ask for its orders"
NO_ACCESS = (
    "Shopify shows orders to apps alone: set client_id and client_secret, or admin_token, in [stores.shopify], then "
    "restart the gateway"
)

_TOLD = {
    State.SENT: "accepted by TikTok",
    State.WAITING: "on their way",
    State.QUEUED: "missing until now, and on their way",
    State.MISSING: "missing",
    State.REJECTED: "refused by TikTok",
    State.EXPIRED: "too old to be sent",
    State.NOT_SENT: "deliberately not sent",
}


class Buttons:
    """Hands errands to the desk, and tells."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def why_no_heal(self, shop: StoreSettings) -> str:
        """Why this store's orders cannot be compared, with the mend; nothing when they can."""
        if shop.shopify is None:
            return NO_SHOP
        return "" if has_admin_api(shop) else NO_ACCESS

    async def heal(self, shop: StoreSettings, since_s: int) -> AsyncIterator[str]:
        """The orders that changed in the last `since_s` seconds are compared and the missing sent; told as it goes on.

        It may be left at any point and begun again: nothing is sent twice.
        """
        tally = Tally()
        yield "Asking Shopify for its orders\u2026"
        async for report in self._desk.run(Reconcile((shop.id,), since_s, send=True)):
            tally.add(report)
            match report:
                case Checked(standings=standings) if standings:
                    yield f"{tally.count(shop.id)} orders compared\u2026"
                case Trouble(sentence=sentence):
                    yield f"It ended early: {sentence}."
        for line in _sum_up(tally, shop.id):
            yield line

    async def replay(self, shop: StoreSettings, wanted: Wanted) -> str:
        """What is wanted is sent once more where that counts nothing twice; what was, and why the rest was not."""
        done = Sum([report async for report in self._desk.run(Replay((shop.id,), wanted, act=True))])
        _, *others = done.tell()
        sent = [f"{done.count} on the way again"] if done.count or not others else []
        return " ".join(f"{line}." for line in [*sent, *others])


def _sum_up(tally: Tally, store_id: str) -> Iterator[str]:
    """How many orders stand where. Without any, and without trouble that was told, there were none."""
    if store_id in tally.store_ids and tally.count(store_id):
        for state in State:
            if orders := tally.list_orders(store_id, state):
                yield f"{len(orders)} {_TOLD[state]}."
    elif not tally.exit_code:
        yield "No order changed in this time."

"""What became of orders, as the events of their Purchases tell. Read by `gateway.ops.reconcile`; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from sqlalchemy import Connection, select

from gateway.model.outcome import Fate
from gateway.store.tables import events, orders


class Ending(Struct, frozen=True):
    """How an event ended at one pixel, and why it did not end well. A `fate` of None: it is still on its way."""

    fate: Fate | None = None
    reason: str | None = None


class Account(Struct, frozen=True):
    """What is known of one order. `reason`: why nothing was queued for it; `endings`: its Purchase's, by pixel."""

    reason: str | None = None
    endings: Mapping[str, Ending] = {}


def find_accounts(
    connection: Connection, store_id: str, pixel_codes: Sequence[str], event_ids: Mapping[str, str]
) -> dict[str, Account]:
    """The account of each order, ever heard of or not. Shape: `event_ids` holds its Purchase's, by the order's id."""
    reasons = _find_reasons(connection, store_id, list(event_ids))
    endings = _find_endings(connection, store_id, pixel_codes, list(event_ids.values()))
    return {id_: Account(reasons.get(id_), endings.get(event_id, {})) for id_, event_id in event_ids.items()}


def _find_reasons(connection: Connection, store_id: str, order_ids: Sequence[str]) -> dict[str, str | None]:
    query = select(orders.c.id, orders.c.reason).where(orders.c.store_id == store_id, orders.c.id.in_(order_ids))
    return {row.id: row.reason for row in connection.execute(query)}


def _find_endings(
    connection: Connection, store_id: str, pixel_codes: Sequence[str], event_ids: Sequence[str]
) -> dict[str, dict[str, Ending]]:
    """By event id, then by pixel."""
    query = select(events.c.event_id, events.c.pixel_code, events.c.fate, events.c.reason).where(
        events.c.store_id == store_id,
        events.c.pixel_code.in_(pixel_codes),
        events.c.event == "Purchase",
        events.c.event_id.in_(event_ids),
    )
    found: dict[str, dict[str, Ending]] = {}
    for row in connection.execute(query):
        ending = Ending(Fate(row.fate) if row.fate else None, row.reason)
        found.setdefault(row.event_id, {})[row.pixel_code] = ending
    return found

"""The account of every order that Shopify or a browser's Purchase told, without personal data.

Each function is one act inside a writer's transaction. Called by `gateway.store.record` with a receipt's notes.
"""

from __future__ import annotations

import re

from gateway.model.conversion import OrderFacts, Reason, Reversal
from gateway.model.event import Event
from gateway.store.receipt import WebhookNote
from gateway.store.sql import Cursor

_NOTE_WEBHOOK = """
    INSERT INTO webhooks (store_id, id, topic, received_ms) VALUES (?, ?, ?, ?) ON CONFLICT (store_id, id) DO NOTHING"""

_NOTE_ORDER = """
    INSERT INTO orders (store_id, id, name, visitor_id, placed_ms, heard_ms, value, currency, reason)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (store_id, id) DO UPDATE SET
        name = coalesce(excluded.name, orders.name),
        visitor_id = coalesce(excluded.visitor_id, orders.visitor_id),
        placed_ms = excluded.placed_ms,
        heard_ms = excluded.heard_ms,
        value = excluded.value,
        currency = excluded.currency,
        reason = CASE
            WHEN orders.reason IS NULL THEN NULL
            WHEN excluded.reason = 'not_the_trigger' THEN orders.reason
            ELSE excluded.reason END"""
"""An order once queued stays queued, whatever later topics say of it; and what is told under another topic than the
trigger, perhaps late, hides no better reason."""

_NOTE_PURCHASE = """
    INSERT INTO orders (store_id, id, visitor_id, placed_ms, heard_ms) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (store_id, id) DO UPDATE
    SET visitor_id = coalesce(orders.visitor_id, excluded.visitor_id), reason = NULL
    WHERE coalesce(orders.reason, '') <> 'erased' AND excluded.placed_ms <= orders.placed_ms + ?"""

TOLD_WITHIN_MS = 28 * 86_400_000
"""A Purchase of an order placed longer ago is its thank-you page opened once more: its event may be forgotten by now.

As long as any event may be sent: the longest `delivery.max_age_h`.
"""


_NOTE_REVERSAL = """
    INSERT INTO reversals (store_id, order_id, kind, occurred_ms, amount, currency) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (store_id, order_id, kind, occurred_ms) DO NOTHING"""

_PURCHASE_ID = re.compile(r"purchase_([0-9]+)")
"""The event id of an order's Purchase. Source: contract 4.4."""

_IS_ERASED = "SELECT 1 FROM orders WHERE store_id = ? AND id = ? AND reason = 'erased'"


def note_webhook(cursor: Cursor, store_id: str, note: WebhookNote, now_ms: int) -> bool:
    """Whether this delivery is new; it is known from now on."""
    cursor.execute(_NOTE_WEBHOOK, (store_id, note.id, note.topic, now_ms))
    return cursor.rowcount == 1


def is_erased(cursor: Cursor, store_id: str, order_id: str) -> bool:
    """Whether this order's person was erased."""
    cursor.execute(_IS_ERASED, (store_id, order_id))
    return cursor.fetchone() is not None


def note_purchase(cursor: Cursor, store_id: str, event: Event, visitor_id: str) -> bool:
    """The order that this event is the Purchase of is in the account as one that is told, whoever tells it.

    False when it must not be told: its person was erased, or it is long over. Of other events there is nothing to note.
    """
    order = _PURCHASE_ID.fullmatch(event.event_id) if event.event == "Purchase" else None
    if order is None:
        return True
    row = (store_id, order[1], visitor_id, event.occurred_ms, event.received_ms)
    cursor.execute(_NOTE_PURCHASE, (*row, TOLD_WITHIN_MS))
    return cursor.rowcount == 1


def note_order(
    cursor: Cursor, store_id: str, facts: OrderFacts, visitor_id: str | None, reason: Reason | None, now_ms: int
) -> None:
    """The order is in the account, with why no Purchase was queued for it, if none was."""
    value = None if facts.value is None else str(facts.value)
    row = (store_id, facts.id, facts.name, visitor_id, facts.placed_ms, now_ms, value, facts.currency, reason)
    cursor.execute(_NOTE_ORDER, row)


def note_reversal(cursor: Cursor, store_id: str, told: Reversal) -> None:
    """The refund or cancellation is in the account, once."""
    amount = None if told.amount is None else str(told.amount)
    cursor.execute(_NOTE_REVERSAL, (store_id, told.order_id, told.kind, told.occurred_ms, amount, told.currency))

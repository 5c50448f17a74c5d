"""What Shopify told of orders, kept without personal data: the account of every order.

Each function is one act inside a writer's transaction. Called by `gateway.store.record` with a receipt's notes.
"""

from __future__ import annotations

from gateway.model.conversion import OrderFacts, Reason, Reversal
from gateway.store.receipt import WebhookNote
from gateway.store.sql import Cursor

_NOTE_WEBHOOK = """
    INSERT INTO webhooks (store_id, id, topic, received_ms) VALUES (?, ?, ?, ?) ON CONFLICT (store_id, id) DO NOTHING"""

_NOTE_ORDER = """
    INSERT INTO orders (store_id, id, name, visitor_id, placed_ms, heard_ms, value, currency, reason)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (store_id, id) DO UPDATE SET
        name = excluded.name,
        visitor_id = coalesce(excluded.visitor_id, orders.visitor_id),
        heard_ms = excluded.heard_ms,
        reason = CASE WHEN orders.reason IS NULL THEN NULL ELSE excluded.reason END"""
"""An order once queued stays queued, whatever later topics say of it."""

_NOTE_REVERSAL = """
    INSERT INTO reversals (store_id, order_id, kind, occurred_ms, amount, currency) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (store_id, order_id, kind, occurred_ms) DO NOTHING"""

_IS_ERASED = "SELECT 1 FROM orders WHERE store_id = ? AND id = ? AND reason = 'erased'"


def note_webhook(cursor: Cursor, store_id: str, note: WebhookNote, now_ms: int) -> bool:
    """Whether this delivery is new; it is known from now on."""
    cursor.execute(_NOTE_WEBHOOK, (store_id, note.id, note.topic, now_ms))
    return cursor.rowcount == 1


def is_erased(cursor: Cursor, store_id: str, order_id: str) -> bool:
    """Whether this order's person was erased."""
    cursor.execute(_IS_ERASED, (store_id, order_id))
    return cursor.fetchone() is not None


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

"""Two ids of one checkout's start become one, so that InitiateCheckout counts once.

A page of the theme makes an id of its own for it, as it cannot know the checkout's token; the custom pixel and the
webhook name it by that token (contract 4.4). Called by `gateway.store.record` for this event alone, before it is
written: once both go by one id, they are twins like any others, which it merges and counts.
"""

from __future__ import annotations

from msgspec import structs

from gateway.model.event import Event, PixelState, fill
from gateway.model.names import INITIATE_CHECKOUT
from gateway.store import rows, sql
from gateway.store.sql import Cursor

WINDOW_MS = 30 * 60_000
"""One visitor's two starts within this time are one, if the theme told one of them and the checkout the other."""

_NAMED = "checkout_"
_FIND_OTHER = f"""
    SELECT id, event_id, pixel, body FROM events
    WHERE store_id = ? AND visitor_id = ? AND event = '{INITIATE_CHECKOUT}'
      AND pixel_code = ? AND occurred_ms BETWEEN ? AND ?
      AND CASE substr(event_id, 1, {len(_NAMED)}) WHEN '{_NAMED}' THEN 1 ELSE 0 END = ?
      AND coalesce(fate, 'accepted') = 'accepted'
    ORDER BY abs(occurred_ms - ?) LIMIT 1"""  # noqa: S608 - words of ours
"""The nearest in time of the other kind; one that TikTok did not take stands for nothing."""
_HOLD_BACK = """
    UPDATE outbox SET due_ms = due_ms WHERE store_id = ? AND id = ? AND lease IS NULL AND maybe_sent_ms IS NULL"""
"""Meets an event that TikTok cannot have heard of, and from then on nobody can claim it until it is written."""
_RENAME = "UPDATE events SET event_id = ?, body = ? WHERE store_id = ? AND id = ?"


def agree(cursor: Cursor, store_id: str, pixel_code: str, visitor_id: str, event: Event) -> Event:
    """This start of a checkout, under the id that it has in common with what was told of it before.

    The id that a Pixel's copy has wins, as TikTok merges equal ids alone; then the checkout's own. What may have left
    keeps its id whatever it is.
    """
    cursor.execute(sql.FIND_TWIN_VISITOR, (store_id, pixel_code, event.event, event.event_id))
    if cursor.fetchone():
        return event
    first_ms, last_ms = event.occurred_ms - WINDOW_MS, event.occurred_ms + WINDOW_MS
    kind = 0 if _is_named(event.event_id) else 1
    key = (store_id, visitor_id, pixel_code, first_ms, last_ms, kind, event.occurred_ms)
    cursor.execute(_FIND_OTHER, key)
    if not (other := cursor.fetchone()):
        return event
    id_, event_id, pixel, body = other
    if _rank(event.event_id, event.pixel) > _rank(event_id, pixel):
        cursor.execute(_HOLD_BACK, (store_id, id_))
        if cursor.rowcount:
            renamed, _ = rows.from_event(_rename(rows.to_event(body, None), event))
            cursor.execute(_RENAME, (event.event_id, renamed, store_id, id_))
            return event
    return structs.replace(event, event_id=event_id)


def _rank(event_id: str, pixel: str | None) -> tuple[bool, bool]:
    return pixel == PixelState.FIRED, _is_named(event_id)


def _is_named(event_id: str) -> bool:
    """Whether an id was made of a checkout's token."""
    return event_id.startswith(_NAMED)


def _rename(waiting: Event, better: Event) -> Event:
    """What the better-named one knows of the goods and their worth goes before what a page knew of the cart."""
    properties = fill(better.properties, waiting.properties)
    return structs.replace(waiting, event_id=better.event_id, properties=properties)

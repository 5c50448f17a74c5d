"""How much waits to be sent, and since when. Read at every scrape and by the watch, so cheap however much there is."""

from __future__ import annotations

from sqlalchemy import Connection, func, literal, select

from gateway.store.tables import events, outbox

MOST_COUNTED = 20_000
"""Where counting a pixel's events ends: no database knows a number of rows without visiting each (measured on SQLite:
2 ms for so many, 150 ms for a million). How long the oldest has waited is exact at any size."""


def count_pending(connection: Connection, store_id: str, pixel_code: str) -> int:
    """How many events of a pixel are still to be sent, `MOST_COUNTED` when there are as many or more."""
    mine = (outbox.c.store_id == store_id, outbox.c.pixel_code == pixel_code)
    counted = select(literal(1)).select_from(outbox).where(*mine).limit(MOST_COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(counted)) or 0


def find_oldest_ms(connection: Connection, store_id: str) -> int | None:
    """When the event that has waited longest was taken in. Ids are made in the order of arrival, so it has the first.

    Units: Unix milliseconds.
    """
    first = select(func.min(outbox.c.id)).where(outbox.c.store_id == store_id).scalar_subquery()
    return connection.scalar(select(events.c.received_ms).where(events.c.store_id == store_id, events.c.id == first))

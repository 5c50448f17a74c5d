"""How much waits to be sent, and since when: read at every scrape, look and page, so cheap however much there is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, func, literal, select

from gateway.store.tables import events, outbox

MOST_COUNTED = 20_000
"""Where counting a pixel's events ends: no database knows a number of rows without visiting each (measured on SQLite:
2 ms for so many, 150 ms for a million). How long the oldest has waited is exact at any size."""


def count_pending(connection: Connection, store_id: str, *pixel_codes: str) -> int:
    """How many events of these pixels, or of all, wait to be sent; `MOST_COUNTED` when there are as many or more."""
    counted = select(literal(1)).where(*_of(store_id, pixel_codes)).limit(MOST_COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(counted)) or 0


def find_oldest_ms(connection: Connection, store_id: str, *pixel_codes: str) -> int | None:
    """When the event of these pixels, or of all, that has waited longest was taken in.

    Ids are made in the order of arrival, so it has the first. Units: Unix milliseconds.
    """
    first = select(outbox.c.id).where(*_of(store_id, pixel_codes)).order_by(outbox.c.id).limit(1).scalar_subquery()
    return connection.scalar(select(events.c.received_ms).where(events.c.store_id == store_id, events.c.id == first))


def _of(store_id: str, pixel_codes: Sequence[str]) -> list[ColumnElement[bool]]:
    mine = [outbox.c.store_id == store_id]
    return [*mine, outbox.c.pixel_code.in_(pixel_codes)] if pixel_codes else mine

"""A Person: who is to be erased, by whatever names them."""

from __future__ import annotations

from msgspec import Struct


class Person(Struct, frozen=True):
    """Shape: `email` and `phone` are SHA-256 hex, ids are digits or our own."""

    customer_id: str | None = None
    email: str | None = None
    phone: str | None = None
    visitor_id: str | None = None
    order_ids: tuple[str, ...] = ()

"""Makes of claimed events what is sent of them, or settles them unsent. Each on its own: a bad one spoils no other.

Called by `gateway.delivery.lane`, in a thread. An event is read, judged and written before the next one is read, and of
a batch only what is sent is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from msgspec import MsgspecError, Raw, Struct

from gateway.delivery.settlements import not_ahead, screen, unread, unwritten
from gateway.store import Claimed, Settlement
from gateway.store.rows import to_raw_event
from gateway.tiktok.payload import build_event

log = logging.getLogger(__name__)


class Packed(Struct, frozen=True, gc=False):
    """A claimed event as it is sent. The first three are those of its claim. Units: `received_ms` Unix milliseconds."""

    id: str
    attempts: int
    maybe_sent_ms: int | None
    received_ms: int
    data: Raw


def pack(store_id: str, claimed: Iterable[Claimed], now_ms: int) -> tuple[list[Packed], list[Settlement]]:
    """Those of these events that may be sent now, and the settlements of the others.

    Raises: MemoryError, which no other events would mend.
    """
    packed: list[Packed] = []
    kept_back: list[Settlement] = []
    for one in claimed:
        made = _pack(store_id, one, now_ms)
        if isinstance(made, Packed):
            packed.append(made)
        else:
            kept_back.append(made)
    return packed, kept_back


def _pack(store_id: str, claimed: Claimed, now_ms: int) -> Packed | Settlement:
    try:
        event = to_raw_event(claimed.body)
        if kept_back := screen(claimed, event, now_ms):
            return kept_back
        data = build_event(not_ahead(event, now_ms), claimed.ip)
    except MemoryError:
        raise
    except MsgspecError:
        log.exception("store %s: event %s cannot be read", store_id, claimed.id)
        return unread(claimed, now_ms)
    except Exception:
        log.exception("store %s: event %s cannot be written as a request", store_id, claimed.id)
        return unwritten(claimed, now_ms)
    return Packed(claimed.id, claimed.attempts, claimed.maybe_sent_ms, event.received_ms, data)

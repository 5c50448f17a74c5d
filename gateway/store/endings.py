"""Counts how events ended, in the transaction that settles them; and takes the count back when one is sent again.

Called by `gateway.store.outbox` before the fates are written, with many events at once: the database says how many
there are of each kind, in one statement over the narrow columns that `gateway.store.traits` filled, and of a batch
there are few kinds. What a kind adds to the hours is worked out here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.model.outcome import Fate
from gateway.store.rollups import DELAYS, SLOT, add_counts, adding, to_counted_name
from gateway.store.sql import Cursor
from gateway.store.tables import flow_hours, recovered_hours
from gateway.store.traits import BITS, BROWSER, TRAITS, Route

_END_ORDERS = """
    UPDATE orders SET fate = ? WHERE store_id = ? AND coalesce(fate, '') <> 'accepted' AND id IN (
        SELECT substr(event_id, 10) FROM events
        WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))
          AND event = 'Purchase' AND event_id LIKE 'purchase_%' AND fate IS NULL)"""
"""One pixel's acceptance is enough, whatever another pixel says before or after."""

_REOPEN_ORDERS = _END_ORDERS.replace("fate IS NULL", "fate IS NOT NULL")


class _Kind(NamedTuple):
    """So many events that are counted alike. Units: `worth_e4` of all together."""

    hour_ms: int
    pixel_code: str
    event: str
    source: str
    pixel: str | None
    browser: str
    currency: str
    traits: int
    fate: str | None
    delay: str
    events: int
    worth_e4: int


def _group(delay: str, which: str) -> str:
    """The statement that finds the kinds of the named events, in the order of `_Kind`."""
    bounds = " ".join(f"WHEN delay <= {limit_s * 1000} THEN '{name}'" for name, limit_s in DELAYS.items() if limit_s)
    keys = (
        "received_ms - received_ms % 3600000", "pixel_code", "event", "source", "pixel", "coalesce(browser, 'unknown')",
        "coalesce(currency, '')", "coalesce(traits, 0)", "fate", f"CASE {bounds} ELSE '{_LONGEST}' END",
    )  # fmt: skip
    return f"""
        SELECT {", ".join(keys)}, count(*), coalesce(sum(worth_e4), 0)
        FROM (SELECT events.*, {delay} AS delay FROM events
              WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))) AS these
        WHERE {which} GROUP BY {", ".join(str(number) for number, _ in enumerate(keys, 1))}"""  # noqa: S608 - ours


_LONGEST = next(name for name, limit_s in DELAYS.items() if limit_s is None)
_SETTLING = _group("? - received_ms", "fate IS NULL")
_ENDED = _group("settled_ms - received_ms", "fate IS NOT NULL")

_FLOW = (*Fate, *DELAYS, *TRAITS)
_ROUTES = tuple(name for route in Route for name in (route.value, f"{route}_purchases", f"{route}_e4"))
_ADD_FLOW = adding(flow_hours, *_FLOW)
_ADD_RECOVERED = adding(recovered_hours, *_ROUTES)


def count_ends(cursor: Cursor, store_id: str, ids: str, fate: Fate, at_ms: int) -> None:
    """Those of these events that have no fate yet are counted as ending with this one. Shape: `ids` is a JSON list."""
    cursor.execute(_SETTLING, (at_ms, store_id, ids))
    kinds = [_Kind(*row)._replace(fate=fate) for row in cursor.fetchall()]
    _add(cursor, store_id, kinds, 1)
    if any(kind.event == "Purchase" for kind in kinds):
        cursor.execute(_END_ORDERS, (fate, store_id, store_id, ids))


def uncount_ends(cursor: Cursor, store_id: str, ids: str) -> None:
    """These events count as not yet ended: called before their fates are taken away. Shape: `ids` is a JSON list."""
    _add(cursor, store_id, _find_ended(cursor, store_id, ids), -1)
    cursor.execute(_REOPEN_ORDERS, (None, store_id, store_id, ids))


def recount_ends(cursor: Cursor, store_id: str, ids: str) -> None:
    """These events, which came with their fates, are counted by them. Shape: `ids` is a JSON list."""
    _add(cursor, store_id, _find_ended(cursor, store_id, ids), 1)


def _find_ended(cursor: Cursor, store_id: str, ids: str) -> list[_Kind]:
    cursor.execute(_ENDED, (store_id, ids))
    return [_Kind(*row) for row in cursor.fetchall()]


def _add(cursor: Cursor, store_id: str, kinds: Sequence[_Kind], sign: int) -> None:
    """The kinds are in the hours, or out again. Of what TikTok accepted its delay, keys and worth matter, too."""
    flow: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    recovered: defaultdict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for kind in kinds:
        name = to_counted_name(kind.event)
        count = flow[store_id, kind.hour_ms, kind.pixel_code, name, kind.source, SLOT]
        for column in _flow_columns(kind):
            count[column] += sign * kind.events
        if kind.fate == Fate.ACCEPTED and kind.source != "test":
            worth = recovered[store_id, kind.hour_ms, kind.pixel_code, kind.browser, kind.currency, SLOT]
            route = _find_route(kind)
            worth[route] += sign * kind.events
            worth[f"{route}_e4"] += sign * int(kind.worth_e4)
            if kind.event == "Purchase":
                worth[f"{route}_purchases"] += sign * kind.events
    add_counts(cursor, _ADD_FLOW, _FLOW, flow)
    add_counts(cursor, _ADD_RECOVERED, _ROUTES, recovered)


def _flow_columns(kind: _Kind) -> list[str]:
    """The columns of `flow_hours` in which events of this kind count."""
    if kind.fate != Fate.ACCEPTED:
        return [str(kind.fate)]
    return [str(kind.fate), kind.delay, *(name for name in TRAITS if kind.traits & BITS[name])]


def _find_route(kind: _Kind) -> str:
    """What became of the Pixel's copy, as far as anybody told."""
    if kind.pixel is not None:
        return kind.pixel
    return Route.UNKNOWN if kind.traits & BROWSER else Route.NO_BROWSER

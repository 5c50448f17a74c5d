"""Counts how events ended, in the transaction that settles them; and takes the count back when one is sent again.

Called by `gateway.store.outbox` before the fates are written, with many events at once: all counting is done by the
database, in one statement for each kind of count, over the narrow columns that `gateway.store.traits` filled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Table

from gateway.model.outcome import Fate
from gateway.store.rollups import DELAYS, NAMES, SLOT, adding
from gateway.store.sql import Cursor
from gateway.store.tables import flow_hours, recovered_hours
from gateway.store.traits import BITS, BROWSER, TRAITS, Route

_HOUR = "received_ms - received_ms % 3600000"
_NAME = "CASE WHEN event IN ({}) THEN event ELSE 'other' END".format(", ".join(f"'{name}'" for name in sorted(NAMES)))
_PURCHASE = "CASE WHEN event = 'Purchase' THEN 1 ELSE 0 END"
_ROUTE = f"""CASE WHEN pixel IS NOT NULL THEN pixel
    WHEN coalesce(traits, 0) & {BROWSER} <> 0 THEN '{Route.UNKNOWN}' ELSE '{Route.NO_BROWSER}' END"""

_FLOW_KEY = ("store_id", _HOUR, "pixel_code", _NAME, "source")
_RECOVERED_KEY = ("store_id", _HOUR, "pixel_code", "coalesce(browser, 'unknown')", "coalesce(currency, '')")

_END_ORDERS = """
    UPDATE orders SET fate = ? WHERE store_id = ? AND coalesce(fate, '') <> 'accepted' AND id IN (
        SELECT substr(event_id, 10) FROM events
        WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))
          AND event = 'Purchase' AND event_id LIKE 'purchase_%' AND fate IS NULL)"""
"""One pixel's acceptance is enough, whatever another pixel says before or after."""

_REOPEN_ORDERS = _END_ORDERS.replace("fate IS NULL", "fate IS NOT NULL")


class _Source(NamedTuple):
    """Which of the named events are counted, with `delay` from receipt to settlement, and whether up or down."""

    sign: int
    delay: str
    which: str


_SETTLING = _Source(1, "? - received_ms", "fate IS NULL")


def count_ends(cursor: Cursor, store_id: str, ids: str, fate: Fate, at_ms: int) -> None:
    """Those of these events that have no fate yet are counted as ending with this one. Shape: `ids` is a JSON list."""
    for statement in _count(fate, _SETTLING):
        cursor.execute(statement, (at_ms, store_id, ids))
    cursor.execute(_END_ORDERS, (fate, store_id, store_id, ids))


def uncount_ends(cursor: Cursor, store_id: str, ids: str) -> None:
    """These events count as not yet ended: called before their fates are taken away. Shape: `ids` is a JSON list."""
    _count_ended(cursor, store_id, ids, -1)
    cursor.execute(_REOPEN_ORDERS, (None, store_id, store_id, ids))


def recount_ends(cursor: Cursor, store_id: str, ids: str) -> None:
    """These events, which came with their fates, are counted by them. Shape: `ids` is a JSON list."""
    _count_ended(cursor, store_id, ids, 1)


def _count_ended(cursor: Cursor, store_id: str, ids: str, sign: int) -> None:
    for fate in Fate:
        for statement in _count(fate, _Source(sign, "settled_ms - received_ms", f"fate = '{fate}'")):
            cursor.execute(statement, (store_id, ids))


@cache
def _count(fate: Fate, source: _Source) -> tuple[str, ...]:
    """The statements that count this fate. Of what TikTok accepted its delay, match keys and worth matter, too."""
    each = f"{source.sign} * "
    sums = {fate.value: f"{each}count(*)"}
    if fate is not Fate.ACCEPTED:
        return (_sum_up(flow_hours, _FLOW_KEY, sums, source),)
    sums |= {name: each + one for name, one in (_DELAY_SUMS | _TRAIT_SUMS).items()}
    genuine = source._replace(which=f"{source.which} AND source <> 'test'")
    return (
        _sum_up(flow_hours, _FLOW_KEY, sums, source),
        _sum_up(recovered_hours, _RECOVERED_KEY, {name: each + one for name, one in _ROUTE_SUMS.items()}, genuine),
    )


def _sum_up(table: Table, key: Sequence[str], sums: Mapping[str, str], source: _Source) -> str:
    """One statement that adds these sums to the rows of their keys, in the keys' order."""
    into = adding(table, *sums)
    groups = ", ".join(str(number) for number, _ in enumerate(key, 1))
    return f"""
        {into.head.removesuffix("VALUES")} SELECT {", ".join((*key, str(SLOT), *sums.values()))}
        FROM (SELECT events.*, {source.delay} AS delay FROM events
              WHERE store_id = ? AND id IN (SELECT value FROM json_each(?))) AS these
        WHERE {source.which} GROUP BY {groups} ORDER BY {groups} {into.tail}"""  # noqa: S608 - names of ours


def _sum_delays() -> dict[str, str]:
    """Each event in the first column whose time it keeps."""
    sums, longer = dict[str, str](), "true"
    for name, limit_s in DELAYS.items():
        within = f"{longer} AND delay <= {limit_s * 1000}" if limit_s else longer
        sums[name] = f"sum(CASE WHEN {within} THEN 1 ELSE 0 END)"
        longer = f"delay > {limit_s * 1000}" if limit_s else longer
    return sums


_DELAY_SUMS = _sum_delays()
_TRAIT_SUMS = {name: f"sum((coalesce(traits, 0) & {BITS[name]}) / {BITS[name]})" for name in TRAITS}


def _sum_routes() -> dict[str, str]:
    """Of each route its events, its purchases and their worth."""
    sums: dict[str, str] = {}
    for route in Route:
        counted = {route.value: "1", f"{route}_purchases": _PURCHASE, f"{route}_e4": "coalesce(worth_e4, 0)"}
        sums |= {name: f"sum(CASE WHEN {_ROUTE} = '{route}' THEN {one} ELSE 0 END)" for name, one in counted.items()}
    return sums


_ROUTE_SUMS = _sum_routes()

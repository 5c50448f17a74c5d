"""Receipts and events to store, and ways to make the writer busy or broken."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, select

from gateway.model.consent import Consent, ConsentMode
from gateway.model.event import Event, Page, Source
from gateway.model.visitor import Click, Identity, Sighting
from gateway.store import Claimed, Receipt, Recorded, Settlement, Store, writer
from gateway.store.database import TryAgain
from gateway.store.receipt import Anchor, AnchorKind, Queued
from gateway.store.rows import to_event

NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
STORE, PIXEL = "acme", "C0ABCDEFGHIJKLMNOPQR"
LANE = (STORE, PIXEL)
YES = Consent(marketing=True, source="banner", at_ms=NOW_MS)
NO = Consent(marketing=False, source="banner", at_ms=NOW_MS)

_numbers = itertools.count(1)


def make_id() -> str:
    """An id never given before, later ones sorting after earlier ones."""
    return f"{next(_numbers):032x}"


def make_event(**said: Any) -> Event:
    """A page's event, received now."""
    usual = {
        "event": "ViewContent",
        "event_id": make_id(),
        "occurred_ms": NOW_MS,
        "received_ms": NOW_MS,
        "source": Source.BEACON,
        "page": Page("https://www.acme.com/"),
    }
    return Event(**usual | said)


def make_sighting(at_ms: int = NOW_MS, **said: Any) -> Sighting:
    return Sighting(at_ms=at_ms, **said)


def make_receipt(*events: Event | Queued, **said: Any) -> Receipt:
    """What one beacon says; each bare event is for the one pixel and may be sent for a week."""
    queued = tuple(
        one if isinstance(one, Queued) else Queued(PIXEL, one, one.occurred_ms + 168 * HOUR_MS) for one in events
    )
    usual = {
        "store_id": STORE,
        "mode": ConsentMode.GRANTED,
        "new_id": make_id(),
        "sighting": make_sighting(),
        "events": queued,
    }
    return Receipt(**usual | said)


def anchor(kind: AnchorKind, digest: str = "d1") -> Anchor:
    return Anchor(kind, digest)


def click(ttclid: str, at_ms: int = NOW_MS) -> Click:
    return Click(ttclid, at_ms)


def person(email: str, **said: str) -> Identity:
    return Identity(email=email, **said)


def open_claim(claimed: Claimed) -> Event:
    """The event that was claimed."""
    return to_event(claimed.body, claimed.ip)


def settled(claimed: Claimed, **said: Any) -> Settlement:
    """The settlement of one claimed event, at the claim's own values unless said otherwise."""
    usual = {"at_ms": NOW_MS, "attempts": claimed.attempts, "maybe_sent_ms": claimed.maybe_sent_ms}
    return Settlement(id=claimed.id, **usual | said)


async def read_rows(store: Store, table: Table) -> list[dict[str, Any]]:
    """All rows of a table, in the order of its primary key."""

    def find(connection: Connection) -> list[dict[str, Any]]:
        order = list(table.primary_key.columns)
        return [dict(row._mapping) for row in connection.execute(select(table).order_by(*order))]

    return await store.read(find)


async def read_event(store: Store, table: Table) -> Event:
    """The one event of the database, as stored but for its ip."""
    (row,) = await read_rows(store, table)
    return msgspec.json.decode(row["body"], type=Event)


@contextlib.asynccontextmanager
async def busy(store: Store) -> AsyncIterator[None]:
    """The writer is at work on one job: what is handed in meanwhile waits, and shares the next transaction."""
    is_working, may_end = threading.Event(), threading.Event()

    def work(_cursor: object) -> None:
        is_working.set()
        may_end.wait(60)

    job = asyncio.create_task(store._writer.run(work))
    assert await asyncio.to_thread(is_working.wait, 60)
    try:
        yield
    finally:
        may_end.set()
        await job


async def record_together(store: Store, receipts: Sequence[Receipt]) -> list[Recorded]:
    """The receipts are recorded in one transaction."""
    async with busy(store):
        tasks = [asyncio.create_task(store.record(receipt)) for receipt in receipts]
        await asyncio.sleep(0)  # each task runs up to where it waits for the writer
        assert store._writer.waiting == len(receipts)
    return await asyncio.gather(*tasks)


async def record_apart(store: Store, receipts: Sequence[Receipt]) -> list[Recorded]:
    """The receipts are recorded one after the other, each in its own transaction."""
    return [await store.record(receipt) for receipt in receipts]


@contextlib.contextmanager
def at_commit(act: Callable[[], object]) -> Iterator[None]:
    """`act` is called when all work of a transaction is done and it is about to be committed."""

    def work_and_act(*all_of_it: Any) -> list[Any]:
        results = work(*all_of_it)
        act()
        return results

    work, writer._work = writer._work, work_and_act
    try:
        yield
    finally:
        writer._work = work


@contextlib.contextmanager
def losing_an_answer(store: Store) -> Iterator[None]:
    """The connection is lost as the database answers the next commit: what was to be written is, and nobody knows."""

    def transact_unheard(batch: Sequence[Any]) -> list[Any]:
        store._writer._transact = transact  # type: ignore[method-assign]
        transact(batch)
        raise TryAgain("the connection was lost")

    transact, store._writer._transact = store._writer._transact, transact_unheard  # type: ignore[method-assign]
    yield
    assert store._writer._transact is transact

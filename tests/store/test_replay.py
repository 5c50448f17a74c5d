"""What is put back into the outbox is as it was, knows what may have been sent, and is put back once."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model.outcome import Fate
from gateway.store import Store
from gateway.store.replay import requeue
from gateway.store.tables import events, flow_hours, outbox
from tests.store.samples import HOUR_MS, LANE, NOW_MS, STORE, make_event, make_receipt, read_rows, settled

LATER_MS = NOW_MS + HOUR_MS


async def end(store: Store, fate: Fate, **said: Any) -> str:
    """An event has ended; its row's id."""
    await store.record(make_receipt(make_event()))
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(claimed, fate=fate, reason="no", **said)])
    return claimed.id


async def put_back(store: Store, id_: str, until_ms: int = NOW_MS + 2 * HOUR_MS) -> int:
    return await store.run(lambda cursor: requeue(cursor, STORE, {id_: until_ms}, LATER_MS))


@pytest.mark.parametrize("fate", [Fate.REJECTED, Fate.EXPIRED])
async def test_an_event_without_tiktok_is_due_again_until_its_new_time(store: Store, fate: Fate):
    id_ = await end(store, fate)
    assert await put_back(store, id_) == 1
    [event] = await read_rows(store, events)
    assert (event["fate"], event["reason"], event["settled_ms"]) == (None, None, None)
    (claimed,) = await store.claim(LANE, "lease", LATER_MS, 10)
    assert (claimed.id, claimed.expires_ms, claimed.maybe_sent_ms) == (id_, NOW_MS + 2 * HOUR_MS, None)


async def test_what_may_have_been_sent_is_remembered(store: Store):
    id_ = await end(store, Fate.REJECTED, maybe_sent_ms=NOW_MS - 5)
    await put_back(store, id_)
    assert [row["maybe_sent_ms"] for row in await read_rows(store, outbox)] == [NOW_MS - 5]


@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.WITHDRAWN])
async def test_what_ended_well_or_was_somebodys_wish_stays(store: Store, fate: Fate):
    id_ = await end(store, fate)
    assert await put_back(store, id_) == 0
    assert await read_rows(store, outbox) == []


async def test_what_was_put_back_is_not_put_back_again(store: Store):
    id_ = await end(store, Fate.REJECTED)
    assert [await put_back(store, id_), await put_back(store, id_)] == [1, 0]
    assert len(await read_rows(store, outbox)) == 1


async def test_the_hours_forget_the_ending_that_was_none(store: Store):
    id_ = await end(store, Fate.REJECTED)
    await put_back(store, id_)
    [hours] = await read_rows(store, flow_hours)
    assert (hours["received"], hours["rejected"]) == (1, 0)

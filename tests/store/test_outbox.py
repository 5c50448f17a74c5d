"""Claiming under a lease, renewing it, settling, and what a dead process leaves behind."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time

import pytest
from msgspec import structs
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.errors import StoreUnavailable
from gateway.model.outcome import Fate
from gateway.store import Settlement, Store, sql, sqlite
from gateway.store import outbox as store_outbox
from gateway.store.outbox import LEASE_MS
from gateway.store.receipt import Queued
from gateway.store.tables import attempts, events, outbox
from tests.store.samples import (
    LANE,
    NO,
    NOW_MS,
    PIXEL,
    STORE,
    YES,
    busy,
    losing_an_answer,
    make_event,
    make_receipt,
    make_sighting,
    open_claim,
    read_rows,
    settled,
)

SQLITE = dialect()


async def queue(store: Store, *received_ms: int) -> None:
    """One event received at each of these times, now if none is said."""
    for at_ms in received_ms or (NOW_MS,):
        await store.record(make_receipt(make_event(received_ms=at_ms)))


async def test_the_oldest_due_are_claimed_first_and_no_more_than_asked(store: Store):
    await queue(store, NOW_MS, NOW_MS - 2000, NOW_MS - 1000, NOW_MS + 1)
    two = await store.claim(LANE, "lease", NOW_MS, 2)
    rest = await store.claim(LANE, "lease", NOW_MS, 10)
    assert [open_claim(one).received_ms - NOW_MS for one in two] == [-2000, -1000]
    assert [open_claim(one).received_ms - NOW_MS for one in rest] == [0]


@pytest.mark.parametrize("ip", [None, "203.0.113.7", '2001:4860:4860::8888%"],["\\x', "an 'address'"])
async def test_whatever_stands_as_an_address_spoils_no_claim(store: Store, ip: str | None):
    said = make_event()
    await store.record(make_receipt(structs.replace(said, user=structs.replace(said.user, ip=ip)), make_event()))
    claimed = await store.claim(LANE, "lease", NOW_MS, 10)
    assert len(claimed) == 2
    assert {open_claim(one).user.ip for one in claimed if open_claim(one).event_id == said.event_id} == {ip}


async def test_nothing_is_claimed_twice_at_once(store: Store):
    await queue(store, *[NOW_MS] * 20)
    async with busy(store):
        claims = [asyncio.create_task(store.claim(LANE, f"lease {n}", NOW_MS, 8)) for n in range(4)]
        await asyncio.sleep(0)
    ids = [one.id for claimed in await asyncio.gather(*claims) for one in claimed]
    assert len(ids) == len(set(ids)) == 20


async def test_a_lease_that_ended_lets_another_claim(store: Store):
    await queue(store)
    assert len(await store.claim(LANE, "dead", NOW_MS, 10)) == 1
    assert await store.claim(LANE, "alive", NOW_MS + LEASE_MS - 1, 10) == []
    (claimed,) = await store.claim(LANE, "alive", NOW_MS + LEASE_MS, 10)
    assert claimed.maybe_sent_ms == NOW_MS
    assert claimed.attempts == 1


async def test_a_claim_whose_answer_was_lost_finds_nothing_and_ends_with_its_lease(store: Store):
    """Nobody was told what it had leased, so nothing was sent; that it may have been is assumed all the same."""
    await queue(store)
    with losing_an_answer(store):
        assert await store.claim(LANE, "lease", NOW_MS, 10) == []
    (claimed,) = await store.claim(LANE, "lease", NOW_MS + LEASE_MS, 10)
    assert (claimed.maybe_sent_ms, claimed.attempts) == (NOW_MS, 1)


async def test_what_was_claimed_before_the_database_failed_is_handed_out(store: Store, monkeypatch: pytest.MonkeyPatch):
    run, told = store._writer.run, itertools.count()

    async def run_and_fail(work, **said):
        if next(told) == 1:
            raise StoreUnavailable("broken by a test")
        return await run(work, **said)

    monkeypatch.setattr(store_outbox, "STEP", 2)
    monkeypatch.setattr(store._writer, "run", run_and_fail)
    await queue(store, *[NOW_MS] * 5)
    claimed = await store.claim(LANE, "mine", NOW_MS, 10)
    rest = await store.claim(LANE, "mine", NOW_MS, 10)
    assert (len(claimed), len(rest)) == (2, 3)
    told = itertools.count(1)
    with pytest.raises(StoreUnavailable):
        await store.claim(LANE, "mine", NOW_MS, 10)


@pytest.mark.parametrize(("is_busy", "sizes"), [(False, [4, 1]), (True, [2, 2, 1])])
async def test_while_beacons_come_in_events_are_claimed_and_settled_in_smaller_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch, is_busy: bool, sizes: list[int]
):
    monkeypatch.setattr(store_outbox, "STEP", 4)
    monkeypatch.setattr(store_outbox, "STEP_BESIDE", 2)
    asked: list[int] = []
    claim, settle = store_outbox.claim, store_outbox.settle

    def claim_and_note(cursor, *, limit, **said):
        asked.append(limit)
        return claim(cursor, limit=limit, **said)

    def settle_and_note(cursor, *, settlements, **said):
        asked.append(len(settlements))
        settle(cursor, settlements=settlements, **said)

    monkeypatch.setattr(store_outbox, "claim", claim_and_note)
    monkeypatch.setattr(store_outbox, "settle", settle_and_note)
    await queue(store, *[NOW_MS] * 5)
    store._writer._busy_until_s = time.monotonic() + 60 if is_busy else 0.0
    claimed = await store.claim(LANE, "mine", NOW_MS, 5)
    await store.settle(STORE, "mine", [settled(one, fate=Fate.ACCEPTED) for one in claimed])
    assert asked == sizes * 2
    assert {row["fate"] for row in await read_rows(store, events)} == {"accepted"}


async def test_a_claim_holds_no_longer_than_fifteen_seconds():
    assert LEASE_MS <= 15_000


async def test_a_renewed_lease_holds_on(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "mine", NOW_MS, 10)
    assert await store.renew(LANE, "mine", [claimed.id], NOW_MS + 10_000) == {claimed.id}
    assert await store.claim(LANE, "other", NOW_MS + 10_000 + LEASE_MS - 1, 10) == []
    assert len(await store.claim(LANE, "other", NOW_MS + 10_000 + LEASE_MS, 10)) == 1


async def test_a_lost_lease_cannot_be_renewed(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "slow", NOW_MS, 10)
    await store.claim(LANE, "other", NOW_MS + LEASE_MS, 10)
    assert await store.renew(LANE, "slow", [claimed.id], NOW_MS + 10 * LEASE_MS) == set()
    assert len(await store.claim(LANE, "third", NOW_MS + 2 * LEASE_MS, 10)) == 1


async def test_who_renews_is_told_which_of_many_are_still_held(store: Store):
    await queue(store, *[NOW_MS] * 4)
    claimed = await store.claim(LANE, "mine", NOW_MS, 10)
    lost, ended, *held = (one.id for one in claimed)
    await store.settle(STORE, "mine", [settled(one, fate=Fate.ACCEPTED) for one in claimed if one.id == ended])
    await store.settle(STORE, "mine", [settled(one, due_ms=NOW_MS) for one in claimed if one.id == lost])
    assert len(await store.claim(LANE, "other", NOW_MS, 10)) == 1
    assert await store.renew(LANE, "mine", [one.id for one in claimed], NOW_MS) == set(held)


async def test_a_fate_takes_the_event_out_of_the_outbox(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    settlement = settled(
        claimed, at_ms=NOW_MS + 80, fate=Fate.ACCEPTED, verdict="accepted", http_status=200, code=0, message="OK",
        request_id="r-1",
    )  # fmt: skip
    await store.settle(STORE, "lease", [settlement])
    assert await read_rows(store, outbox) == []
    (row,) = await read_rows(store, events)
    assert (row["fate"], row["reason"], row["settled_ms"]) == ("accepted", None, NOW_MS + 80)
    assert await read_rows(store, attempts) == [
        {
            "store_id": STORE, "id": claimed.id, "attempted_ms": NOW_MS + 80, "verdict": "accepted",
            "http_status": 200, "code": 0, "message": "OK", "request_id": "r-1",
        }
    ]  # fmt: skip


async def test_what_was_not_sent_leaves_no_attempt(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(claimed, fate=Fate.EXPIRED, reason="too old")])
    assert await read_rows(store, attempts) == []
    assert (await read_rows(store, events))[0]["reason"] == "too old"


async def test_what_is_put_back_is_due_again_with_what_is_known_of_it(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    back = settled(
        claimed, due_ms=NOW_MS + 5000, attempts=7, maybe_sent_ms=NOW_MS + 3, verdict="retry", http_status=500
    )
    await store.settle(STORE, "lease", [back])
    assert await store.claim(LANE, "lease", NOW_MS + 4999, 10) == []
    (again,) = await store.claim(LANE, "lease", NOW_MS + 5000, 10)
    assert (again.id, again.attempts, again.maybe_sent_ms) == (claimed.id, 7, NOW_MS + 3)
    (row,) = await read_rows(store, events)
    assert (row["fate"], row["settled_ms"]) == (None, None)


async def test_a_known_answer_takes_back_what_the_lease_had_assumed(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    (row,) = await read_rows(store, outbox)
    assert row["maybe_sent_ms"] == NOW_MS
    await store.settle(STORE, "lease", [settled(claimed, due_ms=NOW_MS, verdict="snooze")])
    (row,) = await read_rows(store, outbox)
    assert (row["maybe_sent_ms"], row["attempts"], row["lease"]) == (None, 0, None)


async def test_the_first_unknown_answer_is_remembered_through_every_claim(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(claimed, due_ms=NOW_MS, maybe_sent_ms=NOW_MS)])
    (again,) = await store.claim(LANE, "lease", NOW_MS + 60_000, 10)
    assert again.maybe_sent_ms == NOW_MS
    (row,) = await read_rows(store, outbox)
    assert row["maybe_sent_ms"] == NOW_MS


async def test_only_who_holds_the_lease_can_put_back(store: Store):
    await queue(store)
    (slow,) = await store.claim(LANE, "slow", NOW_MS, 10)
    await store.claim(LANE, "quick", NOW_MS + LEASE_MS, 10)
    (before,) = await read_rows(store, outbox)
    await store.settle(STORE, "slow", [settled(slow, due_ms=NOW_MS)])
    assert await read_rows(store, outbox) == [before]


async def test_who_put_back_once_cannot_do_it_again(store: Store):
    await queue(store)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    await store.settle(STORE, "lease", [settled(claimed, due_ms=NOW_MS + 1)])
    await store.settle(STORE, "lease", [settled(claimed, due_ms=NOW_MS + 2)])
    assert (await read_rows(store, outbox))[0]["due_ms"] == NOW_MS + 1


async def test_a_fate_is_never_overwritten(store: Store):
    await queue(store)
    (slow,) = await store.claim(LANE, "slow", NOW_MS, 10)
    (quick,) = await store.claim(LANE, "quick", NOW_MS + LEASE_MS, 10)
    await store.settle(STORE, "quick", [settled(quick, fate=Fate.ACCEPTED)])
    (before,) = await read_rows(store, events)
    late = settled(slow, at_ms=NOW_MS + 1, fate=Fate.REJECTED, reason="late")
    await store.settle(STORE, "slow", [late, structs.replace(late, fate=None)])
    assert await read_rows(store, events) == [before]
    assert await read_rows(store, outbox) == []


async def test_a_settlement_of_nothing_known_changes_nothing(store: Store):
    await queue(store)
    before = await read_rows(store, outbox)
    await store.settle(STORE, "lease", [Settlement("nobody", NOW_MS, due_ms=1), Settlement("none", 1, Fate.ACCEPTED)])
    assert await read_rows(store, outbox) == before


async def test_one_answer_settles_a_whole_batch(store: Store):
    await queue(store, *[NOW_MS] * 50)
    claimed = await store.claim(LANE, "lease", NOW_MS, 50)
    await store.settle(STORE, "lease", [settled(one, fate=Fate.ACCEPTED, verdict="accepted") for one in claimed[:40]])
    await store.settle(STORE, "lease", [settled(one, due_ms=NOW_MS + 1, verdict="retry") for one in claimed[40:]])
    assert {row["id"] for row in await read_rows(store, outbox)} == {one.id for one in claimed[40:]}
    assert len(await read_rows(store, attempts)) == 50


async def test_a_start_frees_what_a_dead_process_had_claimed(sqlite_url):
    """On SQLite, where nobody else is alive; `test_nodes` tells what PostgreSQL does."""
    url = sqlite_url
    lanes = [LANE, (STORE, "C0OTHER"), ("b" + STORE, PIXEL)]
    died = Store(url)
    await died.start(NOW_MS)
    for store_id, pixel_code in lanes:
        receipt = make_receipt(Queued(pixel_code, make_event(), NOW_MS))
        await died.record(structs.replace(receipt, store_id=store_id))
        assert len(await died.claim((store_id, pixel_code), "dead", NOW_MS, 10)) == 1
    await died.stop()
    store = Store(url)
    await store.start(NOW_MS + 1)
    for lane in lanes:
        (claimed,) = await store.claim(lane, "alive", NOW_MS + 1, 10)
        assert (claimed.maybe_sent_ms, claimed.attempts) == (NOW_MS, 1)
    await store.stop()


def test_a_start_does_not_read_the_backlog():
    database = sqlite3.connect(":memory:")
    cursor = database.cursor(sqlite.Cursor)
    cursor.execute(str(CreateTable(outbox).compile(dialect=SQLITE)))
    for index in outbox.indexes:
        cursor.execute(str(CreateIndex(index).compile(dialect=SQLITE)))
    waiting = [(STORE, f"{n:032x}", PIXEL, n % 1000, 0, None, None) for n in range(10_000)]
    cursor.insert(sql.ADD_OUTBOX, waiting)
    steps = itertools.count()
    database.set_progress_handler(lambda: next(steps) < 0, 1)
    store_outbox.free_leases(cursor, 1000)
    assert next(steps) < 500
    database.close()


async def test_a_start_leaves_alone_what_waits_for_its_time(url):
    before = Store(url)
    await before.start(NOW_MS)
    await before.record(make_receipt(make_event(hold_until_ms=NOW_MS + 45_000)))
    await before.stop()
    store = Store(url)
    await store.start(NOW_MS + 1)
    assert await store.claim(LANE, "lease", NOW_MS + 44_999, 10) == []
    await store.stop()


async def test_withdrawn_consent_shows_when_an_event_is_claimed(store: Store):
    made = await store.record(make_receipt(make_event(), sighting=make_sighting(consent=YES)))
    no = structs.replace(NO, at_ms=NOW_MS + 1)
    await store.record(make_receipt(known_id=made.visitor.id, sighting=make_sighting(consent=no), may_create=False))
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    assert claimed.is_withdrawn


async def test_unsaid_consent_is_not_withdrawn(store: Store):
    await store.record(make_receipt(make_event()))
    await store.record(make_receipt(make_event(), sighting=make_sighting(consent=YES)))
    assert [one.is_withdrawn for one in await store.claim(LANE, "lease", NOW_MS, 10)] == [False, False]


async def test_lanes_with_something_to_send_are_found(store: Store):
    other = (STORE, "C0OTHER")
    await store.record(make_receipt(Queued(PIXEL, make_event(), NOW_MS), Queued("C0OTHER", make_event(), NOW_MS)))
    nothing = (STORE, "C0NOTHING")
    assert await store.due_lanes([LANE, other, nothing], NOW_MS - 1) == []
    assert await store.due_lanes([LANE, other, nothing], NOW_MS) == [LANE, other]
    await store.claim(LANE, "lease", NOW_MS, 10)
    assert await store.due_lanes([LANE, other, nothing], NOW_MS) == [other]
    assert await store.due_lanes([LANE], NOW_MS + LEASE_MS) == [LANE]


async def test_what_a_clock_that_was_ahead_would_keep_waiting_is_due_in_a_lease(store: Store):
    day_ms = 24 * 3_600_000
    await queue(store, NOW_MS + day_ms, NOW_MS + day_ms)
    assert len(await store.claim(LANE, "ahead", NOW_MS + day_ms, 1)) == 1
    await queue(store, NOW_MS + 60_000)
    await store.hasten([LANE], NOW_MS, 60_000)
    rows = await read_rows(store, outbox)
    assert sorted(row["due_ms"] - NOW_MS for row in rows) == [LEASE_MS, LEASE_MS, 60_000]
    assert sorted(row["lease"] or "" for row in rows) == ["", "", "ahead"]

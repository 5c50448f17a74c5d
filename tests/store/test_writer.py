"""Group commit: many share a commit, each is answered after its own, and one's fault is nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time

import pytest
from sqlalchemy import exc

from gateway.errors import StoreUnavailable
from gateway.model.outcome import Fate
from gateway.store import Store, writer
from gateway.store.tables import events, outbox, visitors
from tests.store.samples import LANE, NOW_MS, STORE, at_commit, busy, make_event, make_receipt, read_rows, settled


async def start_all(*steps):
    """Tasks, each run up to where it waits for the writer."""
    tasks = [asyncio.create_task(step) for step in steps]
    await asyncio.sleep(0)
    return tasks


def disk_error():
    """Trouble of the database, as SQLAlchemy tells it of every kind."""
    raise exc.TimeoutError("disk I/O error")


async def test_receipts_that_arrive_during_a_commit_share_the_next(store: Store):
    commits = []
    with at_commit(lambda: commits.append(1)):
        async with busy(store):
            tasks = await start_all(*[store.record(make_receipt(make_event())) for _ in range(200)])
        await asyncio.gather(*tasks)
    assert len(commits) == 2
    assert len(await read_rows(store, events)) == 200


async def test_a_transaction_takes_no_more_jobs_than_its_limit(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "BATCH_LIMIT", 10)
    commits = []
    with at_commit(lambda: commits.append(1)):
        async with busy(store):
            tasks = await start_all(*[store.record(make_receipt()) for _ in range(25)])
        await asyncio.gather(*tasks)
    assert len(commits) == 1 + 3


async def hand_in(store: Store, *, receipts: int, seconds: float) -> list[list[str]]:
    """These receipts, and three functions that take so long, are handed in at once; what ran in each transaction."""
    ran: list[list[str]] = [[]]

    def take_long(name: str) -> str:
        time.sleep(seconds)
        ran[-1].append(name)
        return name

    with at_commit(lambda: ran.append([])):
        async with busy(store):
            functions = [store._writer.run(lambda _, name=name: take_long(name)) for name in "abc"]
            tasks = await start_all(*functions, *[store.record(make_receipt(make_event())) for _ in range(receipts)])
        assert (await asyncio.gather(*tasks))[:3] == ["a", "b", "c"]
    return [names for names in ran if names]


async def test_beside_receipts_long_functions_have_a_transaction_each_in_their_order(store: Store):
    assert await hand_in(store, receipts=2, seconds=2 * writer.FUNCTIONS_S) == [["a"], ["b", "c"]]
    assert len(await read_rows(store, events)) == 2


async def test_beside_receipts_short_functions_share_one(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "FUNCTIONS_S", 60)
    assert await hand_in(store, receipts=2, seconds=0) == [["a", "b", "c"]]


async def test_where_no_receipt_waits_long_functions_share_one(store: Store):
    assert await hand_in(store, receipts=0, seconds=2 * writer.FUNCTIONS_S) == [["a", "b", "c"]]


async def test_a_function_that_had_to_wait_runs_before_the_writer_ends(sqlite_url: str):
    store = Store(sqlite_url)
    await store.start(NOW_MS)
    async with busy(store):
        functions = [store._writer.run(lambda _: time.sleep(2 * writer.FUNCTIONS_S)) for _ in range(3)]
        tasks = await start_all(store.record(make_receipt()), *functions)
        stopping = asyncio.create_task(store.stop())
        await asyncio.sleep(0)
    await stopping
    assert [task.done() for task in tasks] == [True] * 4
    await asyncio.gather(*tasks)


async def test_a_function_that_had_to_wait_and_then_fails_is_told_so(store: Store):
    def poison(_cursor):
        raise ZeroDivisionError

    async with busy(store):
        long = [store._writer.run(lambda _: time.sleep(2 * writer.FUNCTIONS_S)), store._writer.run(poison)]
        tasks = await start_all(store.record(make_receipt()), *long)
    _, _, failed = await asyncio.gather(*tasks, return_exceptions=True)
    assert type(failed) is ZeroDivisionError


async def test_the_writer_is_busy_while_many_receipts_share_a_commit_and_a_moment_longer(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(writer, "BUSY_S", 0.2)
    await store.record(make_receipt())
    assert not store._writer.is_busy
    async with busy(store):
        tasks = await start_all(*[store.record(make_receipt()) for _ in range(writer.BUSY)])
    await asyncio.gather(*tasks)
    assert store._writer.is_busy
    await asyncio.sleep(0.3)
    assert not store._writer.is_busy


async def test_nobody_is_answered_before_the_commit(store: Store):
    is_committing, may_commit = threading.Event(), threading.Event()

    def stall():
        is_committing.set()
        may_commit.wait(60)

    with at_commit(stall):
        tasks = await start_all(*[store.record(make_receipt(make_event())) for _ in range(3)])
        assert await asyncio.to_thread(is_committing.wait, 60)
        answered = [task.done() for task in tasks]
        stored = await read_rows(store, events)
        may_commit.set()
        await asyncio.gather(*tasks)
    assert answered == [False, False, False]
    assert stored == []
    assert len(await read_rows(store, events)) == 3


async def test_when_the_commit_fails_everyone_hears_of_it_and_nothing_is_stored(store: Store):
    outcomes = iter([lambda: None, disk_error])
    with at_commit(lambda: next(outcomes)()):
        async with busy(store):
            tasks = await start_all(*[store.record(make_receipt(make_event())) for _ in range(5)])
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
    assert len({id(answer) for answer in answers}) == 5
    assert await read_rows(store, events) == await read_rows(store, outbox) == await read_rows(store, visitors) == []


async def test_the_store_works_again_after_a_failed_commit(store: Store):
    with at_commit(disk_error), pytest.raises(StoreUnavailable, match="disk I/O error"):
        await store.record(make_receipt(make_event()))
    assert (await store.record(make_receipt(make_event()))).queued == 1
    assert len(await read_rows(store, events)) == 1


async def test_the_log_tells_once_that_writing_fails_and_once_that_it_works(store: Store, caplog):
    caplog.set_level(logging.WARNING, "gateway.store")
    with at_commit(disk_error):
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await store.record(make_receipt())
    for _ in range(3):
        await store.record(make_receipt())
    assert caplog.messages == ["the database takes no writes: disk I/O error", "the database takes writes again"]


@pytest.mark.parametrize("poison_at", [0, 3, 7])
async def test_a_job_that_fails_takes_no_neighbour_down(store: Store, poison_at):
    def poison(_cursor):
        raise ZeroDivisionError

    steps = [store.record(make_receipt(make_event())) for _ in range(7)]
    steps.insert(poison_at, store._writer.run(poison))
    async with busy(store):
        tasks = await start_all(*steps)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert type(answers.pop(poison_at)) is ZeroDivisionError
    assert [answer.queued for answer in answers] == [1] * 7
    assert len(await read_rows(store, events)) == 7


async def test_a_receipt_that_cannot_be_written_takes_no_neighbour_down(store: Store):
    no_number = make_receipt(make_event(), new_id={"not": "an id"})
    async with busy(store):
        tasks = await start_all(
            store.record(make_receipt(make_event())), store.record(no_number), store.record(make_receipt(make_event()))
        )
    before, bad, after = await asyncio.gather(*tasks, return_exceptions=True)
    assert (before.queued, after.queued) == (1, 1)
    assert isinstance(bad, Exception)
    assert not isinstance(bad, StoreUnavailable)
    assert len(await read_rows(store, events)) == 2


async def test_a_wrong_statement_is_a_defect_and_not_trouble_of_the_database(store: Store):
    async with busy(store):
        tasks = await start_all(
            store._writer.run(lambda cursor: cursor.execute("SELECT nothing FROM nowhere")),
            store.record(make_receipt(make_event())),
        )
    bad, good = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(bad, Exception)
    assert not isinstance(bad, StoreUnavailable)
    assert good.queued == 1


async def test_what_a_failed_job_had_written_is_gone(store: Store):
    def half_done(cursor):
        cursor.execute("INSERT INTO outbox VALUES ('acme', 'x', 'p', 0, 0, NULL, NULL)", ())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store._writer.run(half_done)
    assert await read_rows(store, outbox) == []


async def test_a_full_queue_refuses_at_once(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(writer, "QUEUE_LIMIT", 3)
    async with busy(store):
        tasks = await start_all(*[store.record(make_receipt(make_event())) for _ in range(3)])
        with pytest.raises(StoreUnavailable, match="more is waiting"):
            await store.record(make_receipt(make_event()))
    assert [(await task).queued for task in tasks] == [1, 1, 1]
    assert (await store.record(make_receipt(make_event()))).queued == 1


@pytest.fixture
def observant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is opened after this looks for late receipts all the time."""
    monkeypatch.setattr(writer, "LOOK_S", 0.01)


@contextlib.contextmanager
def impatient():
    """A receipt that finds the writer at work has waited too long."""
    usual, writer.PATIENCE_S = writer.PATIENCE_S, 0.0
    try:
        yield
    finally:
        writer.PATIENCE_S = usual


async def test_a_commit_that_does_not_return_is_a_refusal_and_what_it_wrote_is_known_later(
    observant, store: Store, caplog
):
    is_committing, may_commit = threading.Event(), threading.Event()

    def stall():
        is_committing.set()
        may_commit.wait(60)

    written, waiting = make_event(), make_event()
    with at_commit(stall):
        tasks = await start_all(store.record(make_receipt(written)))
        assert await asyncio.to_thread(is_committing.wait, 60)
        tasks += await start_all(*[store.record(make_receipt(event)) for event in (waiting, make_event())])
        with impatient():
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        may_commit.set()
        again = [await store.record(make_receipt(event)) for event in (written, waiting)]
    assert [(type(answer), str(answer)) for answer in answers] == [(StoreUnavailable, "not on disk within 0 s")] * 3
    assert caplog.messages == ["the database takes longer than 0 s for a write: requests are told to come again"]
    assert [recorded.queued for recorded in again] == [0, 1]
    assert [row["event_id"] for row in await read_rows(store, events)] == [written.event_id, waiting.event_id]


async def test_a_refused_receipt_is_let_go_of_though_its_turn_is_still_to_come(observant, store: Store):
    receipt = make_receipt(make_event())
    async with busy(store):
        with impatient(), pytest.raises(StoreUnavailable):
            await store.record(receipt)
        assert receipt not in [job.work for job in store._writer._unanswered]
        assert store._writer.waiting == 1


async def test_delivery_waits_for_its_own_commit_however_long_that_takes(observant, store: Store):
    await store.record(make_receipt(make_event()))
    async with busy(store):
        (claiming,) = await start_all(store.claim(LANE, "lease", NOW_MS, 10))
        with impatient(), pytest.raises(StoreUnavailable):
            await store.record(make_receipt())
        assert not claiming.done()
    assert len(await claiming) == 1


async def test_stop_answers_everything_handed_in(url):
    store = Store(url)
    await store.start(NOW_MS)
    async with busy(store):
        tasks = await start_all(*[store.record(make_receipt(make_event())) for _ in range(50)])
        stopping = asyncio.create_task(store.stop())
        await asyncio.sleep(0)
    await stopping
    assert all(task.done() for task in tasks)
    assert sum(task.result().queued for task in tasks) == 50


async def test_a_stopping_store_refuses_instead_of_never_answering(url):
    store = Store(url)
    await store.start(NOW_MS)
    async with busy(store):
        stopping = asyncio.create_task(store.stop())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="not running"):
            await store.record(make_receipt())
    await stopping
    with pytest.raises(StoreUnavailable, match="not running"):
        await store.record(make_receipt())


async def test_a_store_that_was_never_started_stops(url):
    store = Store(url)
    with pytest.raises(StoreUnavailable, match="not running"):
        await store.record(make_receipt())
    await store.stop()
    again = Store(url)
    await again.stop()


async def test_a_caller_that_went_away_leaves_its_receipt_stored(store: Store):
    async with busy(store):
        gone, stays = await start_all(*[store.record(make_receipt(make_event())) for _ in range(2)])
        gone.cancel()
    assert (await stays).queued == 1
    assert len(await read_rows(store, events)) == 2


async def test_receipts_and_delivery_share_a_transaction(store: Store):
    await store.record(make_receipt(make_event()))
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    commits = []
    with at_commit(lambda: commits.append(1)):
        async with busy(store):
            tasks = await start_all(
                store.settle(STORE, "lease", [settled(claimed, fate=Fate.ACCEPTED)]),
                store.record(make_receipt(make_event())),
            )
        await asyncio.gather(*tasks)
    assert len(commits) == 2
    assert len(await read_rows(store, outbox)) == 1


async def test_a_busy_writer_lets_all_arrive_that_the_event_loop_can_read(store: Store):
    async def record_twice():
        await store.record(make_receipt(make_event()))
        time.sleep(0.001)  # noqa: ASYNC251 - the loop is at work, and the writer's thread could be
        await store.record(make_receipt(make_event()))

    commits = []
    with at_commit(lambda: commits.append(1)):
        async with busy(store):
            tasks = await start_all(*(record_twice() for _ in range(8)))
        await asyncio.gather(*tasks)
    assert len(commits) == 3


async def test_queued_events_wake_their_lane(store: Store):
    other = store.queued((STORE, "C0OTHER"))
    await store.record(make_receipt(make_event()))
    assert store.queued(LANE).is_set()
    assert not other.is_set()


async def test_a_receipt_without_events_wakes_nobody(store: Store):
    await store.record(make_receipt())
    assert not store.queued(LANE).is_set()

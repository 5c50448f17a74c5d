"""Several nodes on one PostgreSQL: what they do at the same moment comes to the same as one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest

from gateway.clock import now_ms
from gateway.errors import StoreUnavailable
from gateway.model.event import User
from gateway.store import Receipt, Recorded, Store, writer
from gateway.store.erase import erase_visitor
from gateway.store.outbox import LEASE_MS
from gateway.store.receipt import AnchorKind
from gateway.store.tables import events, links, outbox, visitors
from tests.postgres import Server
from tests.store.samples import (
    LANE,
    NOW_MS,
    STORE,
    anchor,
    click,
    make_event,
    make_receipt,
    make_sighting,
    open_claim,
    person,
    read_event,
    read_rows,
)

WAIT_S = 60


@pytest.fixture
def url(postgresql_url: str) -> str:
    return postgresql_url


@pytest.fixture
async def nodes(url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two gateways that share a database."""
    both = Store(url), Store(url)
    for node in both:
        await node.start(NOW_MS)
    yield both
    for node in both:
        await node.stop()


@contextlib.contextmanager
def first_held_before_commit() -> Iterator[tuple[threading.Event, threading.Event]]:
    """The first transaction stops when its work is done; set the second event to let it commit."""
    is_done, may_commit = threading.Event(), threading.Event()

    def work_and_wait(*all_of_it: Any) -> list[Any]:
        results = work(*all_of_it)
        if not is_done.is_set():
            is_done.set()
            may_commit.wait(WAIT_S)
        return results

    work, writer._work = writer._work, work_and_wait
    try:
        yield is_done, may_commit
    finally:
        may_commit.set()
        writer._work = work


async def someone_waits(url: str) -> None:
    """One connection waits for a lock that another holds."""
    query = "SELECT 1 FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(WAIT_S), await psycopg.AsyncConnection.connect(url, autocommit=True) as watching:
        while not await (await watching.execute(query)).fetchone():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


async def at_once(url: str, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Both are done; the first had written all and committed nothing when the second came to wait for it."""
    with first_held_before_commit() as (is_done, may_commit):
        one = asyncio.create_task(first())
        assert await asyncio.to_thread(is_done.wait, WAIT_S)
        two = asyncio.create_task(second())
        await someone_waits(url)
        may_commit.set()
        return await one, await two


@pytest.mark.parametrize("kind", [AnchorKind.FIRST, AnchorKind.CART])
async def test_two_first_beacons_at_two_nodes_become_one_visitor(url: str, nodes: tuple[Store, Store], kind):
    def record(node: Store) -> Callable[[], Any]:
        return lambda: node.record(make_receipt(make_event(), anchors=(anchor(kind),)))

    one, two = await at_once(url, record(nodes[0]), record(nodes[1]))
    assert one.visitor.id == two.visitor.id
    assert len(await read_rows(nodes[0], visitors)) == len(await read_rows(nodes[0], links)) == 1
    assert {row["visitor_id"] for row in await read_rows(nodes[0], events)} == {one.visitor.id}


async def test_what_two_nodes_learn_of_a_visitor_is_both_kept(url: str, nodes: tuple[Store, Store]):
    made = (await nodes[0].record(make_receipt())).visitor
    clicked = make_receipt(known_id=made.id, sighting=make_sighting(NOW_MS + 1, click=click("c1", NOW_MS + 1)))
    told = make_receipt(known_id=made.id, sighting=make_sighting(NOW_MS + 2, identity=person("e1")))
    await at_once(url, lambda: nodes[0].record(clicked), lambda: nodes[1].record(told))
    (row,) = await read_rows(nodes[0], visitors)
    assert (row["ttclid"], row["email"]) == ("c1", "e1")


async def test_twins_at_two_nodes_are_one_event_with_what_both_know(url: str, nodes: tuple[Store, Store]):
    def twin(**user: Any) -> Receipt:
        return make_receipt(make_event(event_id="twin", user=User(**user)))

    one, two = await at_once(
        url, lambda: nodes[0].record(twin(email=("e1",))), lambda: nodes[1].record(twin(phone=("p1",)))
    )
    assert (one.queued, two.queued, two.duplicates) == (1, 0, 1)
    event = await read_event(nodes[0], events)
    assert (event.user.email, event.user.phone) == (("e1",), ("p1",))


async def test_two_twins_that_merge_at_once_are_both_kept(url: str, nodes: tuple[Store, Store]):
    def twin(**user: Any) -> Receipt:
        return make_receipt(make_event(event_id="twin", user=User(**user)))

    await nodes[0].record(twin())
    await at_once(url, lambda: nodes[0].record(twin(email=("e1",))), lambda: nodes[1].record(twin(phone=("p1",))))
    event = await read_event(nodes[0], events)
    assert (event.user.email, event.user.phone) == (("e1",), ("p1",))
    assert (await read_rows(nodes[0], events))[0]["duplicates"] == 2


async def test_what_one_node_is_claiming_the_other_passes_by(nodes: tuple[Store, Store]):
    for _ in range(4):
        await nodes[0].record(make_receipt(make_event()))
    with first_held_before_commit() as (is_done, may_commit):
        claiming = asyncio.create_task(nodes[0].claim(LANE, "one", NOW_MS, 3))
        assert await asyncio.to_thread(is_done.wait, WAIT_S)
        rest = await nodes[1].claim(LANE, "two", NOW_MS, 10)
        may_commit.set()
    assert len(rest) == 1
    assert len({one.id for one in (*rest, *await claiming)}) == 4


async def test_an_event_that_takes_over_a_twins_words_is_not_claimed_without_them(nodes: tuple[Store, Store]):
    await nodes[0].record(make_receipt(make_event(event_id="twin")))
    with first_held_before_commit() as (is_done, may_commit):
        told = make_receipt(make_event(event_id="twin", user=User(email=("e1",))))
        merging = asyncio.create_task(nodes[0].record(told))
        assert await asyncio.to_thread(is_done.wait, WAIT_S)
        assert await nodes[1].claim(LANE, "lease", NOW_MS, 10) == []
        may_commit.set()
        await merging
    (claimed,) = await nodes[1].claim(LANE, "lease", NOW_MS, 10)
    assert open_claim(claimed).user.email == ("e1",)


async def test_nothing_is_left_of_who_was_erased_while_they_browsed(url: str, nodes: tuple[Store, Store]):
    made: Recorded = await nodes[0].record(make_receipt(make_event()))
    beacon = make_receipt(
        make_event(), known_id=made.visitor.id, anchors=(anchor(AnchorKind.CART),), sighting=make_sighting(NOW_MS + 1)
    )
    await at_once(
        url,
        lambda: nodes[0].record(beacon),
        lambda: nodes[1].run(lambda cursor: erase_visitor(cursor, STORE, made.visitor.id)),
    )
    for table in (visitors, links, events, outbox):
        assert await read_rows(nodes[0], table) == []


async def test_nodes_that_wait_for_each_other_both_get_through(nodes: tuple[Store, Store]):
    for event_id in ("a", "b"):
        await nodes[0].record(make_receipt(make_event(event_id=event_id)))
    both_hold = threading.Barrier(2, timeout=WAIT_S)
    tries: list[str] = []

    def change(one: str, other: str) -> Callable[[Any], None]:
        def work(cursor: Any) -> None:
            tries.append(one)
            statement = "UPDATE events SET duplicates = duplicates + 1 WHERE store_id = ? AND event_id = ?"
            cursor.execute(statement, (STORE, one))
            if len(tries) <= 2:
                both_hold.wait()
            cursor.execute(statement, (STORE, other))

        return work

    await asyncio.gather(nodes[0].run(change("a", "b")), nodes[1].run(change("b", "a")))
    assert [row["duplicates"] for row in await read_rows(nodes[0], events)] == [2, 2]
    assert len(tries) == 3


async def test_a_start_leaves_the_leases_of_living_nodes_alone(url: str, nodes: tuple[Store, Store]):
    await nodes[0].record(make_receipt(make_event()))
    await nodes[0].claim(LANE, "alive", NOW_MS, 10)
    third = Store(url)
    await third.start(NOW_MS + 1)
    assert await third.claim(LANE, "third", NOW_MS + LEASE_MS - 1, 10) == []
    assert len(await third.claim(LANE, "third", NOW_MS + LEASE_MS, 10)) == 1
    await third.stop()


async def test_nodes_may_start_together_on_an_empty_database(postgres: Server):
    url = postgres.make_database("started_together")
    nodes = await asyncio.gather(*[asyncio.to_thread(Store, url) for _ in range(3)])
    for node in nodes:
        await node.start(NOW_MS)
        await node.record(make_receipt(make_event()))
    assert len(await read_rows(nodes[0], events)) == 3
    for node in nodes:
        await node.stop()


@pytest.mark.parametrize("ahead_ms", [0, 30_000, -3_600_000])
async def test_a_node_learns_how_far_its_clock_is_off_the_databases(nodes: tuple[Store, Store], ahead_ms: int):
    skew_ms, doubt_ms = await nodes[0].find_skew(lambda: now_ms() + ahead_ms)
    assert abs(skew_ms + ahead_ms) <= doubt_ms + 5


async def test_one_of_the_nodes_leads_until_it_ends(nodes: tuple[Store, Store]):
    one, other = nodes
    assert await one.leads()
    assert not await other.leads()
    assert await one.leads()
    await one.stop()
    async with asyncio.timeout(WAIT_S):
        while not await other.leads():  # noqa: ASYNC110 - the database lets go when it has seen that its client is gone
            await asyncio.sleep(0.01)


async def test_who_leads_and_loses_the_database_gives_way(nodes: tuple[Store, Store], url: str):
    one, other = nodes
    assert await one.leads()
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks "
            "WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
    assert await other.leads()
    with pytest.raises(StoreUnavailable):
        await one.leads()
    assert not await one.leads()

"""What is PostgreSQL's alone: durable whatever its defaults, found again after it was lost, told about in few words."""

from __future__ import annotations

import asyncio
import logging
import random
import string
import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.database import migrate, open_engine
from gateway.store.tables import events, metadata, outbox
from tests.postgres import Server, running_postgres
from tests.store.samples import NOW_MS, STORE, busy, make_event, make_receipt, read_rows
from tests.store.test_schema import run_migrations


@pytest.fixture
def url(postgresql_url: str) -> str:
    return postgresql_url


def end_connections(url: str) -> None:
    """Every other connection to this database is closed by the server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize(("default", "kept"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_is_durable_whatever_the_servers_default(postgres: Server, url: str, default: str, kept: str):
    def read(cursor) -> str:
        cursor.execute("SHOW synchronous_commit", ())
        return cursor.fetchone()[0]

    postgres.run(f"ALTER DATABASE store_tests SET synchronous_commit = '{default}'")
    try:
        store = Store(url)
        await store.start(NOW_MS)
        assert await store.run(read) == kept
        await store.stop()
    finally:
        postgres.run("ALTER DATABASE store_tests RESET synchronous_commit")


async def test_a_lost_connection_costs_no_beacon(store: Store, url: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        await store.record(make_receipt(make_event()))
        await store.due_lanes([(STORE, "p")], NOW_MS)
        end_connections(url)
    assert (await store.record(make_receipt(make_event()))).queued == 1
    assert len(await read_rows(store, events)) == 4
    await store.check()
    assert [record for record in caplog.records if record.name.startswith("gateway")] == []


async def test_a_connection_lost_in_the_middle_leaves_nothing_half_done(store: Store, url: str):
    tries = []

    def work(cursor) -> None:
        cursor.execute("DELETE FROM outbox", ())
        tries.append(1)
        if len(tries) == 1:
            end_connections(url)

    await store.record(make_receipt(make_event()))
    await store.run(work)
    assert len(tries) == 2
    assert await read_rows(store, outbox) == []


@pytest.fixture
def own_server() -> Iterator[Server]:
    with running_postgres() as server:
        yield server


async def test_a_server_that_is_away_is_told_and_found_again(own_server: Server, caplog: pytest.LogCaptureFixture):
    store = Store(own_server.make_database("gateway"))
    await store.start(NOW_MS)
    await store.record(make_receipt(make_event()))
    own_server.stop()
    for ask in (lambda: store.record(make_receipt(make_event())), store.check, lambda: read_rows(store, events)):
        with pytest.raises(StoreUnavailable) as caught:
            await ask()
        assert str(caught.value) == "PostgreSQL cannot be reached: Connection refused"
    own_server.start()
    await store.check()
    assert (await store.record(make_receipt(make_event()))).queued == 1
    assert len(await read_rows(store, events)) == 2
    await store.stop()
    assert "Traceback" not in caplog.text


def test_a_store_that_cannot_be_opened_is_told_without_its_password():
    with pytest.raises(StoreUnavailable) as caught:
        Store("postgresql://gateway:hunter2@127.0.0.1:1/gateway")
    assert str(caught.value) == "PostgreSQL cannot be reached: Connection refused"
    with pytest.raises(StoreUnavailable) as caught:
        Store("postgresql://gateway:hunter2@127.0.0.1:1/gateway?colour=red")
    assert "hunter2" not in str(caught.value)


def test_missing_rights_are_the_operators_to_mend(postgres: Server):
    url = postgres.make_database("guarded")
    postgres.run("CREATE ROLE guest LOGIN")
    with pytest.raises(StoreUnavailable, match="permission denied"):
        Store(url.replace("postgres@", "guest@"))


async def test_another_programs_database_is_refused_and_left_alone(postgres: Server):
    url = postgres.make_database("theirs")
    postgres.run("CREATE TABLE theirs (id int)", database="theirs")
    with pytest.raises(StoreUnavailable, match="another program"):
        Store(url)


def test_the_migrations_build_exactly_the_tables(postgres: Server):
    engine = open_engine(postgres.make_database("through_migrations"))
    run_migrations(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("make", [migrate, run_migrations])
def test_few_events_are_written_to_the_index_of_checkouts(postgres: Server, make: Callable[[Engine], None]):
    engine = open_engine(postgres.make_database(f"checkouts_{make.__name__}"))
    make(engine)
    with engine.connect() as connection:
        query = text("SELECT indexdef FROM pg_indexes WHERE indexname = 'events_checkout'")
        told = connection.execute(query).scalar_one()
    engine.dispose()
    assert "InitiateCheckout" in told.partition("WHERE")[2]


async def test_a_transaction_that_waits_too_long_for_another_gives_up(store: Store, url: str):
    await store.run(lambda cursor: cursor.execute("SET lock_timeout = '10ms'", ()))
    with psycopg.connect(url) as other:
        other.execute("LOCK events")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await store.record(make_receipt(make_event()))
    assert (await store.record(make_receipt(make_event()))).queued == 1


async def test_what_postgresql_cannot_hold_takes_no_neighbour_down(store: Store, caplog: pytest.LogCaptureFixture):
    ids = ("before", "a\0b", "".join(random.choices(string.printable, k=9000)), "after")
    async with busy(store):
        tasks = [asyncio.create_task(store.record(make_receipt(make_event(event_id=id_)))) for id_ in ids]
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(result, "queued", type(result).__name__) for result in results] == [
        1,
        "UntranslatableCharacter",
        "ProgramLimitExceeded",
        1,
    ]
    assert {row["event_id"] for row in await read_rows(store, events)} == {"before", "after"}


def test_a_gateway_on_sqlite_never_loads_the_driver():
    code = "import sys, gateway.app; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

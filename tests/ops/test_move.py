"""An installation moves from SQLite to PostgreSQL whole, however often it is interrupted, and goes on delivering."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, select

from gateway.cli import main
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN, FakeTikTok
from gateway.errors import CommandError, StoreLocked, StoreUnavailable
from gateway.ops.move import move, parse_target
from gateway.settings import Settings
from gateway.store import Store, copy
from gateway.store.database import open_engine
from gateway.store.tables import events, metadata
from tests.beacons import make_beacon, make_event
from tests.postgres import Server
from tests.servers import make_settings, running_gateway, write_config
from tests.store.filled import fill
from tests.store.samples import NOW_MS

PAGE, ROWS = 7, 42


@pytest.fixture(scope="module")
def lasting_target(postgres: Server) -> str:
    return postgres.make_database("moved")


@pytest.fixture
def target(lasting_target: str) -> str:
    """The URL of a PostgreSQL database with nothing in it."""
    with psycopg.connect(lasting_target, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return lasting_target


@pytest.fixture
def filled(tmp_path: Path) -> Settings:
    """An installation on SQLite with rows of every kind in every table, a few pages of them."""
    settings = make_settings(tmp_path)
    add_rows(settings)
    return settings


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "PAGE", PAGE)


def add_rows(settings: Settings) -> None:
    url = settings.storage.url.get_secret_value()
    asyncio.run(Store(url).stop())
    engine = open_engine(url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        fill(connection, metadata, ROWS)
    engine.dispose()


def read_all(url: str) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table."""
    engine = open_engine(url)

    def read(connection: Connection) -> dict[str, set[tuple[Any, ...]]]:
        return {name: {tuple(row) for row in connection.execute(select(one))} for name, one in metadata.tables.items()}

    with engine.connect() as connection:
        found = read(connection)
    engine.dispose()
    return found


def source_of(settings: Settings) -> str:
    return settings.storage.url.get_secret_value()


def test_every_row_of_every_table_arrives_as_it_was(filled: Settings, target: str):
    before = read_all(source_of(filled))
    assert {len(rows) for rows in before.values()} == {ROWS}
    assert move(filled, target) == ROWS * len(metadata.tables)
    assert read_all(target) == before
    assert read_all(source_of(filled)) == before
    asyncio.run(Store(target).stop())


def test_what_postgresql_cannot_hold_is_left_out_of_a_text(filled: Settings, target: str):
    engine = open_engine(source_of(filled))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(events.update().values(reason="why\0not"))
    engine.dispose()
    move(filled, target)
    assert {row[events.c.keys().index("reason")] for row in read_all(target)["events"]} == {"why"}


@contextlib.contextmanager
def stopped_after(pages: int) -> Iterator[None]:
    """The copy dies when so many pages are there, and the next is not committed yet."""
    left = iter(range(pages))
    add = copy._add

    def add_or_die(*arguments: Any) -> None:
        add(*arguments)
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copy, "_add", add_or_die)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_an_interrupted_move_goes_on_where_it_was(filled: Settings, target: str, monkeypatch: pytest.MonkeyPatch):
    stops = (0, 1, 6, 20)
    for stop in stops:
        with stopped_after(stop):
            move(filled, target)
    added: list[int] = []
    add = copy._add
    monkeypatch.setattr(copy, "_add", lambda *args: (added.append(len(args[2])), add(*args)))
    move(filled, target)
    assert sum(added) == ROWS * len(metadata.tables) - sum(stops) * PAGE
    assert read_all(target) == read_all(source_of(filled))


def test_a_database_that_is_only_half_there_takes_no_gateway(filled: Settings, target: str):
    with stopped_after(3):
        move(filled, target)
    with pytest.raises(StoreUnavailable, match="half moved"):
        Store(target)
    move(filled, target)
    asyncio.run(Store(target).stop())


def test_half_a_copy_of_what_has_changed_since_is_begun_anew(filled: Settings, target: str):
    """What the gateway has sent meanwhile would be sent again by the copy."""
    with stopped_after(10):
        move(filled, target)
    engine = open_engine(source_of(filled))
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(events.update().values(fate="accepted"))
        connection.execute(metadata.tables["outbox"].delete())
    engine.dispose()
    move(filled, target)
    assert read_all(target) == read_all(source_of(filled))


def test_a_difference_between_the_two_is_found(filled: Settings, target: str, monkeypatch: pytest.MonkeyPatch):
    add = copy._add

    def add_wrongly(connection: Connection, table: Any, rows: list[Any]) -> None:
        place = table.columns.keys().index("marketing") if table.name == "visitors" else None
        changed = [row if place is None else (*row[:place], True, *row[place + 1 :]) for row in rows]
        add(connection, table, changed)

    monkeypatch.setattr(copy, "_add", add_wrongly)
    with pytest.raises(StoreUnavailable, match="visitors is not what it was"):
        move(filled, target)
    with pytest.raises(StoreUnavailable, match="half moved"):
        Store(target)


def test_a_database_with_anything_else_in_it_is_refused_and_left_alone(filled: Settings, target: str):
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (id int)")
    with pytest.raises(CommandError, match="holds data already"):
        move(filled, target)
    with psycopg.connect(target, autocommit=True) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert found == [("theirs",)]


def test_what_has_been_moved_is_not_moved_again(filled: Settings, target: str):
    move(filled, target)
    before = read_all(target)
    with pytest.raises(CommandError, match="holds data already"):
        move(filled, target)
    assert read_all(target) == before


async def test_a_new_database_that_a_gateway_has_only_opened_is_taken(filled_async: Settings, target: str):
    await Store(target).stop()
    await asyncio.to_thread(move, filled_async, target)
    assert read_all(target) == read_all(source_of(filled_async))


@pytest.fixture
async def filled_async(tmp_path: Path) -> Settings:
    settings = make_settings(tmp_path)
    await asyncio.to_thread(add_rows, settings)
    return settings


async def test_nothing_is_moved_while_a_gateway_runs_on_either(tmp_path: Path, target: str):
    settings = make_settings(tmp_path)
    async with running_gateway(settings):
        with pytest.raises(StoreLocked):
            await asyncio.to_thread(move, settings, target)
    async with running_gateway(make_settings(tmp_path, storage={"url": target}), deliver=True) as other:
        await other.request("GET", "/readyz")
        with pytest.raises(CommandError, match="is using the new database"):
            await asyncio.to_thread(move, settings, target)


async def test_what_waited_is_delivered_from_the_new_database(tmp_path: Path, target: str):
    pixels = [{"code": DEMO_PIXEL, "access_token": DEMO_TOKEN}]
    settings = make_settings(tmp_path, pixels=pixels, consent="granted")
    async with running_gateway(settings) as gateway:
        for number in range(20):
            assert (await gateway.beacon(make_beacon(make_event(event_id=f"e-{number}")))).status_code == 204
    await asyncio.to_thread(move, settings, target)
    tiktok = FakeTikTok()
    async with tiktok.serve() as url:
        moved = make_settings(
            tmp_path, pixels=pixels, consent="granted", delivery={"api_base": url}, storage={"url": target}
        )
        async with running_gateway(moved, deliver=True) as gateway:
            assert (await gateway.beacon(make_beacon(make_event(event_id="e-20")))).status_code == 204
            await tiktok.until(lambda: len(tiktok.events) == 21)
    assert {event["event_id"] for event in tiktok.events} == {f"e-{number}" for number in range(21)}
    assert set(tiktok.counts.values()) == {1}


async def test_a_move_that_is_killed_goes_on(filled_async: Settings, tmp_path: Path, target: str):
    """Killed as soon as the first page is there, which the target tells."""
    config = write_config(tmp_path)
    script = (
        "import os, signal, sys\n"
        "from gateway.store import copy\n"
        "from gateway.cli import main\n"
        "copy.PAGE, add, pages = 7, copy._add, iter(range(9))\n"
        "def add_or_die(*arguments):\n"
        "    add(*arguments)\n"
        "    if next(pages, None) is None:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "copy._add = add_or_die\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = (sys.executable, "-c", script, "move", "--config", str(config), "--to", "${NEW_DATABASE}")
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, "NEW_DATABASE": target})
    assert await process.wait() == -signal.SIGKILL
    assert any(read_all(target).values())
    await asyncio.to_thread(move, filled_async, target)
    assert read_all(target) == read_all(source_of(filled_async))


# -- The command


def test_the_command_says_how_far_it_is_and_what_to_do_next(
    filled: Settings, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("NEW_DATABASE", target)
    assert main(["move", "--config", str(write_config(tmp_path)), "--to", "${NEW_DATABASE}"]) == 0
    said = capsys.readouterr()
    rows = ROWS * len(metadata.tables)
    assert said.out.splitlines()[0] == f"moved {rows:,} rows; both databases hold the same"
    assert "gateway.toml" in said.out
    assert f"rows moved: {rows:,} of {rows:,}" in said.err
    assert len(said.err.splitlines()) == 10


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("sqlite:///other.db", "--to: write"),
        ("mysql://user:hunter2@host/db", "--to: write"),
        ("${NOBODY_SET_THIS}", "--to: ${NOBODY_SET_THIS} is not set"),
    ],
)
def test_a_target_that_is_none_is_refused_without_being_repeated(
    tmp_path: Path, to: str, told: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["move", "--config", str(write_config(tmp_path)), "--to", to]) == 2
    said = capsys.readouterr().err
    assert said.startswith(told)
    assert "hunter2" not in said


def test_an_installation_without_a_database_has_nothing_to_move(tmp_path: Path, target: str):
    with pytest.raises(StoreUnavailable, match="no database"):
        move(make_settings(tmp_path), target)
    assert not list(tmp_path.iterdir())


def test_an_installation_on_postgresql_moves_with_postgresqls_tools(tmp_path: Path, target: str):
    with pytest.raises(CommandError, match="pg_dump"):
        move(make_settings(tmp_path, storage={"url": target}), target)


def test_a_url_may_come_from_the_environment():
    assert parse_target("${URL}", {"URL": "postgresql://host/db"}) == "postgresql://host/db"
    assert parse_target("postgresql://host/db", {}) == "postgresql://host/db"


def test_another_state_of_the_file_has_another_name(filled: Settings):
    path = Path(source_of(filled).removeprefix("sqlite:///"))
    before = copy.name_state(path)
    assert before == copy.name_state(path)
    assert len(before) <= 32
    os.utime(path, ns=(NOW_MS * 1_000_000, NOW_MS * 1_000_000))
    assert copy.name_state(path) != before

"""The migrations build exactly the tables that the code expects, on whatever was there before."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.database import MIGRATIONS, migrate, newest_revision, open_engine
from gateway.store.tables import events, metadata
from tests.store.samples import NOW_MS, make_event, make_receipt, read_rows


def run_migrations(engine: Engine, revision: str = "head") -> None:
    """An empty database has been through the migrations up to this one, as an old installation has."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes |= {"engine": engine, "tell": lambda *_: None, "applied": ()}
    command.upgrade(config, revision)


def open_empty(folder: Path, name: str) -> Engine:
    return open_engine(f"sqlite:///{folder}/{name}.db")


def test_the_migrations_build_exactly_the_tables(tmp_path: Path):
    engine = open_empty(tmp_path, "migrated")
    run_migrations(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_new_database_is_what_an_old_one_becomes(tmp_path: Path):
    """To the letter: autogenerate sees neither WITHOUT ROWID nor the order of columns, on which the hot path relies."""
    new, old = open_empty(tmp_path, "new"), open_empty(tmp_path, "old")
    migrate(new)
    run_migrations(old)
    assert read_definitions(new) == read_definitions(old)


def test_a_database_of_every_older_version_is_brought_up_to_date(tmp_path: Path):
    revisions = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
    newest = read_definitions(open_up_to_date(tmp_path, "new"))
    for revision in revisions:
        engine = open_empty(tmp_path, revision)
        run_migrations(engine, revision)
        migrate(engine)
        assert read_definitions(engine) == newest


def open_up_to_date(folder: Path, name: str) -> Engine:
    engine = open_empty(folder, name)
    migrate(engine)
    return engine


def test_the_newest_revision_is_the_head_of_the_one_line_of_migrations():
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [newest_revision()]


def read_definitions(engine) -> dict[str, str]:
    """What SQLite was told of each table and index, and the revision it was told it is of."""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
        ).all()
        found += connection.exec_driver_sql("SELECT 'revision', version_num FROM alembic_version").all()
    engine.dispose()
    return {name: " ".join((sql or "").split()) for name, sql in found}


def test_every_primary_key_starts_with_the_store():
    for table in metadata.tables.values():
        assert next(iter(table.primary_key.columns)).name == "store_id", table.name


async def test_opening_again_keeps_everything(url):
    first = Store(url)
    await first.start(NOW_MS)
    await first.record(make_receipt(make_event()))
    before = await read_rows(first, events)
    await first.stop()
    again = Store(url)
    await again.start(NOW_MS)
    assert await read_rows(again, events) == before
    await again.stop()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(url):
    store = Store(url)
    await store.start(NOW_MS)
    await store._writer.run(lambda cursor: cursor.execute("UPDATE alembic_version SET version_num = '9999'", ()))
    await store.stop()
    with pytest.raises(StoreUnavailable, match="newer version"):
        Store(url)
    with pytest.raises(StoreUnavailable, match="newer version"):  # and not StoreLocked: the first try let go of it
        Store(url)


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path):
    path = tmp_path / "theirs.db"
    with contextlib.closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE theirs (id)")
    with pytest.raises(StoreUnavailable, match="another program"):
        Store(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as theirs:
        assert theirs.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]

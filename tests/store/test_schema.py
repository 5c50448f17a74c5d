"""The migrations build exactly the tables that the code expects, on whatever was there before."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.database import MIGRATIONS, migrate, open_engine
from gateway.store.tables import events, metadata
from tests.store.samples import NOW_MS, make_event, make_receipt, read_rows


async def test_the_migrations_build_exactly_the_tables(store: Store):
    def compare(connection):
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        return compare_metadata(context, metadata)

    assert await store.read(compare) == []


def test_sqlite_is_told_the_same_by_the_migrations_and_by_the_tables(tmp_path):
    """Autogenerate sees neither WITHOUT ROWID nor the order of columns, on which the hot path relies."""
    by_migrations = open_engine(f"sqlite:///{tmp_path}/migrated.db")
    by_tables = open_engine(f"sqlite:///{tmp_path}/created.db")
    migrate(by_migrations)
    metadata.create_all(by_tables)
    assert read_definitions(by_migrations) == read_definitions(by_tables)


def read_definitions(engine) -> dict[str, str]:
    statement = "SELECT name, sql FROM sqlite_master WHERE tbl_name <> 'alembic_version'"
    with engine.connect() as connection:
        found = connection.exec_driver_sql(statement).all()
    engine.dispose()
    return {name: " ".join((sql or "").split()) for name, sql in found}


def test_every_primary_key_starts_with_the_store():
    for table in metadata.tables.values():
        assert next(iter(table.primary_key.columns)).name == "store_id", table.name


def test_the_migrations_are_one_line_without_branches():
    assert len(ScriptDirectory(str(MIGRATIONS)).get_heads()) == 1


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

"""The copies that the bench fills a database with are what events and visitors are in reality."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from bench.backlog import count_settled, fill, make_models

COUNT = 30


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backlog")
    make_models(folder)
    fill(folder / "gateway.db", visitors=COUNT, events=COUNT)
    return folder / "gateway.db"


def test_each_copied_event_waits_and_has_its_visitor_who_has_an_anchor(database: Path):
    with contextlib.closing(sqlite3.connect(database)) as connection:
        whose = """
            SELECT count(DISTINCT v.id) FROM outbox o JOIN events e ON e.store_id = o.store_id AND e.id = o.id
            JOIN visitors v ON v.store_id = e.store_id AND v.id = e.visitor_id
            JOIN links l ON l.store_id = v.store_id AND l.visitor_id = v.id WHERE v.marketing AND l.kind = 'cart'"""
        assert connection.execute(whose).fetchone() == (COUNT + 1,)


def test_a_copy_that_has_met_its_fate_is_told_from_the_model_that_has(database: Path):
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE events SET fate = 'accepted' WHERE event_id = 'model'")
    assert count_settled(database) == 0
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE events SET fate = 'accepted' WHERE id IN (SELECT id FROM events LIMIT 3)")
    assert count_settled(database) == 3

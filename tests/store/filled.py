"""Rows for any table at any revision: every column has a value in one row and, where it may, none in another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, Connection, Integer, MetaData, Table

from tests.store.samples import NOW_MS


def make_rows(table: Table, count: int) -> list[dict[str, Any]]:
    """So many rows with keys of their own: full, then without all that may be missing, and so on in turn."""
    return [
        {
            column.name: None if column.nullable and number % 2 else _make_value(column, number)
            for column in table.columns
        }
        for number in range(count)
    ]


def _make_value(column: Column[Any], number: int) -> Any:
    if isinstance(column.type, Boolean):
        return number % 4 == 0
    if isinstance(column.type, Integer):
        return NOW_MS + number if column.name.endswith("_ms") else number
    if column.name == "store_id":
        return ("acme", "bolt")[number % 2]
    return f"{column.name} {number:06d} \t\\N ä 漢 🙂 'quoted' \"twice\"\nand a line"


def fill(connection: Connection, tables: MetaData, count: int = 4) -> dict[str, list[dict[str, Any]]]:
    """Every table has so many rows; gives them by its name."""
    filled = {table.name: make_rows(table, count) for table in tables.sorted_tables if table.name != "alembic_version"}
    for name, rows in filled.items():
        connection.execute(tables.tables[name].insert(), rows)
    return filled

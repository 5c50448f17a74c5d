"""docs/privacy.md names every table and column there is: what is stored and not told there fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.ops.retention import WEBHOOKS_DAYS
from gateway.settings.model import RetentionSettings
from gateway.store.tables import metadata

MAP = (Path(__file__).parent.parent / "docs" / "privacy.md").read_text()
COUNTS = {name for name in metadata.tables if name.endswith("_hours")}


@pytest.mark.parametrize("name", sorted(set(metadata.tables) - COUNTS))
def test_every_column_is_told(name: str):
    part = re.search(rf"\n### `{name}`\n(.*?)(?=\n### )", MAP, re.DOTALL)
    assert part, f"{name} is not in the map"
    rows = "".join(line.split("|")[1] for line in part[1].splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(\w+)`", rows)) == {column.name for column in metadata.tables[name].columns}


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_counts_are_told_and_tell_of_nobody(name: str):
    assert f"`{name}`" in MAP
    assert {column.name for column in metadata.tables[name].columns}.isdisjoint({"visitor_id", "body", "id", "digest"})


@pytest.mark.parametrize("name", RetentionSettings.model_fields)
def test_every_time_is_told_with_its_default(name: str):
    [row] = [line for line in MAP.splitlines() if line.startswith("|") and line.endswith(f"| `retention.{name}` |")]
    assert f"{RetentionSettings.model_fields[name].default} days" in row


def test_the_time_of_webhooks_is_told():
    assert f"| ids of webhooks | {WEBHOOKS_DAYS} days" in MAP

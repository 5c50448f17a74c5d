"""The README tells every setting, reason, fate, endpoint and command there is: what is missing there fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from gateway import cli
from gateway.model.conversion import Reason
from gateway.model.outcome import Dropped, Fate
from gateway.settings.faults import list_tables
from gateway.settings.model import Settings

README = (Path(__file__).parent.parent / "README.md").read_text()
SETTINGS = [(".".join(path), key) for path, keys in list_tables().items() if path for key in keys]


def in_table(table: str, key: str) -> bool:
    part = re.search(rf"\*\*`\[+{re.escape(table)}\]+`\*\*(.*?)(?=\n\*\*`\[|\n## )", README, re.DOTALL)
    return part is not None and f"| `{key}` |" in part[1]


@pytest.mark.parametrize(("table", "key"), [one for one in SETTINGS if one[1] not in ("pixels", "shopify")])
def test_setting_is_told(table: str, key: str):
    assert in_table(table, key)


@pytest.mark.parametrize("word", [*Dropped, *Fate, *Reason])
def test_reason_and_fate_are_told(word: str):
    assert f"`{word}`" in README


@pytest.mark.parametrize("name", sorted(typer.main.get_group(cli.app).commands))
def test_command_is_told(name: str):
    assert f"tag-gateway {name}" in README


@pytest.mark.parametrize(
    "path",
    [
        "GET {script_path}",
        "POST {collect_path}",
        "{collect_path}/px",
        "/go?to=",
        "/webhooks/shopify",
        "/healthz",
        "/readyz",
        "/metrics",
        "/admin/",
    ],
)
def test_endpoint_is_told(path: str):
    assert f"{path}" in README


def test_settings_have_the_tables_told():
    assert set(Settings.model_fields) >= {table.partition(".")[0] for table, _ in SETTINGS}

"""Whoever starts the gateway, or a command, at a terminal sees how far a long upgrade of the database is."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.database import newest_revision, open_engine
from tests.servers import make_settings, write_config
from tests.store.test_schema import run_migrations


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The configuration of an installation whose database is of an older version."""
    settings = make_settings(tmp_path)
    assert settings.storage.file
    settings.storage.file.parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.storage.url.get_secret_value())
    run_migrations(engine, "0002")
    engine.dispose()
    return write_config(tmp_path)


def erase(config: Path, stderr: int) -> None:
    """Any command that changes something opens the database as `serve` does."""
    command = [sys.executable, "-m", "gateway", "erase", "--email", "ada@example.com", "--config", str(config)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=stderr)


async def test_on_a_terminal_there_are_bars(old: Path):
    ours, theirs = pty.openpty()
    await asyncio.to_thread(erase, old, theirs)
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 65536):
            shown += more
    except OSError:  # so a terminal ends on Linux
        os.close(ours)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"schema versions ━+ 4 of 4", plain)


def test_elsewhere_there_are_lines(old: Path, tmp_path: Path):
    with (tmp_path / "err").open("w+") as err:
        erase(old, err.fileno())
        err.seek(0)
        lines = err.read().splitlines()
    assert lines[0].startswith(f"bringing the database from revision 0002 to {newest_revision()}")
    assert "schema versions: 4 of 4" in lines
    assert lines[-1].startswith("the database is up to date")

"""A dashboard, and somebody in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.admin.desk import Reader, running_dashboard


@pytest.fixture
async def stranger(tmp_path: Path) -> AsyncIterator[Reader]:
    """Somebody who has not signed in."""
    async with running_dashboard(tmp_path) as reader:
        yield reader


@pytest.fixture
async def reader(stranger: Reader) -> Reader:
    """Somebody who has."""
    await stranger.sign_in()
    return stranger

"""A dashboard whose shop has a month behind it: `running_figures(tmp_path)` gives the reader, signed in."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

from bench.seed import Shop, seed
from gateway.admin.format import THIN
from gateway.store.database import migrate, open_engine
from tests.admin.desk import Reader, running_dashboard
from tests.servers import PIXEL, make_settings

EVENTS, ORDERS = 1_500, 150


@contextlib.asynccontextmanager
async def running_figures(folder: Path, *, events: int = EVENTS, **overrides: Any) -> AsyncIterator[Reader]:
    """Nothing is delivered while it runs: what is seeded stays as it is."""
    fill(folder, events)
    async with running_dashboard(folder, **overrides) as reader:
        await reader.sign_in()
        yield reader


def fill(folder: Path, events: int = EVENTS) -> None:
    """The database of this folder's installation holds a month of the shop's life."""
    engine = open_engine(make_settings(folder).storage.url.get_secret_value())
    migrate(engine)
    seed(engine, Shop("acme", PIXEL, time.time_ns() // 1_000_000), events=events, orders=ORDERS)
    engine.dispose()


def read_tile(page: str, label: str) -> str:
    """The number of the tile of this name, as it was before it was grouped."""
    found = re.search(rf"<dt>{re.escape(label)}</dt><dd>(.*?)</dd>", unescape(page))
    assert found, f"there is no tile {label}"
    return found[1].replace(THIN, "")


def read_words(page: str) -> str:
    """What the page says, without its tags, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).replace(THIN, "").split())

"""`tag-gateway move`: takes an installation from SQLite to PostgreSQL and changes nothing of what it leaves.

Called by `gateway.cli`; the copying itself is `gateway.store.copy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from sqlalchemy import Connection, make_url

from gateway.errors import CommandError, SettingsError
from gateway.ops.progress import Tell, following
from gateway.settings import Settings
from gateway.settings.load import expand_variables
from gateway.store.copy import Target, count_rows, name_state
from gateway.store.reading import Reader
from gateway.store.sqlite import Lock
from gateway.store.tables import metadata


def parse_target(text: str, env: Mapping[str, str]) -> str:
    """The URL that `--to` says, or the environment for it. Raises: CommandError, which does not repeat it."""
    url, faults = expand_variables(text, env, ("--to",))
    if faults:
        raise SettingsError(tuple(map(str, faults)))
    if not str(url).startswith("postgresql://"):
        raise CommandError("--to: write '${NAME}' of a variable that holds postgresql://user:password@host/database")
    return str(url)


def move(settings: Settings, to: str) -> int:
    """Everything is in the new database, compared with the old one; how many rows.

    Interrupted, it goes on where it was when it is called again. Raises: CommandError, StoreLocked while a gateway
    runs, StoreUnavailable.
    """
    if not settings.storage.is_sqlite:
        raise CommandError("storage.url is no SQLite file: PostgreSQL moves with its own tools, such as pg_dump")
    url = settings.storage.url.get_secret_value()
    path = Path(make_url(url).database or "")
    with ExitStack() as stack:
        source = stack.enter_context(Reader(url))
        stack.callback(Lock(path).release)
        target = stack.enter_context(closing(Target(to, name_state(path))))
        total = source.read(lambda connection: sum(count_rows(connection, one) for one in metadata.sorted_tables))
        with following() as tell:
            source.read(lambda connection: _copy(connection, target, total, tell))
    return total


def _copy(source: Connection, target: Target, total: int, tell: Tell) -> None:
    done = 0
    for _, more in target.copy(source):
        done += more
        tell("rows moved", done, total)
    tell("comparing", 0, None)
    target.finish(source)

"""Opens the database of a configuration; a person at a terminal sees how far a long upgrade of it is.

Called by `gateway.app`, `gateway.cli` and `gateway.ops.control`. Elsewhere the log has a line for every tenth.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from gateway.settings import Settings
from gateway.store import Store
from gateway.store.database import Tell


def open_store(settings: Settings) -> Store:
    """The database, of the newest schema. Raises: StoreLocked when another gateway has it, StoreUnavailable."""
    return Store(settings.storage.url.get_secret_value(), _follow if sys.stderr.isatty() else None)


def _follow() -> AbstractContextManager[Tell]:
    from gateway.ops.progress import following  # which a gateway that is up to date need not hold in memory

    return following()

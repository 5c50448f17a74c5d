"""Loads what a process that keeps running needs, and nothing that its libraries would load besides.

Called by `gateway.cli.running` and `gateway.cli.workers` around their imports.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

UNUSED = ("rich", "httpx._main")
"""What structlog and httpx load for terminals wherever it is installed, and do without where it is not."""


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """What the block imports is there to stay, and `UNUSED` only if it was there before; later imports find it.

    What an import makes stays: that the collector does not look for what does not spares a tenth of the start.
    Source: docs.python.org/3/reference/import.html, 5.3.1 (read 2026-11): None in `sys.modules` says not to be found.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
        for name in hidden:
            del sys.modules[name]

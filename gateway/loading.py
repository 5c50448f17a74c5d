"""Loads what a command needs without looking for garbage meanwhile; and for a process that keeps running, no more.

Used by `gateway.cli` around its imports, and by whatever loads a process that keeps running.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

UNUSED = ("rich", "httpx._main")
"""What structlog and httpx load for terminals wherever it is installed, and do without where it is not."""

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
"""No plugin has to see secrets pass by; and to find any, pydantic reads what each installed distribution offers.
Source: pydantic's documentation, Plugins (read 2026-11)."""


@contextlib.contextmanager
def staying() -> Iterator[None]:
    """What the block imports is there to stay: that the collector looks for what is not would be a tenth of a start."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """What the block imports is there to stay, and `UNUSED` only if it was there before; later imports find it.

    Source: docs.python.org/3/reference/import.html, 5.3.1 (read 2026-11): None in `sys.modules` says not to be found.
    """
    hidden = [name for name in UNUSED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        with staying():
            yield
    finally:
        for name in hidden:
            del sys.modules[name]

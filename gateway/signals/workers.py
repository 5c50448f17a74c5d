"""Lets the workers of one machine count together. Used by who starts them, before any of them imports the metrics."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the folder, once, when it is imported. Source: its manual, "Multiprocess mode"."""


@contextlib.contextmanager
def counting_together() -> Iterator[None]:
    """Processes started inside this block and inheriting its environment show each other's numbers; none are kept."""
    with tempfile.TemporaryDirectory(prefix="tag-gateway-metrics-") as folder:
        os.environ[SHARED_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[SHARED_FOLDER]

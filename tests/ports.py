"""Ports that are named before anything listens on them, as a proxy's upstream or a restarted gateway's must be.

A port that the system gave and that was let go may be another program's a moment later. These lie below those that
the system gives (Linux: from 32768 on), and each of the processes that test side by side has its own, in an order of
its own.
"""

from __future__ import annotations

import itertools
import os
import random
import socket

_FIRST, _EACH = 20_000, 1_000
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(random.sample(range(_FIRST + _WORKER * _EACH, _FIRST + (_WORKER + 1) * _EACH), _EACH))


def free_port() -> int:
    """A port that nobody listens on, and that nobody is given before a thousand others."""
    return next(filter(_is_free, _ports))


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False

"""Several serving processes on one machine, under uvicorn's own supervisor: it starts them anew when one dies.

Called by `serve --workers`. The supervisor holds the listening socket and nothing of the gateway; each worker reads the
configuration itself, from where the environment says, and shares PostgreSQL with the others.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import CommandError, GatewayError
from gateway.loading import loading
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.web.front import Front

CONFIG, NO_DELIVER = "TAG_GATEWAY_WORKER_CONFIG", "TAG_GATEWAY_WORKER_NO_DELIVER"
"""What the supervisor tells its workers, in their environment: they share nothing else with it."""

log = logging.getLogger(__name__)


def run_workers(settings: Settings, config: Path, workers: int, *, deliver: bool) -> None:
    """So many processes serve until SIGTERM or SIGINT; afterwards each has ended in order.

    Raises: StoreError when the database cannot be opened, CommandError when the workers did not start.
    """
    from uvicorn.supervisors import Multiprocess

    from gateway.app import build_config
    from gateway.signals.logs import set_up_logs
    from gateway.signals.workers import counting_together

    set_up_logs()
    _open_once(settings)
    os.environ |= {CONFIG: str(config.absolute()), NO_DELIVER: "" if deliver else "1"}
    serving = build_config(settings, f"{__name__}:build_worker", factory=True, workers=workers)
    with counting_together():
        listening = serving.bind_socket()
        listening.listen(serving.backlog)  # who comes while the workers start waits for them
        supervisor = Multiprocess(serving, [listening])
        supervisor.run()
    if any(worker.exitcode not in (0, -signal.SIGTERM) for worker in supervisor.processes):
        raise CommandError("a worker could not start or did not end in order: the log says why")


def _open_once(settings: Settings) -> None:
    """The database is there and up to date: what is wrong with it is told once, not by every worker."""
    from gateway.ops.opening import open_store

    asyncio.run(open_store(settings).stop())


def build_worker() -> Front:
    """The application of one worker, in its own process. Raises: SystemExit, with the reason in the log."""
    with loading():
        from gateway.app import build_gateway
        from gateway.signals.logs import set_up_logs

    set_up_logs()
    try:
        settings = load_settings(Path(os.environ[CONFIG]))
        gateway = build_gateway(settings, deliver=not os.environ[NO_DELIVER])
    except GatewayError as error:
        log.error("a worker cannot start: %s", error)
        raise SystemExit(1) from None
    gc.freeze()  # as `run_server` does
    return gateway

"""What keeps running: the gateway, in one process or several."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.base import DEFAULT_CONFIG, ConfigOption, app
from gateway.errors import CommandError
from gateway.loading import loading
from gateway.settings import load_settings


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    workers: Annotated[int, typer.Option(min=1, help="Processes; more than one needs PostgreSQL.")] = 1,
    no_deliver: Annotated[
        bool, typer.Option("--no-deliver", help="Take events in and leave the sending to another process.")
    ] = False,
) -> None:
    """Take events in and send them on.

    Brings the database up to date first, then runs until it is stopped.
    """
    settings = load_settings(config)
    if workers > 1 and settings.storage.is_sqlite:
        raise CommandError(
            f"--workers {workers} needs PostgreSQL, as one process alone may write to SQLite: set storage.url"
        )
    if workers > 1:
        from gateway.cli.workers import run_workers

        run_workers(settings, config, workers, deliver=not no_deliver)
        return
    with loading():
        from gateway.app import run_server
    run_server(settings, deliver=not no_deliver)


@app.command()
def deliver(
    config: ConfigOption = DEFAULT_CONFIG,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Answer /metrics, /healthz and /readyz on this port of server.host, if given."
        ),
    ] = None,
) -> None:
    """Send events on, and take none in.

    For what `serve --no-deliver` takes in on the same PostgreSQL; any number of them share the work. Runs until it is
    stopped.
    """
    settings = load_settings(config)
    with loading():
        from gateway.app import run_deliverer
    run_deliverer(settings, port)

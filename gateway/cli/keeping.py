"""What keeps an installation's data over the years: backups, and the way to a larger database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.base import DEFAULT_CONFIG, ConfigOption, app
from gateway.settings import load_settings


@app.command()
def backup(
    out: Annotated[Path, typer.Option(help="The file to write; an existing one is never overwritten.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Copy the SQLite database to a file, while the gateway runs.

    The file is whole, checked and readable by you alone, or it is not there. It holds everything that was answered
    before the command began; gateway.toml, whose secret_keys belong to it, is yours to keep beside it.
    """
    from gateway.clock import now_ms
    from gateway.ops.backup import back_up

    size = back_up(load_settings(config), out, now_ms())
    typer.echo(f"wrote {size:,} bytes to {out}. To go back to it: tag-gateway restore {out}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What tag-gateway backup wrote.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Put a backup in the place of the SQLite database.

    Only while no gateway runs. What was there is kept beside it under another name. Events that waited when the backup
    was taken are sent again within 48 hours of it, in which TikTok drops what it has already, and expire after that.
    """
    from gateway.clock import now_ms
    from gateway.ops.backup import restore

    kept = restore(load_settings(config), file, now_ms())
    typer.echo(f"{file} is the database now" + (f"; what was there is {kept}" if kept else ""))
    typer.echo("Next: tag-gateway serve, and tag-gateway reconcile for orders that came after the backup")


@app.command()
def move(
    to: Annotated[str, typer.Option(help="postgresql://…, or '${NAME}' of a variable that holds it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Move the installation from SQLite to PostgreSQL.

    Only while no gateway runs, and into an empty database. Changes nothing of the SQLite file. Stopped in between, it
    goes on where it was when it is called again; at the end both databases are compared.
    """
    import os

    from gateway.ops.move import move, parse_target

    settings = load_settings(config)
    rows = move(settings, parse_target(to, os.environ))
    typer.echo(f"moved {rows:,} rows; both databases hold the same")
    typer.echo("Next: in gateway.toml give [storage] the new url, then tag-gateway check and tag-gateway serve")

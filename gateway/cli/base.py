"""The app that every command joins, the options they share, and what becomes of errors and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import CommandError, GatewayError, SettingsError

app = typer.Typer(
    name="tag-gateway",
    help="A first-party gateway from a Shopify store to TikTok's Events API.",
    add_completion=False,
    pretty_exceptions_enable=False,  # they would print local variables, secrets among them
    rich_markup_mode=None,  # [security] in a help text is a table of the config, not markup
)

ConfigOption = Annotated[Path, typer.Option("--config", envvar="GATEWAY_CONFIG", help="The configuration file.")]
StoreOption = Annotated[str | None, typer.Option("--store", help="The store's id; all stores without it.")]
DEFAULT_CONFIG = Path("gateway.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 ok, 1 a check failed, 2 usage or configuration, 130 Ctrl-C.

    Whatever is raised on purpose becomes readable lines on stderr, one for each fault; a traceback is a defect of ours.
    """
    said = sys.argv[1:] if arguments is None else arguments
    try:
        code = _narrow(said[:1])(said, prog_name="tag-gateway", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except typer.TyperException as error:
        return _complain(f"{error.format_message()} (tag-gateway COMMAND --help explains each)", 2)
    except GatewayError as error:
        return _complain(str(error), 2 if isinstance(error, SettingsError | CommandError) else 1)
    return code or 0


def _narrow(names: Sequence[str]) -> typer.Typer:
    """The app with the commands of these names alone, all of it where there are none: typer takes its time for each."""
    wanted = [one for one in app.registered_commands if (one.name or getattr(one.callback, "__name__", "")) in names]
    narrow = copy(app)
    narrow.registered_commands = wanted or app.registered_commands
    return narrow


def _complain(lines: str, code: int) -> int:
    typer.echo(lines, err=True)
    return code


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("tag-gateway"))
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """A first-party gateway from a Shopify store to TikTok's Events API."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)

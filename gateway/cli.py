"""The commands of `tag-gateway` (contract 1): each loads the configuration and calls the module that does the work.

Nothing is imported before its command needs it, so that `--help` and `check` answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.errors import CommandError, GatewayError, SettingsError
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.ops.errands import Errand
    from gateway.ops.screen import Screen

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
    try:
        code = app(arguments, prog_name="tag-gateway", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except typer.TyperException as error:
        return _complain(f"{error.format_message()} (tag-gateway COMMAND --help explains each)", 2)
    except GatewayError as error:
        return _complain(str(error), 2 if isinstance(error, SettingsError | CommandError) else 1)
    return code or 0


def _complain(lines: str, code: int) -> int:
    typer.echo(lines, err=True)
    return code


def _print_version(wanted: bool) -> None:
    if wanted:
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


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the scripted shopper; exit 0 if all arrived.")
    ] = False,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The demo storefront's port.")] = None,
) -> int:
    """Show the whole product on this machine.

    Runs a demo store, the gateway and a stand-in for TikTok; needs no account and no configuration. A scripted shopper
    clicks an ad, browses and buys; then everything keeps running until Ctrl-C, for you to try.
    """
    from gateway.demo.run import run_demo

    return run_demo(once, port)


@app.command()
def init(
    site: Annotated[str | None, typer.Option(help="The shop's address, such as https://www.acme.com.")] = None,
    host: Annotated[
        list[str] | None, typer.Option(help="The gateway's own name, such as t.acme.com; may be repeated.")
    ] = None,
    pixel: Annotated[str | None, typer.Option(help="The Pixel Code from TikTok's Events Manager.")] = None,
    out: Annotated[Path, typer.Option(help="The file to write; an existing one is never touched.")] = DEFAULT_CONFIG,
) -> None:
    """Write a first, commented configuration.

    It has a fresh signing key and paths drawn at random. On a terminal, init asks for the options that are missing.
    """
    from gateway.ops.init import TOKEN_VARIABLE, build_config, write_config

    if out.exists():
        raise CommandError(f"{out} exists and stays as it is: name another with --out, or move it away")
    _refuse_missing({"--site": site, "--host": host, "--pixel": pixel})
    site = site or typer.prompt("The shop's address, such as https://www.acme.com")
    hosts = host or [typer.prompt("The gateway's own name, such as t.acme.com")]
    pixel = pixel or typer.prompt("The Pixel Code from TikTok's Events Manager")
    write_config(out, build_config(site, hosts, pixel))
    typer.echo(f"Wrote {out}. Next: export {TOKEN_VARIABLE}=… (Events Manager generates it), then tag-gateway check")


def _refuse_missing(options: dict[str, object]) -> None:
    """Off a terminal nobody can be asked, so whatever is missing ends the command."""
    missing = [name for name, value in options.items() if not value]
    if missing and not sys.stdin.isatty():
        raise CommandError(f"init needs {', '.join(missing)}: add it, or run init on a terminal to be asked")


@app.command()
def password() -> None:
    """Print the hash of a dashboard password.

    It goes into [security] as admin_password_hash. On a terminal, asks for the password twice; elsewhere, reads it as
    one line from stdin.
    """
    from argon2 import PasswordHasher

    if sys.stdin.isatty():
        secret = typer.prompt("Dashboard password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        secret = sys.stdin.readline().rstrip("\r\n")
    if not secret:
        raise CommandError("no password given: type one, or pipe it in as one line")
    typer.echo(PasswordHasher().hash(secret))


@app.command()
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Name every fault of the configuration.

    Works offline and changes nothing. An environment variable that is not set is a fault too.
    """
    for store in load_settings(config).stores:
        pixels = ", ".join(pixel.code for pixel in store.pixels)
        typer.echo(f"{store.id}: {', '.join(store.hosts)} for {', '.join(store.origins)}, pixel {pixels}: ok")


@app.command()
def install(config: ConfigOption = DEFAULT_CONFIG, store: StoreOption = None) -> None:
    """Print what to paste where: DNS records, theme tag, custom pixel, webhooks, ad address.

    Works offline and changes nothing. Piped, the texts are plain.
    """
    from gateway.ops.errands import choose_stores
    from gateway.ops.install import build_install
    from gateway.ops.screen import show_steps

    settings = load_settings(config)
    for chosen in choose_stores(settings, store):
        show_steps(chosen.id, build_install(settings, chosen))


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
    from gateway.app import run_server

    run_server(settings, deliver=not no_deliver)


@app.command()
def reconcile(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    since: Annotated[
        str, typer.Option(help="How far back to look for orders that were placed or changed, such as 30m, 6h or 7d.")
    ] = "7d",
    send: Annotated[bool, typer.Option("--send", help="Send what is missing.")] = False,
) -> int:
    """Compare Shopify's orders with what was delivered.

    Tells how many were sent, are missing, or are deliberately not sent and why; ends with 1 while any is missing. Needs
    access to the shop's Admin API. While a gateway is running, it does the work.
    """
    from gateway.ops.errands import Reconcile
    from gateway.ops.reconcile import choose_shops, parse_since

    since_s = parse_since(since)
    settings = load_settings(config)
    return _run(settings, Reconcile(tuple(shop.id for shop in choose_shops(settings, store)), since_s, send))


@app.command()
def erase(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    email: Annotated[str | None, typer.Option(help="The person's email address.")] = None,
    phone: Annotated[str | None, typer.Option(help="Their phone number, with its country code.")] = None,
    customer: Annotated[str | None, typer.Option(help="Their customer id in Shopify.")] = None,
    visitor: Annotated[str | None, typer.Option(help="The id of one of their visitors.")] = None,
) -> int:
    """Erase a person's data and print what was erased.

    Visitors, links, events and what waits to be sent are gone for good; of their orders the bare numbers stay, so that
    none is told again. While a gateway is running, it does the work.
    """
    from gateway.ops.erase import parse_person
    from gateway.ops.errands import Erase, choose_stores

    person = parse_person(email, phone, customer, visitor)
    settings = load_settings(config)
    return _run(settings, Erase(tuple(shop.id for shop in choose_stores(settings, store)), person))


def _run(settings: Settings, errand: Errand) -> int:
    """The errand is done, here or by the running gateway, and shown; the exit code."""
    import asyncio

    from gateway.ops.screen import Screen

    screen = Screen()
    asyncio.run(_show(settings, errand, screen))
    return screen.tally.exit_code


async def _show(settings: Settings, errand: Errand, screen: Screen) -> None:
    from gateway.delivery.worker import now_ms
    from gateway.ops.control import open_desk

    async with open_desk(settings, now_ms) as desk:
        with screen.progress():
            async for report in desk.run(errand):
                screen.show(report)
        screen.finish(is_serving=desk.is_serving)

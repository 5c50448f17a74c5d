"""From nothing to a store that sends: the demo, a first configuration, what to paste where, and whether it works."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.base import DEFAULT_CONFIG, ConfigOption, StoreOption, app
from gateway.errors import CommandError, SettingsError
from gateway.settings import load_settings


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
        list[str] | None,
        typer.Option(metavar="<str>", help="The gateway's own name, such as t.acme.com; may be repeated."),
    ] = None,
    pixel: Annotated[str | None, typer.Option(help="The Pixel Code from TikTok's Events Manager.")] = None,
    out: Annotated[Path, typer.Option(help="The file to write; an existing one is never touched.")] = DEFAULT_CONFIG,
) -> None:
    """Write a first, commented configuration.

    It has a fresh signing key and paths drawn at random. On a terminal, init asks for the options that are missing.
    """
    from gateway.ops.init import TOKEN_VARIABLE, write_config

    if out.exists():
        raise CommandError(f"{out} exists and stays as it is: name another with --out, or move it away")
    given = {"--site": [site] if site else [], "--host": host or [], "--pixel": [pixel] if pixel else []}
    _refuse_missing(given)
    write_config(out, _build(given))
    typer.echo(
        f"Wrote {out}. Next: export {TOKEN_VARIABLE}=… (Events Manager > your pixel > Settings > Events API generates "
        "it), then tag-gateway check. [stores.shopify] can wait until there is a webhook, whose secret goes into it"
    )


def _build(given: Mapping[str, list[str]]) -> str:
    """The configuration for these options; whatever has no value is asked for, and again when it cannot be used."""
    from gateway.ops.init import build_config

    answers = dict(given)
    while True:
        answers |= {option: [_ask(option)] for option, values in answers.items() if not values}
        try:
            return build_config(answers["--site"][0], answers["--host"], answers["--pixel"][0])
        except SettingsError as error:
            wrong = {fault.partition(":")[0] for fault in error.faults}
            if any(given.get(option, ["not an option"]) for option in wrong):
                raise
            typer.echo(f"\n{error}", err=True)
            answers |= {option: [] for option in wrong}


def _ask(option: str) -> str:
    """The answer to this option's question, explained first."""
    from gateway.ops.init import QUESTIONS

    question, hint = QUESTIONS[option]
    typer.echo(f"\n{hint}")
    answer: str = typer.prompt(question)
    return answer


def _refuse_missing(options: Mapping[str, list[str]]) -> None:
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
        if store.shopify is None:
            typer.echo(f"{store.id}: without [stores.shopify], orders are heard of from browsers alone")
    typer.echo("Next: tag-gateway serve, with TLS in front; tag-gateway install tells what to paste where")


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
def doctor(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    code: Annotated[
        str | None, typer.Option(help="A code from Events Manager > Test Events, with which TikTok's token is tried.")
    ] = None,
    dns: Annotated[
        str | None, typer.Option(help="Ask this DNS server, such as 9.9.9.9, instead of the system's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Look at the whole installation: one line for each thing, with its mend.

    Comes the way visitors come, and asks TikTok and Shopify. Run it on the gateway's machine. It leaves nothing behind;
    ends with 1 when something fails.
    """
    import asyncio

    from gateway.clock import now_ms
    from gateway.ops.doctor import Network, examine
    from gateway.ops.doctor.chart import print_json, show_findings
    from gateway.ops.errands import choose_stores
    from gateway.ops.trial import check_code

    settings = load_settings(config)
    shops = choose_stores(settings, store)
    findings = examine(settings, shops, Network(dns), now_ms, code and check_code(code))
    return asyncio.run((print_json if as_json else show_findings)(findings))


@app.command("test-event")
def send_test(
    code: Annotated[str, typer.Option(help="The code that Events Manager > your pixel > Test Events shows.")],
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
) -> int:
    """Send one labelled event to TikTok's Test Events tab.

    One for each pixel, straight to TikTok: it counts for nothing and is kept nowhere. Ends with 1 when it is refused.
    """
    import asyncio

    from gateway.clock import now_ms
    from gateway.ops.errands import choose_stores
    from gateway.ops.trial import WHERE, check_code, send_trials

    checked = check_code(code)
    settings = load_settings(config)
    trials = asyncio.run(send_trials(settings.delivery.api_base, choose_stores(settings, store), checked, now_ms()))
    for store_id, trial in trials:
        typer.echo(f"{store_id}: {trial.sentence}" + (f" -> {trial.mend}" if trial.mend else ""))
    if not all(trial.is_accepted for _, trial in trials):
        return 1
    typer.echo(
        f"Next: look at {WHERE}, with that page open; it is there within three minutes. Then: tag-gateway doctor"
    )
    return 0

"""`tag-gateway events …`: the audit trail, to be listed, shown, replayed, exported and pruned from exports."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.base import DEFAULT_CONFIG, ConfigOption, StoreOption, app
from gateway.errors import CommandError
from gateway.settings import Settings, load_settings

if TYPE_CHECKING:
    from gateway.ops.errands import Replay
    from gateway.store.reading import Reader
    from gateway.store.walk import Wanted

events = typer.Typer(help="The audit trail: what came in, and what became of it.", rich_markup_mode=None)
app.add_typer(events, name="events")

FateOption = Annotated[
    str | None, typer.Option("--fate", help="accepted, rejected, expired, withdrawn, not_sent or waiting.")
]
EventOption = Annotated[str | None, typer.Option("--event", help="The event's name, such as Purchase.")]
SinceOption = Annotated[str | None, typer.Option("--since", help="How far back, such as 30m, 6h or 7d.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON Lines, for other programs.")]


@events.command("list")
def list_(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    fate: FateOption = None,
    event: EventOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="So many at most, the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List events, the newest first.

    A table on a terminal, tab-separated when piped. Only reads, beside a running gateway too.
    """
    from gateway.ops.errands import choose_stores
    from gateway.ops.ledger import list_events, open_reader, show_events

    wanted = _read_wanted(fate, event, since)
    settings = load_settings(config)
    store_ids = [shop.id for shop in choose_stores(settings, store)]
    with open_reader(settings) as reader:
        show_events(list_events(reader, store_ids, wanted, limit), as_json=as_json)


@events.command()
def show(
    what: Annotated[
        str,
        typer.Argument(help="An order's number or Shopify id, an event's id, a visitor's id, or an email address."),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
) -> int:
    """Show the account of an order, an event or a person.

    What came in and when, the consent, how the visitor was found, each answer of TikTok's, and the outcome in plain
    words. Ends with 1 when nothing is found. Only reads, beside a running gateway too.
    """
    from gateway.ops.errands import choose_stores
    from gateway.ops.ledger import find, open_reader, show_dossier, tell_cost

    settings = load_settings(config)
    shops = choose_stores(settings, store)
    is_found = False
    with open_reader(settings) as reader:
        for shop in shops:
            for dossier in find(reader, settings, [shop.id], what):
                show_dossier(dossier, tell_cost(shop, dossier))
                is_found = True
        if not is_found:
            typer.echo("nothing is known of this: no order, event, visitor or person of that name", err=True)
        for warning in _find_warnings(reader, [shop.id for shop in shops]):
            typer.echo(f"! {warning}", err=True)
    return 0 if is_found else 1


def _find_warnings(reader: Reader, store_ids: Sequence[str]) -> Iterator[str]:
    """What is wrong just now, and may be why an account is not as it should be."""
    from gateway.delivery.troubles import tell_cause
    from gateway.model.words import WEBHOOKS_REFUSED
    from gateway.store.alerts import find_troubles
    from gateway.store.vitals import are_webhooks_refused

    yield from (tell_cause(cause) for of, cause in reader.read(find_troubles) if of in ("", *store_ids))
    for store_id in store_ids:
        if reader.read(partial(are_webhooks_refused, store_id=store_id)):
            yield f"{store_id}: {WEBHOOKS_REFUSED}"


@events.command()
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Ids of events; without any, all that the options say.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    fate: Annotated[str | None, typer.Option("--fate", help="rejected or expired; both without it.")] = None,
    code: Annotated[int | None, typer.Option("--code", help="TikTok's code in the last answer, such as 40002.")] = None,
    since: SinceOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> int:
    """Send rejected and expired events once more.

    TikTok merges what arrives twice only for 48 hours. So an event whose Pixel copy fired, or whose earlier attempt had
    no answer, is refused after that time, with the reason, for it could count twice; so is what is too old to be sent
    at all. Ends with 1 when an event was named and none may be replayed.
    """
    import asyncio

    from gateway.ops.errands import Replay, choose_stores
    from gateway.ops.replay import parse_fates
    from gateway.store.walk import Wanted

    if not (ids or fate or code is not None or since):
        raise CommandError("which? name events by their ids, or say --fate, --code or --since")
    if not (yes or sys.stdin.isatty()):
        raise CommandError("replay asks first, and off a terminal nobody can be asked: add --yes")
    wanted = Wanted(fates=parse_fates(fate), since_ms=_since_ms(since), code=code, ids=tuple(ids or ()))
    settings = load_settings(config)
    errand = Replay(tuple(shop.id for shop in choose_stores(settings, store)), wanted)
    return asyncio.run(_replay(settings, errand, yes=yes))


@events.command()
def export(
    config: ConfigOption = DEFAULT_CONFIG,
    store: StoreOption = None,
    fate: FateOption = None,
    event: EventOption = None,
    since: SinceOption = None,
    format_: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="The file to write; without it, to stdout.")] = None,
) -> None:
    """Write events as CSV or JSON Lines, the newest first.

    Streams, however many there are. A file gets its name only once it is whole, so stopping leaves what was there. Only
    reads, beside a running gateway too. There is no personal data in it.
    """
    from gateway.ops.errands import choose_stores
    from gateway.ops.export import Format, export, replacing
    from gateway.ops.ledger import open_reader

    if format_ not in list(Format):
        raise CommandError(f"--format: it is one of {', '.join(Format)}")
    wanted = _read_wanted(fate, event, since)
    settings = load_settings(config)
    store_ids = [shop.id for shop in choose_stores(settings, store)]
    with open_reader(settings) as reader, replacing(out) if out else contextlib.nullcontext(sys.stdout) as file:
        count = export(reader, store_ids, wanted, Format(format_), file)
    if out:
        typer.echo(f"wrote {count} events to {out}", err=True)


@events.command()
def prune(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="What tag-gateway events export wrote.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Take out of export files what the ledger no longer holds.

    Events of people who were erased, by command or by Shopify's webhook, and events past retention. Each file is
    rewritten whole, or stays as it was. Only reads the database, beside a running gateway too.
    """
    from gateway.ops.ledger import open_reader
    from gateway.ops.prune import prune

    settings = load_settings(config)
    store_ids = [shop.id for shop in settings.stores]
    with open_reader(settings) as reader:
        for file in files:
            pruned = prune(reader, store_ids, file)
            typer.echo(f"{file}: {pruned.gone:,} events taken out, {pruned.kept:,} kept")


async def _replay(settings: Settings, errand: Replay, *, yes: bool) -> int:
    """What may be replayed is, once somebody has agreed; the exit code."""
    from msgspec import structs

    from gateway.clock import now_ms
    from gateway.ops.control import open_desk
    from gateway.ops.replay import Sum

    async with open_desk(settings, now_ms) as desk:
        before = Sum([report async for report in desk.run(errand)])
        for line in before.tell():
            typer.echo(line)
        if not before.count:
            return max(before.exit_code, int(bool(errand.wanted.ids)))
        if not yes:
            typer.confirm(f"Send {before.count} once more?", abort=True, err=True)
        done = Sum([report async for report in desk.run(structs.replace(errand, act=True))])
        mend = "the gateway is sending them" if desk.is_serving else "they are sent once the gateway runs"
        typer.echo(f"{done.count} replayed; {mend}")
        return done.exit_code


def _read_wanted(fate: str | None, event: str | None, since: str | None) -> Wanted:
    """Which events the options mean. Raises: CommandError."""
    from gateway.ops.ledger import parse_fate
    from gateway.store.walk import Wanted

    return Wanted(fates=parse_fate(fate), event=event, since_ms=_since_ms(since))


def _since_ms(since: str | None) -> int:
    from gateway.clock import now_ms
    from gateway.ops.reconcile import parse_since

    return now_ms() - parse_since(since) * 1000 if since else 0

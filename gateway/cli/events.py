"""`tag-gateway events …`: the audit trail, to be listed, shown, replayed and exported."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.base import DEFAULT_CONFIG, ConfigOption, StoreOption, app
from gateway.settings import load_settings

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
    from gateway.ops.ledger import list_events, open_reader, parse_fate, show_events
    from gateway.ops.reconcile import parse_since
    from gateway.store.walk import Wanted

    since_ms = _now_ms() - parse_since(since) * 1000 if since else 0
    wanted = Wanted(fates=parse_fate(fate), event=event, since_ms=since_ms)
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
    from gateway.ops.ledger import find, open_reader, show_dossier

    settings = load_settings(config)
    is_found = False
    with open_reader(settings) as reader:
        for dossier in find(reader, settings, [shop.id for shop in choose_stores(settings, store)], what):
            show_dossier(dossier)
            is_found = True
    if not is_found:
        typer.echo("nothing is known of this: no order, event, visitor or person of that name", err=True)
    return 0 if is_found else 1


def _now_ms() -> int:
    from gateway.delivery.worker import now_ms

    return now_ms()

"""The ledger on a terminal: looks for what was named, lists what came in. Only reads, beside whatever is running.

Called by `gateway.cli.events`; `gateway.store` finds, `gateway.model.telling` has the sentences.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from msgspec import to_builtins
from rich.table import Table

from gateway.errors import CommandError
from gateway.intake.inquiry import parse_inquiry
from gateway.intake.tokens import Tokens
from gateway.model.dossier import Dossier, EventDossier
from gateway.model.outcome import Fate
from gateway.model.telling import Line, tell_event, tell_order, tell_time, tell_visitor
from gateway.ops.console import build_console, print_line
from gateway.settings import Settings, StoreSettings
from gateway.store.reading import Reader
from gateway.store.search import search
from gateway.store.walk import Page, Wanted, read_page

WAITING = "waiting"
"""What the commands call the fate of an event that has none yet."""

PATIENCE_S = 0.5
"""The command waits no longer for DNS."""

COLUMNS = ("received", "store", "event", "event_id", "fate", "why", "id")


def open_reader(settings: Settings) -> Reader:
    """The database of this configuration, to be read. Raises: StoreUnavailable."""
    return Reader(settings.storage.url.get_secret_value())


def parse_fate(text: str | None) -> tuple[Fate | None, ...]:
    """The fates that are meant; none for no text. Raises: CommandError."""
    if text is None:
        return ()
    if text == WAITING:
        return (None,)
    if text not in list(Fate):
        raise CommandError(f"--fate: it is one of {', '.join([*Fate, WAITING])}")
    return (Fate(text),)


def find(reader: Reader, settings: Settings, store_ids: Iterable[str], text: str) -> Iterator[Dossier]:
    """What each of these stores has of it, where it has anything."""
    tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
    for store_id in store_ids:
        inquiry = parse_inquiry(tokens, store_id, text)
        found = reader.read(partial(search, store_id=store_id, inquiry=inquiry))
        if found != Dossier():
            yield found


def list_events(reader: Reader, store_ids: Iterable[str], wanted: Wanted, limit: int) -> list[EventDossier]:
    """The newest `limit` of these stores' events, the newest first."""
    found: list[EventDossier] = []
    for store_id in store_ids:
        of_store: list[EventDossier] = []
        for page in walk(reader, store_id, wanted):
            of_store += page.events
            if len(of_store) >= limit:
                break
        found += of_store[:limit]
    return sorted(found, key=lambda event: event.id, reverse=True)[:limit]


def walk(reader: Reader, store_id: str, wanted: Wanted) -> Iterator[Page]:
    """All that is wanted, a page at a time, also where a page has none."""
    before: str | None = "g"
    while before is not None:
        page = reader.read(partial(read_page, store_id=store_id, wanted=wanted, before=before))
        yield page
        before = page.before


# -- Showing


def show_events(events: Sequence[EventDossier], *, as_json: bool = False) -> None:
    """The events as a table on a terminal, tab-separated wherever else it goes, or as JSON Lines."""
    console = build_console()
    if as_json:
        for event in events:
            console.file.write(to_json(event) + "\n")
        return
    rows = [_to_row(event) for event in events]
    if not console.is_terminal:
        for row in (COLUMNS, *rows):
            console.file.write("\t".join(map(_to_cell, row)) + "\n")
        return
    table = Table(*COLUMNS, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(_to_cell, row))
    console.print(table)


def _to_row(event: EventDossier) -> tuple[str, ...]:
    at = tell_time(event.received_ms)
    return (at, event.store_id, event.event, event.event_id, event.fate or WAITING, event.reason or "", event.id)


def _to_cell(value: str) -> str:
    """The text on one line, without what would steer a terminal: names and ids come from the web."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in value))


def to_json(event: EventDossier) -> str:
    """The event on one line of JSON."""
    return json.dumps(to_builtins(event))  # ASCII alone: nothing in it steers a terminal


def tell_cost(shop: StoreSettings, dossier: Dossier) -> str:
    """What Safari takes of the life of these visitors' cookies; empty when nobody came with Safari, or DNS is slow."""
    if not any(visitor.is_safari for visitor in dossier.visitors):
        return ""
    from gateway.ops.forecast import Forecast  # DNS, which few accounts need

    life = asyncio.run(Forecast().predict(shop, PATIENCE_S))
    return life.cost if life else ""


def show_dossier(dossier: Dossier, cost: str = "") -> None:
    """Orders, events and visitors, each with its account in sentences. `cost` is what `tell_cost` says."""
    console = build_console()
    accounts: list[tuple[str, Iterable[Line]]] = [
        (f"Order {order.name or order.id} ({order.store_id}, Shopify id {order.id})", tell_order(order))
        for order in dossier.orders
    ]
    accounts += [
        (
            f"{event.event} {event.event_id} ({event.store_id}, pixel {event.pixel_code}, id {event.id})",
            tell_event(event),
        )
        for event in dossier.events
    ]
    accounts += [
        (f"Visitor {visitor.id} ({visitor.store_id})", tell_visitor(visitor, cost=cost)) for visitor in dossier.visitors
    ]
    for title, lines in accounts:
        print_line(console, _to_cell(title), style="bold")
        for label, said in lines:
            print_line(console, f"  {label:<9} {_to_cell(said)}")
        print_line(console, "")
    if dossier.is_cut:
        print_line(console, "There is more than is shown here: name an order or an event.")

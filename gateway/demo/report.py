"""Prints what happens, as it happens: who did what, what the gateway answered, what TikTok took and by what it matches.

Fed by the `tap`s around the gateway and the fake TikTok and by the `script`; shows the `verdict`. On a terminal in
colour, elsewhere in plain lines.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.site import COLLECT_PATH
from gateway.demo.tap import Exchange
from gateway.demo.verdict import Expected, Key, read_key

_SHORT_NAMES = {"ttclid": "ttclid", "ttp": "ttp", "email": "email", "ip": "ip", "user_agent": "ua"}
STORED = "stored"
_WIDTH = 140
"""Characters of a line where no terminal says how many fit."""


class Heard(Struct):
    """One event on its way: who caused it, what became of it at the gateway, and the event as TikTok accepted it."""

    who: str
    pixel: str = ""
    fate: str = "never came"
    accepted: dict[str, Any] | None = None


class Report:
    """Everything that is shown. `names` are the scripted shoppers' by their address; anybody else is you."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._heard: dict[Key, Heard] = {}
        is_unicode = console.encoding.lower().startswith("utf")
        self._yes, self._no, self._arrow = ("✓", "·", "→") if is_unicode else ("yes", "-", "->")

    def say(self, who: str, what: str) -> None:
        """What a shopper does."""
        self._print(who, "bold", what, "bold")

    def note(self, text: str, style: str = "") -> None:
        """A line that nobody in particular says."""
        self._console.print(Text(text, style), soft_wrap=True)

    # The gateway's side

    def on_gateway(self, exchange: Exchange) -> None:
        """A request to the gateway is shown, if it is an ad click or a beacon."""
        who = self._names.get(exchange.client, "you")
        if exchange.path == "/go":
            self._tell_landing(who, exchange)
        elif exchange.path == COLLECT_PATH and exchange.method == "POST":
            self._tell_beacon(who, exchange)

    def _tell_landing(self, who: str, exchange: Exchange) -> None:
        kept = "cookies set" if "set-cookie" in exchange.headers else "nothing stored: consent is not known yet"
        path = urlsplit(exchange.headers.get("location", "")).path
        self._print(
            who, "", f"  {self._arrow} gateway  {'ad click':<17}", "cyan", f"{exchange.status} to {path}; {kept}"
        )

    def _tell_beacon(self, who: str, exchange: Exchange) -> None:
        events = _read_events(exchange.body)
        if not events:
            self._tell_answer(who, "(who it is)", exchange.status, to_fate(exchange, {}))
        for said in events:
            key = (str(said.get("event")), str(said.get("event_id")))
            fate = to_fate(exchange, said)
            self._heard.setdefault(key, Heard(who, str(said.get("pixel", "")), fate))
            self._tell_answer(who, key[0], exchange.status, fate)

    def _tell_answer(self, who: str, what: str, status: int, fate: str) -> None:
        told = Text(f"{status} {fate}", "green" if fate == STORED else "yellow")
        self._print(who, "", f"  {self._arrow} gateway  {what:<17}", "cyan", told)

    # TikTok's side

    def on_tiktok(self, exchange: Exchange) -> None:
        """A request to TikTok is shown event by event, with its answer."""
        answer = json.loads(exchange.answer or b"{}")
        for event in json.loads(exchange.body).get("data", []):
            key = (event.get("event"), event.get("event_id"))
            heard = self._heard.setdefault(key, Heard("?"))
            if answer.get("code") == 0:
                heard.accepted = event
                told = Text.assemble(("accepted  ", "green"), self._to_marks(event))
            else:
                told = Text(f"refused: {answer.get('code')} {answer.get('message')}", "red")
            self._print(heard.who, "", f"  {self._arrow} TikTok   {event.get('event'):<17}", "magenta", told)

    def _to_marks(self, event: dict[str, Any]) -> Text:
        """Which match keys the event carries: `ttclid ✓  ttp ·`."""
        marks = Text()
        for key, name in _SHORT_NAMES.items():
            is_there = bool(read_key(event, key))
            marks.append(f"{name} {self._yes if is_there else self._no}  ", "green" if is_there else "dim")
        return marks

    # The end

    def summarize(self, expected: Sequence[Expected], differences: Sequence[str], sentence: str) -> None:
        """The table of every event, what differs, and in a sentence what that means."""
        table = Table(box=SIMPLE_HEAD, title="Every event, and how far it came", title_justify="left", padding=(0, 1))
        for name in ("shopper", "event", "event id", "Pixel", "expected", "gateway", "TikTok", "matched by"):
            table.add_column(name, overflow="fold")
        owners = {one.key: one.who for one in expected}
        missed = {key: Heard(who) for key, who in owners.items() if key not in self._heard}
        for key, heard in (self._heard | missed).items():
            table.add_row(*self._to_cells(key, heard, key in owners))
        self._console.print()
        self._console.print(table)
        for difference in differences:
            self.note(f"differs: {difference}", "red")
        self.note(sentence, "bold red" if differences else "bold green")

    def _to_cells(self, key: Key, heard: Heard, is_expected: bool) -> list[str]:
        said = "accepted" if heard.accepted else self._no
        keys = [name for key, name in _SHORT_NAMES.items() if heard.accepted and read_key(heard.accepted, key)]
        told = [
            heard.who,
            key[0],
            _shorten(key[1]),
            heard.pixel,
            self._yes if is_expected else self._no,
            heard.fate,
            said,
        ]
        return [*told, " ".join(keys) or self._no]

    def _print(self, who: str, who_style: str, what: str, style: str, then: str | Text = "") -> None:
        clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        line = Text.assemble((clock, "dim"), "  ", (f"{who:<5}", who_style), (what, style), "  ", then)
        line.rstrip()
        self._console.print(line, soft_wrap=True)


def build_console() -> Console:
    """Standard output: a terminal as wide as it is, or plain lines of a fixed width."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def to_fate(exchange: Exchange, said: Mapping[str, Any]) -> str:
    """What became of one event of a beacon at the gateway, in a word or three."""
    dropped = exchange.headers.get("x-dropped")
    if dropped in (None, "page_view") and (said.get("event"), said.get("pixel")) == ("Pageview", "fired"):
        return "the Pixel's own"
    if exchange.status != 204:
        return "refused"
    return f"dropped: {dropped}" if dropped else STORED


def _read_events(body: bytes) -> list[dict[str, Any]]:
    try:
        events = json.loads(body).get("events", [])
    except (ValueError, AttributeError):
        return []
    return [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []


def _shorten(event_id: str) -> str:
    """Enough of an id to tell it from the others: the start of a UUIDv7 is but the time."""
    return event_id if len(event_id) <= 24 else f"…{event_id[-12:]}"

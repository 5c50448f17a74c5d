"""Prints what happens, as it happens: who did what, what the gateway answered, what TikTok took and by what it matches.

Fed by the `tap`s around the gateway and the fake TikTok (`hearing` understands them) and by the `script`; shows the
`verdict`. On a terminal in colour, elsewhere in plain lines.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from io import TextIOWrapper
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, field
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.demo.hearing import HEARD, STORED, WAITS, Telling, read_click, read_tellings
from gateway.demo.tap import Exchange
from gateway.demo.verdict import Expected, Key, read_key

_SHORT_NAMES = {"ttclid": "ttclid", "ttp": "ttp", "email": "email", "ip": "ip", "user_agent": "ua"}
_COLUMNS = ("shopper", "event", "event id", "told by", "expected", "gateway", "TikTok", "matched by")
_WIDTH = 160
"""Characters of a line where no terminal says how many fit."""

_SPARED, _WIDE = frozenset({"event id", "told by"}), 140
"""What a narrow terminal is spared, and from how many characters on a line is wide."""


class Heard(Struct):
    """One event on its way: whose it is, who told the gateway of it, the first answer, and what TikTok accepted."""

    who: str = ""
    told_by: list[str] = field(default_factory=list)
    fate: str = "never came"
    accepted: dict[str, Any] | None = None


class Report:
    """Everything that is shown. `names` are the scripted shoppers' by their address; anybody else is you."""

    def __init__(self, console: Console, names: Mapping[str, str]) -> None:
        self._console = console
        self._names = names
        self._heard: dict[Key, Heard] = {}
        self._clicks: dict[str, str] = {}
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
        """A request to the gateway is shown, if it is an ad click, a beacon or a webhook."""
        if exchange.path == "/go":
            self._show_landing(exchange)
        for telling in read_tellings(exchange):
            self._keep(telling)
            self._show_telling(telling, exchange)

    def _keep(self, telling: Telling) -> None:
        if telling.event_id:
            heard = self._heard.setdefault((telling.event, telling.event_id), Heard(fate=telling.fate))
            heard.told_by.append(telling.by)
            named = self._name(telling.ip) if telling.ip else self._clicks.get(telling.click_id, "")
            heard.who = heard.who or named

    def _show_landing(self, exchange: Exchange) -> None:
        self._clicks[read_click(exchange.query)] = self._name(exchange.client)
        kept = "cookies set" if "set-cookie" in exchange.headers else "nothing stored: consent is not known yet"
        path = urlsplit(exchange.headers.get("location", "")).path
        self._show_at_gateway(self._name(exchange.client), "ad click", f"{exchange.status} to {path}; {kept}")

    def _show_telling(self, telling: Telling, exchange: Exchange) -> None:
        who, what = ("shop", telling.by) if telling.is_webhook else (self._name(telling.ip), telling.event)
        is_kept = telling.fate in (STORED, WAITS, HEARD)
        told = Text(f"{exchange.status} {telling.fate}", "green" if is_kept else "yellow")
        self._show_at_gateway(who, what, Text.assemble(told, (f"   {telling.note}", "dim")))

    def _show_at_gateway(self, who: str, what: str, told: str | Text) -> None:
        self._print(who, "", f"  {self._arrow} gateway  {what:<17}", "cyan", told)

    # TikTok's side

    def on_tiktok(self, exchange: Exchange) -> None:
        """A request to TikTok is shown event by event, with its answer."""
        answer = json.loads(exchange.answer or b"{}")
        for event in json.loads(exchange.body).get("data", []):
            heard = self._heard.setdefault((event.get("event"), event.get("event_id")), Heard())
            heard.who = heard.who or self._name(event["user"].get("ip", ""))
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
        table = Table(box=SIMPLE_HEAD, title="Every event, and how far it came", title_justify="left")
        columns = [name for name in _COLUMNS if self._console.width >= _WIDE or name not in _SPARED]
        for name in columns:
            table.add_column(name, overflow="fold")
        owners = {one.key: one.who for one in expected}
        missed = {key: Heard(who) for key, who in owners.items() if key not in self._heard}
        for key, heard in (self._heard | missed).items():
            cells = self._to_cells(key, heard, key in owners)
            table.add_row(*(cells[name] for name in columns))
        self._console.print()
        self._console.print(table)
        for difference in differences:
            self.note(f"differs: {difference}", "red")
        self.note(sentence, "bold red" if differences else "bold green")

    def _to_cells(self, key: Key, heard: Heard, is_expected: bool) -> dict[str, str]:
        keys = [name for key, name in _SHORT_NAMES.items() if heard.accepted and read_key(heard.accepted, key)]
        return {
            "shopper": heard.who,
            "event": key[0],
            "event id": _shorten(key[1]),
            "told by": ", ".join(_to_times(by, times) for by, times in Counter(heard.told_by).items()),
            "expected": self._yes if is_expected else self._no,
            "gateway": heard.fate,
            "TikTok": "accepted" if heard.accepted else self._no,
            "matched by": " ".join(keys) or self._no,
        }

    def _name(self, ip: str) -> str:
        return self._names.get(ip, "you")

    def _print(self, who: str, who_style: str, what: str, style: str, then: str | Text = "") -> None:
        clock = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        line = Text.assemble((clock, "dim"), "  ", (f"{who:<5}", who_style), (what, style), "  ", then)
        line.rstrip()
        self._console.print(line, soft_wrap=True)


def build_console() -> Console:
    """Standard output: a terminal as wide as it is, or plain lines of a fixed width. Any encoding will do."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _shorten(event_id: str) -> str:
    """Enough of an id to tell it from the others: the step is said beside it, and a UUIDv7 begins with the time."""
    if event_id.startswith("checkout_"):
        return event_id[:17] + "…"
    return event_id if len(event_id) <= 24 else f"…{event_id[-12:]}"


def _to_times(by: str, times: int) -> str:
    return by if times == 1 else f"{by} twice" if times == 2 else f"{by} {times} times"

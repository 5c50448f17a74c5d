"""How far a long work is can be followed on a terminal, and read in a log."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from gateway.ops import progress
from gateway.ops.progress import LINE_EVERY, following


def use_console(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> StringIO:
    written = StringIO()
    console = Console(file=written, force_terminal=is_terminal, width=100)
    monkeypatch.setattr(progress, "build_console", lambda stderr: console)
    return written


def test_a_terminal_has_a_bar_for_each_work(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=True)
    with following() as tell:
        tell("rows", 1500, 2000)
        tell("pages", 7, None)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written.getvalue())
    assert re.search(r"rows +━+\S* +1,500 of 2,000", shown)
    assert re.search(r"pages +━+ +7 ", shown)


def test_elsewhere_a_line_at_every_tenth_tells(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=False)
    with following() as tell:
        for done in range(2001):
            tell("events", done, 2000)
    lines = written.getvalue().splitlines()
    assert lines[0] == "events: 200 of 2,000"
    assert len(lines) == 10


def test_where_nobody_knows_how_many_there_are_a_line_tells_now_and_then(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=False)
    with following() as tell:
        for done in (0, LINE_EVERY - 1, LINE_EVERY + 1, LINE_EVERY + 2):
            tell("orders", done, None)
    assert written.getvalue() == "orders: 251\n"


def test_nothing_to_do_is_done_at_once(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=False)
    with following() as tell:
        tell("events", 0, 0)
    assert written.getvalue() == ""

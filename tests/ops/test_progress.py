"""How far a long work is can be followed on a terminal, and read in a log."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from gateway.ops import progress


def use_console(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> StringIO:
    written = StringIO()
    console = Console(file=written, force_terminal=is_terminal, width=100)
    monkeypatch.setattr(progress, "build_console", lambda stderr: console)
    return written


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=True)
    with progress.showing(2000, "rows") as advance:
        advance("events", 500)
        advance("links", 1000)
    assert "75%" in written.getvalue()
    assert "1,500 of 2,000 rows" in written.getvalue()


def test_elsewhere_a_line_at_every_tenth_tells(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=False)
    with progress.showing(2000, "rows") as advance:
        for _ in range(2000):
            advance("events", 1)
    lines = written.getvalue().splitlines()
    assert lines[0] == "events: 200 of 2,000 rows"
    assert len(lines) == 10


def test_nothing_to_do_is_done_at_once(monkeypatch: pytest.MonkeyPatch):
    written = use_console(monkeypatch, is_terminal=False)
    with progress.showing(0, "rows") as advance:
        advance("events", 0)
    assert written.getvalue() == ""

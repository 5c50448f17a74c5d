"""How far a long work on rows or pages has come: a bar on a terminal, else a line at every tenth of it; on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gateway.ops.screen import build_console, print_line

Advance = Callable[[str, int], None]
"""Is told what is being worked on, and how much more is done."""


@contextlib.contextmanager
def showing(total: int, noun: str) -> Iterator[Advance]:
    """While the block runs, what is told is shown, of this total."""
    console = build_console(stderr=True)
    if not console.is_terminal:
        yield _Lines(total, noun).advance
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(),
        TextColumn(f"{{task.completed:,}} of {{task.total:,}} {noun}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total)
        yield lambda what, more: bar.update(task, description=what, advance=more)


class _Lines:
    def __init__(self, total: int, noun: str) -> None:
        self._console = build_console(stderr=True)
        self._total = total
        self._noun = noun
        self._done = 0

    def advance(self, what: str, more: int) -> None:
        before, self._done = self._done, self._done + more
        if self._total and self._done * 10 // self._total > before * 10 // self._total:
            print_line(self._console, f"{what}: {self._done:,} of {self._total:,} {self._noun}")

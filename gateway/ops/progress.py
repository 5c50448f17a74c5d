"""How far a long work has come: a bar on a terminal, else a line at every tenth of it; on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from gateway.ops.console import build_console, print_line

LINE_EVERY = 250
"""A line after so many, where nobody knows how many there are."""

Tell = Callable[[str, int, int | None], None]
"""Is told what is being done, how much of it is, and of how much, if anybody knows."""


@contextlib.contextmanager
def following() -> Iterator[Tell]:
    """While the block runs, every work that is told of is shown."""
    console = build_console(stderr=True)
    if not console.is_terminal:
        yield _Lines(console).tell
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, redirect_stdout=sys.stdout.isatty()) as progress:
        yield _Bars(progress).tell
        for task in progress.tasks:
            progress.update(task.id, total=task.completed)


class _Bars:
    """A bar for each work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def tell(self, what: str, done: int, total: int | None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, count="")
        self._progress.update(self._tasks[what], completed=done, total=total, count=_count(done, total))


class _Lines:
    """A line at every tenth of each work, or after `LINE_EVERY`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._marks: Counter[str] = Counter()

    def tell(self, what: str, done: int, total: int | None) -> None:
        mark = done * 10 // total if total else done // LINE_EVERY
        if mark > self._marks[what]:
            print_line(self._console, f"{what}: {_count(done, total)}")
        self._marks[what] = mark


def _count(done: int, total: int | None) -> str:
    return f"{done:,}" if total is None else f"{done:,} of {total:,}"

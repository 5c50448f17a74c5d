"""Where commands write, and how: what a text holds is never taken for markup, and no line is broken.

Used by `gateway.ops.screen`, `.progress` and `.ledger`.
"""

from __future__ import annotations

from rich.console import Console


def build_console(*, stderr: bool = False) -> Console:
    """Nothing in a text is taken for markup: a reason is TikTok's, a name the shop's."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """The text, never broken into lines."""
    console.out(text, style=style, highlight=False)

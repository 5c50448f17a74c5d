"""What commands show: a progress bar and a table on a terminal, plain lines wherever else their output goes.

Called by `gateway.cli` with the reports of `gateway.ops.desk` and the steps of `gateway.ops.install`. Results go to
stdout, progress and trouble to stderr.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.table import Table

from gateway.ops.console import build_console, print_line
from gateway.ops.errands import Checked, Gone, Report, State, Trouble, Underway
from gateway.ops.progress import Tell, following
from gateway.ops.tally import Tally
from gateway.store.erase import Erased

if TYPE_CHECKING:
    from gateway.ops.install import Step

LONGEST_LIST = 200


class Screen:
    """Shows reports as they come, and keeps their tally."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._out = build_console()
        self._err = build_console(stderr=True)
        self._tell: Tell = lambda what, done, total: None

    @contextmanager
    def progress(self) -> Iterator[None]:
        """While the block runs, it is shown how far the errand is."""
        with following() as self._tell:
            yield

    def show(self, report: Report) -> None:
        """One more report."""
        self.tally.add(report)
        match report:
            case Checked(store_id=store_id):
                count = self.tally.count(store_id)
                self._tell(f"{store_id}: orders compared", count, None)  # how many there are, Shopify does not say
            case Underway(store_id=store_id, what=what, done=done, total=total):
                self._tell(f"{store_id}: {what}", done, total)
            case Gone(store_id=store_id, erased=erased):
                print_line(self._out, f"{store_id}: {tell_erased(erased)}")
            case Trouble(store_id=store_id, sentence=sentence):
                print_line(self._err, f"{store_id}: {sentence}")

    def finish(self, *, is_serving: bool) -> None:
        """What all of it amounts to: how many orders stand where, and the names of those that are missing or were.

        After an erasure: where the gateway does not reach.
        """
        if self.tally.store_ids:
            self._out.print(self._build_table())
            self._list_orders(is_serving)
        if self.tally.erased_events:
            print_line(self._out, "Exports made before still have these events: tag-gateway events prune FILE...")

    def _build_table(self) -> Table:
        table = Table("store", "orders", "state", "why", box=None, pad_edge=False, header_style="bold")
        table.columns[1].justify = "right"
        for store_id in self.tally.store_ids:
            for state, reason, count in self.tally.list_counts(store_id):
                table.add_row(store_id, str(count), state, reason)
            table.add_row(store_id, str(self.tally.count(store_id)), "in all", "", end_section=True)
        return table

    def _list_orders(self, is_serving: bool) -> None:
        mends = {
            State.QUEUED: "the gateway is sending them" if is_serving else "they are sent once the gateway runs",
            State.MISSING: "--send sends them",
        }
        for store_id in self.tally.store_ids:
            for state, mend in mends.items():
                if orders := self.tally.list_orders(store_id, state):
                    print_line(self._out, f"{store_id}, {state}: {_list(orders)}; {mend}")


def tell_erased(erased: Erased) -> str:
    """What was erased, in words."""
    counts = {name: getattr(erased, name) for name in erased.__struct_fields__}
    said = ", ".join(
        f"{count} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items() if count
    )
    return f"erased {said}" if said else "nothing is known of this person"


def show_steps(store_id: str, steps: Sequence[Step]) -> None:
    """A store's steps, one under the other; what is to be pasted stands alone on its lines, to the letter."""
    console = build_console()
    print_line(console, f"== {store_id} ==\n", style="bold")
    for number, step in enumerate(steps, 1):
        print_line(console, f"{number}. {step.title}", style="bold")
        print_line(console, f"   {step.where}", style="dim")
        console.file.write(f"\n{step.text}\n\n")  # rich would turn tabs into spaces
        for warning in step.warnings:
            print_line(console, f"   ! {warning}", style="yellow")
        print_line(console, "")


def _list(orders: Sequence[str]) -> str:
    more = len(orders) - LONGEST_LIST
    return ", ".join(orders[:LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")

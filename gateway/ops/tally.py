"""Adds reports up: how many orders of each store stand where and why, which are missing, how the command ends.

Filled by `gateway.ops.screen`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gateway.ops.errands import Checked, Gone, Report, Standing, State, Trouble


class Tally:
    """What the reports so far amount to. An order that came twice, as it changed meanwhile, stands as it came last."""

    def __init__(self) -> None:
        self._standings: dict[str, dict[int, Standing]] = {}
        self._exit_codes: list[int] = []
        self.erased_events = 0

    def add(self, report: Report) -> None:
        """One more report."""
        match report:
            case Checked(store_id=store_id, standings=standings):
                self._standings.setdefault(store_id, {}).update((one.order_id, one) for one in standings)
            case Gone(erased=erased):
                self.erased_events += erased.events
            case Trouble(exit_code=exit_code):
                self._exit_codes.append(exit_code)

    @property
    def store_ids(self) -> list[str]:
        """The stores that were compared, in order."""
        return list(self._standings)

    def count(self, store_id: str) -> int:
        """How many orders of this store were compared."""
        return len(self._standings[store_id])

    def list_counts(self, store_id: str) -> Iterator[tuple[State, str, int]]:
        """How many orders of this store stand where and why, in the order of the states."""
        counts = Counter((one.state, one.reason or "") for one in self._standings[store_id].values())
        for state in State:
            for reason in sorted(reason for at, reason in counts if at is state):
                yield state, reason, counts[state, reason]

    def list_orders(self, store_id: str, state: State) -> list[str]:
        """The names of this store's orders that stand there."""
        return [one.name for one in self._standings[store_id].values() if one.state is state]

    @property
    def exit_code(self) -> int:
        """2 or 1 after trouble, 1 while orders are missing, else 0 (contract 1)."""
        is_missing = any(self.list_orders(store_id, State.MISSING) for store_id in self._standings)
        return max([*self._exit_codes, int(is_missing)])

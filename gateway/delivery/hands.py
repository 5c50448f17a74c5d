"""How many claimed events one process holds at once, of all its pixels: memory stays bounded however many are sick.

Asked by each `gateway.delivery.lane` before it claims. A few every request may have, so that no pixel waits for
another; what a full batch needs beyond them is shared by all.
"""

from __future__ import annotations

FEW = 50
"""Events that any request may hold: at 80 ms an answer, a pixel's three send 1,900 a second."""

SHARED = 8_000
"""Events beyond these in all requests together: enough for five pixels to fill every batch."""


class Hands:
    """What of the shared events is free."""

    def __init__(self) -> None:
        self._free = SHARED

    def reach(self, wanted: int) -> int:
        """So many of these may be held now, a few at least; they are taken until they are let go."""
        taken = min(wanted, FEW + self._free)
        self._free -= max(0, taken - FEW)
        return taken

    def let_go(self, taken: int, kept: int = 0) -> None:
        """Of so many taken only these are still held, if any."""
        self._free += max(0, taken - FEW) - max(0, kept - FEW)

"""Names what a report has many of: its hours, days or weeks. Used by the pages that draw figures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gateway.store.reports import Scope


def name_steps(scope: Scope, begins: Iterable[datetime]) -> list[str]:
    """Each step's name: 14:00 of an hour, 3 Nov of a day or of the Monday that a week begins with."""
    return [f"{at:%H:%M}" if scope.by_hour else f"{at.day}\u00a0{at:%b}" for at in begins]


def name_axis(scope: Scope) -> str:
    """What these names are of."""
    return "Hour" if scope.by_hour else "Week from" if scope.by_week else "Day"


def name_span(days: int) -> str:
    """24 hours, 7 days."""
    return "24 hours" if days == 1 else f"{days} days"

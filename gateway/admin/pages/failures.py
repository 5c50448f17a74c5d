"""What TikTok did not accept, grouped by its code, each with its meaning and its mend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.admin.page import Page, View
from gateway.model.outcome import Fate
from gateway.model.words import FATES, VERDICTS
from gateway.store.reports.failures import Failure, report_failures
from gateway.tiktok.answers import Verdict
from gateway.tiktok.meanings import Meaning, explain_code

_LASTING = (Verdict.REJECT, Verdict.PAUSE, Fate.REJECTED, Fate.EXPIRED)
"""What does not pass by itself."""


class Line(Struct, frozen=True):
    """One kind of failure. `is_lasting`: somebody has to mend it."""

    failure: Failure
    answer: str
    came_to: str
    meaning: Meaning
    is_lasting: bool


async def show(view: View) -> Mapping[str, Any]:
    """The failures of the chosen time, those first that somebody has to mend."""
    report = await view.store.read(lambda connection: report_failures(connection, view.scope()))
    lines = sorted(map(explain, report.lines), key=lambda line: not line.is_lasting)
    return {"lines": lines, "sendings": report.events}


def explain(failure: Failure) -> Line:
    """The failure in plain words."""
    return Line(
        failure,
        _name_answer(failure),
        VERDICTS.get(failure.verdict) or failure.verdict.replace("_", " "),
        explain_code(failure.code) if failure.is_tried else Meaning(FATES[Fate(failure.verdict)].rstrip(".")),
        failure.verdict in _LASTING,
    )


def _name_answer(failure: Failure) -> str:
    if failure.code is not None:
        return str(failure.code)
    if failure.http_status is not None:
        return f"HTTP {failure.http_status}"
    return "no answer" if failure.is_tried else "not sent"


PAGE = Page("failures", "Failures", show)

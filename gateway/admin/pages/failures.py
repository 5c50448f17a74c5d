"""What TikTok did not accept, grouped by its code, each with its meaning, its mend and, once mended, its replay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.admin.page import Page, View
from gateway.errors import Malformed
from gateway.model.outcome import Fate
from gateway.model.words import FATES, VERDICTS
from gateway.store.reports.failures import Failure, report_failures
from gateway.store.walk import Wanted
from gateway.tiktok.answers import Verdict
from gateway.tiktok.meanings import Meaning, explain_code

_LASTING = (Verdict.REJECT, Verdict.PAUSE, Fate.REJECTED, Fate.EXPIRED)
"""What does not pass by itself."""

_FATES: Mapping[str, Fate] = {Verdict.REJECT: Fate.REJECTED, Fate.REJECTED: Fate.REJECTED, Fate.EXPIRED: Fate.EXPIRED}
"""How the events end that end with such a failure: these can be replayed."""

_CODE = re.compile(r"[0-9]{0,9}")
"""TikTok's code in a form; none for what ended without one."""


class Line(Struct, frozen=True):
    """One kind of failure. `is_lasting`: somebody has to mend it; `fate`: what its events ended with, if for good."""

    failure: Failure
    answer: str
    came_to: str
    meaning: Meaning
    is_lasting: bool
    fate: Fate | None


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
        _FATES.get(failure.verdict),
    )


def _name_answer(failure: Failure) -> str:
    if failure.code is not None:
        return str(failure.code)
    if failure.http_status is not None:
        return f"HTTP {failure.http_status}"
    return "no answer" if failure.is_tried else "not sent"


async def replay(view: View, form: Mapping[str, str]) -> str:
    """The events of one kind are sent once more, where that counts nothing twice; what came of it."""
    fate, code = form.get("fate", ""), form.get("code", "")
    if fate not in _FATES.values() or not _CODE.fullmatch(code):
        raise Malformed("nothing of this kind can be replayed")
    wanted = Wanted(fates=(Fate(fate),), since_ms=view.scope().since_ms, code=int(code) if code else None)
    return await view.backend.buttons.replay(view.shop, wanted)


PAGE = Page("failures", "Failures", show, replay)

"""The doctor's findings, one line each, or as JSON; progress on a terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from rich.console import Console
from rich.text import Text

from gateway.ops.doctor.findings import Finding, Status

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
WORKING = "looking, from DNS to TikTok …"


async def show_findings(findings: AsyncIterator[Finding]) -> int:
    """Each finding on a line of its own as it comes, then what is to be done; the command's exit code."""
    out, seen = Console(highlight=False, markup=False, emoji=False), list[Finding]()
    with out.status(WORKING):  # shows nothing where there is no terminal
        async for finding in findings:
            seen.append(finding)
            out.print(_to_text(finding), soft_wrap=True)
    out.print(f"\n{_sum_up(seen)}", soft_wrap=True)
    return to_exit_code(seen)


async def print_json(findings: AsyncIterator[Finding]) -> int:
    """One JSON object with all findings, for scripts; the command's exit code."""
    seen = [finding async for finding in findings]
    code = to_exit_code(seen)
    print(msgspec.json.format(msgspec.json.encode({"ok": code == 0, "findings": seen}), indent=2).decode())
    return code


def to_exit_code(findings: list[Finding]) -> int:
    """1 when something fails, else 0 (contract 1)."""
    return int(any(finding.status is Status.FAIL for finding in findings))


def to_line(finding: Finding) -> str:
    """The finding without its status: whose it is, what, and how to mend it."""
    whose = f"{finding.store_id}: " if finding.store_id else ""
    mend = f" -> {finding.mend}" if finding.mend else ""
    return f"{whose}{finding.check}: {finding.sentence}{mend}"


def _to_text(finding: Finding) -> Text:
    return Text.assemble((f"{finding.status:<5}", _STYLES[finding.status]), to_line(finding))


def _sum_up(findings: list[Finding]) -> str:
    counts = {status: sum(finding.status is status for finding in findings) for status in Status}
    if counts[Status.FAIL]:
        return f"{counts[Status.FAIL]} to mend. Next: mend the first, then run the doctor again"
    more = f", {counts[Status.WARN]} to know of" if counts[Status.WARN] else ""
    return f"All that must work works{more}. Next: tag-gateway test-event --code, then buy something yourself"

"""What a check found: one sentence, how bad it is, and the mend.

Made by the checks beside this module, shown by `gateway.cli` and countable by scripts (`--json`). No sentence holds a
secret or anything of a person.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Status(StrEnum):
    """How bad it is; only `fail` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """`check` is the name of what was looked at. `mend` is empty when all is well. Without `store_id`, all stores'."""

    check: str
    status: Status
    sentence: str
    mend: str = ""
    store_id: str | None = None


_UNITS = ((86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


def tell_duration(seconds: float) -> str:
    """The time in the largest unit of which there are at least two."""
    for size, unit in _UNITS:
        if round(seconds / size) >= 2:
            return f"{seconds / size:.0f} {unit}"
    return "a second" if seconds >= 0.5 else "no time"


def ok(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, sentence)


def warn(check: str, sentence: str, mend: str) -> Finding:
    """It works, and could be better or soon be worse."""
    return Finding(check, Status.WARN, sentence, mend)


def fail(check: str, sentence: str, mend: str) -> Finding:
    """Something is lost until this is mended."""
    return Finding(check, Status.FAIL, sentence, mend)

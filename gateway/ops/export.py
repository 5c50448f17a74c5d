"""Writes events out as CSV or JSON Lines: a page at a time, so that memory stays the same however many there are.

Called by `gateway.cli.events`; the pages come from `gateway.ops.ledger`. Nothing personal is in an export, as there is
none in a Dossier; the file is the merchant's own, and `gateway.ops.prune` takes out of it who was erased since.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from gateway.errors import CommandError
from gateway.model.dossier import EventDossier
from gateway.ops.ledger import to_json, walk
from gateway.ops.progress import following
from gateway.store.reading import Reader
from gateway.store.walk import Wanted, count_events

COLUMNS = (
    "store_id", "received_at", "occurred_at", "event", "event_id", "pixel_code", "source", "pixel", "fate", "reason",
    "settled_at", "value", "currency", "browser", "ip_family", "match_keys", "consent_source", "found_by", "visitor_id",
    "duplicates", "attempts", "code", "message", "request_id", "id",
)  # fmt: skip

_FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - the wide ones are meant
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    JSONL = "jsonl"


def export(reader: Reader, store_ids: Sequence[str], wanted: Wanted, format_: Format, file: IO[str]) -> int:
    """All that is wanted of these stores is in the file, newest first; how many events."""
    add = _begin(format_, file)
    count = seen = 0
    total = sum(reader.read(partial(count_events, store_id=store_id)) for store_id in store_ids)
    with following() as tell:
        for store_id in store_ids:
            for page in walk(reader, store_id, wanted):
                add(page.events)
                count += len(page.events)
                seen += page.seen
                tell("events read", seen, total)
    return count


def _begin(format_: Format, file: IO[str]) -> Callable[[Iterable[EventDossier]], None]:
    """What adds events to the file, which has its first line."""
    if format_ is Format.JSONL:
        return lambda events: file.writelines(to_json(event) + "\n" for event in events)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    return lambda events: writer.writerows(to_row(event) for event in events)


def to_row(event: EventDossier) -> list[str]:
    """The event as cells, in the order of the columns; of its attempts how many there were, and the last answer."""
    last = event.attempts[-1] if event.attempts else None
    row = {name: getattr(event, name, None) for name in COLUMNS} | {
        "received_at": _to_time(event.received_ms),
        "occurred_at": _to_time(event.occurred_ms),
        "settled_at": _to_time(event.settled_ms),
        "match_keys": " ".join(event.match_keys),
        "attempts": len(event.attempts),
        "code": last and last.code,
        "message": last and last.message,
        "request_id": last and last.request_id,
    }
    return [_to_cell(row[name]) for name in COLUMNS]


def _to_time(at_ms: int | None) -> str | None:
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _to_cell(value: object) -> str:
    """The value as text that no spreadsheet takes for a formula: pages and pixels may name an event as they like.

    Source: OWASP, CSV Injection (read 2026-11): a quote in front of what could begin a formula.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


@contextlib.contextmanager
def replacing(path: Path, like: os.stat_result | None = None) -> Iterator[TextIOWrapper]:
    """A file that takes this name, in place of what had it, only once all of it is on disk; stopped before, none does.

    Its owner alone may read it, or who might read the file that it is `like`. Raises: CommandError when its folder
    takes no file, or the disk is full.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_telling(path))
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        part = Path(name)
        stack.callback(part.unlink, missing_ok=True)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            if like:
                os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
            yield file
            file.flush()
            os.fsync(descriptor)
        part.replace(path)


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None

"""Failures: what TikTok did not accept, grouped by its code. Their meanings and mends are `gateway.tiktok`'s."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from gateway.store.reports.scope import Scope
from gateway.store.tables import failure_hours

LINE_LIMIT = 200


class Failure(Struct, frozen=True):
    """One kind of failure at one pixel.

    `events` counts every sending of an event that ended so: an event tried three times counts three times. `verdict` is
    `gateway.tiktok.answers.Verdict`'s, or the fate (`rejected`, `expired`) of what the gateway kept back itself.
    `code` is TikTok's; None with a `http_status` for an answer without one, with neither for no answer at all.
    Units: `last_ms` Unix milliseconds. `message` and `request_id` are of the newest example; redacted.
    """

    store_id: str
    pixel_code: str
    verdict: str
    is_tried: bool
    code: int | None
    http_status: int | None
    events: int
    last_ms: int
    message: str | None
    request_id: str | None


class FailureReport(Struct, frozen=True):
    """The failures, the one seen last first; `events` adds them up."""

    lines: tuple[Failure, ...]
    events: int


def report_failures(connection: Connection, scope: Scope) -> FailureReport:
    """What was not accepted in this scope, by when it was tried; of each kind the newest example."""
    hours = failure_hours.c
    kind = (hours.store_id, hours.pixel_code, hours.verdict, hours.code)
    ranked = (
        select(
            *kind,
            hours.message,
            hours.request_id,
            func.sum(hours.events).over(partition_by=kind).label("events"),
            hours.last_ms,
            func.row_number().over(partition_by=kind, order_by=hours.last_ms.desc()).label("rank"),
        )
        .where(*scope.covers(failure_hours))
        .subquery()
    )
    query = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.last_ms.desc()).limit(LINE_LIMIT)
    lines = tuple(_to_failure(row) for row in connection.execute(query))
    return FailureReport(lines, sum(line.events for line in lines))


def _to_failure(row: Row[Any]) -> Failure:
    code, status = row.code, row.code.removeprefix("http_")
    return Failure(
        store_id=row.store_id,
        pixel_code=row.pixel_code,
        verdict=row.verdict,
        is_tried=code != "not_tried",
        code=int(code) if code.isdigit() else None,
        http_status=int(status) if code != status else None,
        events=int(row.events),
        last_ms=row.last_ms,
        message=row.message,
        request_id=row.request_id,
    )

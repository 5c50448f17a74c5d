"""How the gateway logs: one JSON object a line, or readable text where a person watches a terminal.

Everything logs through the standard library, uvicorn and other libraries too; structlog gives each record its form. No
line holds personal data: what we write ourselves names none, and of an exception its words are left out, for they may
quote the value that a library did not like.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import sys
import traceback
from contextvars import ContextVar
from types import TracebackType
from typing import TextIO

from structlog.dev import ConsoleRenderer
from structlog.processors import JSONRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, WrappedLogger

QUIET = ("httpx", "httpcore", "alembic")
"""Libraries whose every step is of no interest."""

LONGEST_CHAIN = 5
MOST_PLACES = 30
"""How much of an exception is told: one line of a log must stay a line."""

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_process_id = secrets.token_hex(4)
_numbers = itertools.count(1)
_request: ContextVar[int] = ContextVar("request", default=0)


def set_up_logs(stream: TextIO = sys.stderr) -> None:
    """Whatever is logged from now on goes to this stream, and nowhere else."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(build_formatter(is_watched=stream.isatty()))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def build_formatter(*, is_watched: bool) -> logging.Formatter:
    """Readable text when a person watches, else JSON."""
    renderer = ConsoleRenderer() if is_watched else JSONRenderer(ensure_ascii=False)
    stamp = TimeStamper(fmt="iso", utc=True)
    return ProcessorFormatter(
        foreign_pre_chain=[stamp, add_log_level, add_logger_name, _add_request, _add_exception],
        processors=[ProcessorFormatter.remove_processors_meta, renderer],
    )


def begin_request() -> None:
    """What this task logs from now on belongs to a new request; its id is made up only when there is such a line."""
    _request.set(next(_numbers))


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if number := _request.get():
        event["request_id"] = f"{_process_id}-{number:x}"
    return event


def _add_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Where it came from and of what kind; asyncio quotes the exception again below its first line."""
    exc_info: _ExcInfo | None = event.pop("exc_info", None)
    if exc_info and exc_info[1] is not None:
        event["event"] = event["event"].partition("\n")[0]
        event["exception"] = describe(exc_info[1])
    return event


def describe(error: BaseException, depth: int = LONGEST_CHAIN) -> str:
    """The kind of exception, what led to it, and the places they passed: all that Python would print but the words."""
    places = traceback.extract_tb(error.__traceback__, limit=-MOST_PLACES)
    lines = [f"{type(error).__module__}.{type(error).__qualname__}"]
    lines += [f"  {one.filename}:{one.lineno} in {one.name}" for one in places]
    if depth:
        lines += ["holds " + describe(one, depth - 1) for one in getattr(error, "exceptions", ())]
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        lines += ["after " + describe(cause, depth - 1)] if cause else []
    return "\n".join(lines)

"""What TikTok answered, and what that asks of us: the one table between TikTok's codes and delivery.

Called by `gateway.tiktok.client`; the Answer goes on to `gateway.delivery`, which acts on `verdict` alone, and its
message and request id into the audit trail. Nothing here raises: an answer nobody understands is an answer too.

Source: Events API 2.0 return codes and what was measured of them (spec 3.2 and 3.3, read 2026-09).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

MAX_MESSAGE_CHARS = 300
MAX_RETRY_AFTER_S = 86_400.0
"""The longest wait TikTok itself speaks of is its daily quota; a longer one in a header is somebody's mistake."""


class Verdict(StrEnum):
    """What delivery does with the batch."""

    ACCEPTED = "accepted"  # all of it is TikTok's now
    SNOOZE = "snooze"  # throttled: later, at the cost of no attempt
    RETRY = "retry"  # later, at the cost of an attempt
    REJECT = "reject"  # something in it is wrong: halve it until the culprit stands alone
    PAUSE = "pause"  # the credentials are wrong: nothing more for this pixel until they are mended


class Answer(Struct, frozen=True, gc=False):
    """One request's fate.

    Shape: `http_status` is 0 when no response came; `code` is None when the body had none. `message` is bounded, and
    free of tokens, digests and personal data, which TikTok is known to echo.
    `is_known`: the answer says for certain whether TikTok took the batch. When False it may have, and sending the same
    batch again more than 48 hours later could count it twice.
    `told_ms`: what time it was for TikTok when it answered, to the second. Units: Unix milliseconds.
    """

    verdict: Verdict
    http_status: int
    code: int | None
    message: str
    request_id: str
    retry_after_s: float | None
    is_known: bool
    told_ms: int | None = None


_BY_CODE = {
    0: Verdict.ACCEPTED,
    20001: Verdict.ACCEPTED,  # "partial success": nothing says which part, so nothing can be sent again
    40001: Verdict.PAUSE,  # no permission, or this is not a pixel of the token's account
    40002: Verdict.REJECT,  # an invalid parameter; one event's fault rejects all
    40016: Verdict.SNOOZE,
    40100: Verdict.SNOOZE,
    40101: Verdict.PAUSE,  # app id or secret
    40102: Verdict.PAUSE,  # token expired
    40103: Verdict.PAUSE,  # refresh token expired
    40104: Verdict.PAUSE,  # token missing
    40105: Verdict.PAUSE,  # token wrong or revoked
    40107: Verdict.PAUSE,  # auth code
    40110: Verdict.PAUSE,  # auth code
    40133: Verdict.SNOOZE,
    50000: Verdict.RETRY,
    50002: Verdict.RETRY,
    51001: Verdict.RETRY,
    51010: Verdict.RETRY,
    51021: Verdict.SNOOZE,  # comes with "too many requests"
    51039: Verdict.RETRY,
}

_SYSTEM_TROUBLE = 50_000
"""From this code on it is trouble inside TikTok, a service's timeout among them: the batch may have been taken."""

_BY_STATUS = {
    401: Verdict.PAUSE,
    413: Verdict.REJECT,  # too large as a whole: its halves may pass
    429: Verdict.SNOOZE,
}
"""Only for a body without a code we know. These are given before a body is looked at, so nothing was taken."""


_PRIVATE = re.compile(
    r"[^\s@\"'<>]{1,64}(?:@|%40)[^\s@\"'<>]+"  # an email address
    r"|[A-Za-z0-9_+/=-]{24,}"  # longer than any name of TikTok's: a digest, a token, a click id
    r"|(?=[A-Za-z_+/=-]{0,24}\d)[A-Za-z0-9_+/=-]{12,}"  # shorter, with digits in it: a pixel code, an event id
    r"|\+?\d[\d ().-]{5,}\d"  # a phone number
    r"|\d{1,3}(?:\.\d{1,3}){3}"  # an IPv4 address
    r"|(?:[0-9A-Fa-f]{0,4}:){3,7}[0-9A-Fa-f]{0,4}"  # an IPv6 address
)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """What this response means. The body's `code` decides, whatever the status says; the status only without one.

    A code that the table lacks is judged by the status, and is mostly a RETRY: trying again costs time, where rejecting
    would lose events and pausing would stop all of them for what may be one batch's trouble.
    Shape: `headers` is case-insensitive, as httpx's are.
    """
    envelope = _parse_envelope(body)
    if envelope is None:
        return _classify_status(status, headers)
    code: int = envelope["code"]
    return Answer(
        verdict=_BY_CODE.get(code) or _BY_STATUS.get(status, Verdict.RETRY),
        http_status=status,
        code=code,
        message=redact(envelope.get("message")),
        request_id=_to_request_id(envelope.get("request_id")),
        retry_after_s=_parse_retry_after(headers),
        is_known=code < _SYSTEM_TROUBLE,
        told_ms=_parse_date(headers),
    )


def no_response(message: str, *, is_known: bool) -> Answer:
    """The answer that stands for none: try again. Known when nothing of the request can have reached TikTok."""
    return Answer(Verdict.RETRY, 0, None, message, "", None, is_known)


def redact(message: object) -> str:
    """The text on one line of at most 300 characters, and whatever could be a secret or a person's taken out."""
    text = message if isinstance(message, str) else ""
    text = "".join(c if c.isprintable() else " " for c in text[: 8 * MAX_MESSAGE_CHARS])
    text = _PRIVATE.sub("[redacted]", " ".join(text.split()))
    return text if len(text) <= MAX_MESSAGE_CHARS else text[: MAX_MESSAGE_CHARS - 1] + "…"


def _classify_status(status: int, headers: Mapping[str, str]) -> Answer:
    """The answer of something in front of the API: a proxy's page, a truncated body. A 200 of these is no success."""
    return Answer(
        verdict=_BY_STATUS.get(status, Verdict.RETRY),
        http_status=status,
        code=None,
        message=f"HTTP {status} without an answer of the Events API",
        request_id="",
        retry_after_s=_parse_retry_after(headers),
        is_known=status in _BY_STATUS,
    )


def _parse_envelope(body: bytes) -> dict[str, Any] | None:
    """TikTok's envelope, or None when the body is not JSON or says no code."""
    try:
        envelope = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, no end of brackets
        return None
    return envelope if isinstance(envelope, dict) and type(envelope.get("code")) is int else None


def _to_request_id(value: object) -> str:
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,64}", value, re.ASCII) else ""


def _parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, when the server said so in seconds; a date would need a clock that agrees with ours."""
    text = headers.get("retry-after", "").strip()
    return min(float(text), MAX_RETRY_AFTER_S) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _parse_date(headers: Mapping[str, str]) -> int | None:
    try:
        return int(parsedate_to_datetime(headers["date"]).timestamp() * 1000)
    except (KeyError, ValueError, OverflowError):
        return None

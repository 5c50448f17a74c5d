"""What is worth waking somebody for, and in which words. Pure: `gateway.delivery.alerts` looks, this judges."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from enum import StrEnum

from gateway.model.outcome import Fate
from gateway.store.alerts import OVER_AFTER_MS, News

HOUR_MS = 3_600_000

LOST_SHARE = 0.01
FEWEST_REJECTED = 5
"""Fewer in an hour may be one odd product; nobody need get up for it."""

FEWEST_ACCEPTED = 5
"""A night without events mends nothing: so many must have gone through."""

USUAL_DAYS = 5
"""On so many of seven days there must have been webhooks, or a day without one means nothing."""

MOST_AHEAD_MS = 300_000
"""As the doctor judges it; an answer may take ten seconds."""

LEAST_FREE_SHARE = 0.05
LEAST_FREE_BYTES = 1_000_000_000


class Cause(StrEnum):
    """Why somebody is told."""

    CREDENTIALS = "credentials"  # TikTok refuses a pixel's access token
    BACKLOG = "backlog"  # an event has waited for more than an hour
    REJECTS = "rejects"  # more than 1 % of the last hour's events were rejected
    WEBHOOKS = "webhooks"  # none for a day, where there usually are
    CLOCK = "clock"  # this machine's is minutes off TikTok's
    DISK = "disk"  # nearly full where the database is
    WRITES = "writes"  # the database takes none, so this cause alone is never noted there


_BEGUN = {
    Cause.CREDENTIALS: "TikTok refuses the access token of pixel {}. Its events wait until it has a valid one.",
    Cause.BACKLOG: "the oldest event has waited for more than an hour to reach TikTok.",
    Cause.REJECTS: "more than 1 % of the last hour's events were rejected. The events' reasons say why.",
    Cause.WEBHOOKS: "no webhook from Shopify for a day, where there usually are. Are they still registered?",
    Cause.CLOCK: "this machine's clock is minutes off TikTok's, and so are the times of events. Does NTP run?",
    Cause.DISK: "the disk of the database is nearly full. When it is, nothing more can be taken in.",
    Cause.WRITES: "the database takes no writes, so nothing is taken in. The log says why.",
}
_OVER = {
    Cause.CREDENTIALS: "TikTok takes the access token of pixel {} again.",
    Cause.BACKLOG: "no event waits for more than an hour any more.",
    Cause.REJECTS: "no more than 1 % of the events are rejected again.",
    Cause.WEBHOOKS: "webhooks from Shopify arrive again.",
    Cause.CLOCK: "this machine's clock is right again.",
    Cause.DISK: "the disk of the database has room again.",
    Cause.WRITES: "the database takes writes again.",
}


def tell_cause(told: str, *, is_over: bool = False) -> str:
    """What is wrong, or is no longer, in a sentence. Shape: `told` is a cause, with its pixel's code if it has one."""
    cause, _, pixel_code = told.partition(" ")
    return (_OVER if is_over else _BEGUN)[Cause(cause)].format(pixel_code)


def to_sentence(news: News) -> str:
    """What a person is told; made of the store's id and the pixel's code alone."""
    store_id, told = news.trouble
    sentence = tell_cause(told, is_over=news.is_over)
    return f"tag-gateway{f', store {store_id}' if store_id else ''}: {'resolved: ' if news.is_over else ''}{sentence}"


def is_backlogged(oldest_ms: int | None, now_ms: int) -> bool:
    """Whether the oldest event waits too long."""
    return oldest_ms is not None and now_ms - oldest_ms > HOUR_MS


def is_silent(days: Collection[int]) -> bool | None:
    """Whether webhooks came on most days and not on the last. Shape: as `find_webhook_days` tells.

    None when they stay away and did not come on most days: that tells nothing new, and ends nothing.
    """
    return False if 0 in days else len(days) >= USUAL_DAYS or None


def is_off(ahead_ms: int | None) -> bool | None:
    """Whether this machine's clock is wrong; None when no answer has told yet."""
    return None if ahead_ms is None else abs(ahead_ms) > MOST_AHEAD_MS


def is_nearly_full(total_bytes: int, free_bytes: int) -> bool:
    """Whether a disk will soon take no more."""
    return free_bytes < max(LEAST_FREE_BYTES, LEAST_FREE_SHARE * total_bytes)


class RejectWatch:
    """How large a share of one store's events was rejected within the last hour, as far as this process has seen."""

    def __init__(self, now_ms: int) -> None:
        self._since_ms = now_ms
        self._past: deque[tuple[int, Counter[Fate]]] = deque([(now_ms, Counter())])
        self._accepted = 0

    def is_high(self, fates: Counter[Fate], now_ms: int) -> bool | None:
        """Whether it is over 1 %. Shape: `fates` counts from the start of the process.

        None when it is not, but a process that has not watched for an hour, or has seen hardly an event accepted since
        it was, cannot say that things are well.
        """
        self._past.append((now_ms, Counter(fates)))
        while self._past[0][0] < now_ms - HOUR_MS:
            self._past.popleft()
        recent = fates - self._past[0][1]
        rejected = recent[Fate.REJECTED]
        if rejected >= FEWEST_REJECTED and rejected > LOST_SHARE * recent.total():
            self._accepted = fates[Fate.ACCEPTED]
            return True
        is_known = now_ms - self._since_ms >= HOUR_MS and fates[Fate.ACCEPTED] - self._accepted >= FEWEST_ACCEPTED
        return False if is_known else None


class WriteWatch:
    """Whether somebody must know that the database takes no writes, which it cannot be told to remember."""

    def __init__(self) -> None:
        self._failed_ms = 0
        self._failures = 0
        self._is_told = False

    def judge(self, now_ms: int, *, is_failing: bool) -> bool | None:
        """Whether it is to be told that this begins, or (False) that it is over; at every look until somebody was.

        It begins with the second look in a row that meets it, as a failover takes seconds, and is over after as long
        as any other trouble.
        """
        self._failures = self._failures + 1 if is_failing else 0
        self._failed_ms = now_ms if is_failing else self._failed_ms
        if self._is_told:
            return False if now_ms - self._failed_ms > OVER_AFTER_MS else None
        return self._failures > 1 or None

    def note_told(self) -> None:
        """Somebody was told."""
        self._is_told = not self._is_told

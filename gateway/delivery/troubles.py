"""What is worth waking somebody for, and in which words. Pure: `gateway.delivery.alerts` looks, this judges."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection
from enum import StrEnum

from gateway.model.outcome import Fate
from gateway.store.alerts import News

HOUR_MS = 3_600_000

LOST_SHARE = 0.01
FEWEST_REJECTED = 5
"""Fewer in an hour may be one odd product; nobody need get up for it."""

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


_BEGUN = {
    Cause.CREDENTIALS: "TikTok refuses the access token of pixel {}. Its events wait until it has a valid one.",
    Cause.BACKLOG: "the oldest event has waited for more than an hour to reach TikTok.",
    Cause.REJECTS: "TikTok rejected more than 1 % of the last hour's events. The events' reasons say why.",
    Cause.WEBHOOKS: "no webhook from Shopify for a day, where there usually are. Are they still registered?",
    Cause.CLOCK: "this machine's clock is minutes off TikTok's, and so are the times of events. Does NTP run?",
    Cause.DISK: "the disk of the database is nearly full. When it is, nothing more can be taken in.",
}
_OVER = {
    Cause.CREDENTIALS: "TikTok takes the access token of pixel {} again.",
    Cause.BACKLOG: "no event waits for more than an hour any more.",
    Cause.REJECTS: "TikTok rejects no more than 1 % of the events again.",
    Cause.WEBHOOKS: "webhooks from Shopify arrive again.",
    Cause.CLOCK: "this machine's clock is right again.",
    Cause.DISK: "the disk of the database has room again.",
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


def is_silent(days: Collection[int]) -> bool:
    """Whether webhooks came on most days and not on the last. Shape: as `find_webhook_days` tells."""
    return 0 not in days and len(days) >= USUAL_DAYS


def is_nearly_full(total_bytes: int, free_bytes: int) -> bool:
    """Whether a disk will soon take no more."""
    return free_bytes < max(LEAST_FREE_BYTES, LEAST_FREE_SHARE * total_bytes)


class RejectWatch:
    """How large a share of one store's events was rejected within the last hour, as far as this process has seen."""

    def __init__(self, now_ms: int) -> None:
        self._past: deque[tuple[int, Counter[Fate]]] = deque([(now_ms, Counter())])

    def is_high(self, fates: Counter[Fate], now_ms: int) -> bool:
        """Whether it is over 1 %. Shape: `fates` counts from the start of the process."""
        self._past.append((now_ms, Counter(fates)))
        while self._past[0][0] < now_ms - HOUR_MS:
            self._past.popleft()
        recent = fates - self._past[0][1]
        rejected = recent[Fate.REJECTED]
        return rejected >= FEWEST_REJECTED and rejected > LOST_SHARE * recent.total()

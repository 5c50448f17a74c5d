"""When to try again: how a lane is held back by what TikTok answers, and let go again. Reads no clock, does nothing."""

from __future__ import annotations

import random

from gateway.tiktok.answers import Answer, Verdict

BASE_S = 1.0
CAP_S = 300.0
"""Source: TikTok spec 3.1 and 3.3: a throttled minute clears within 5 minutes, so no wait need be longer."""

PROBE_S = 60.0
"""How often a pixel paused for its credentials is tried with one event. Source: contract 4.6."""


def backoff_s(failures: int, chance: random.Random) -> float:
    """A wait between nothing and 1 s, 2 s, 4 s … 5 min after 1, 2, 3 … failures in a row (full jitter).

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter", read 2026-11: full jitter spreads retries best.
    """
    return chance.uniform(0, min(CAP_S, BASE_S * 2 ** min(failures - 1, 20)))


class Pace:
    """Whether one lane may send, from one answer to the next.

    Units: `held_until_ms` is the time before which nothing is sent, by a clock that may be set back meanwhile.
    `is_paused`: TikTok refuses the credentials; one event a minute tries whether it still does.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._failures = 0
        self._held_ms = 0
        self.is_paused = False
        self.held_until_ms = 0

    @property
    def is_troubled(self) -> bool:
        """The last answer was not a good one: the next request goes alone, to see whether things are better."""
        return self.is_paused or self._failures > 0

    def is_held(self, now_ms: int) -> bool:
        """Whether nothing may be sent yet. A clock that was set back ends the hold: what is left of it nobody knows."""
        if now_ms < self._held_ms:
            self._held_ms = self.held_until_ms = 0
        return now_ms < self.held_until_ms

    def heed(self, answer: Answer, sent_ms: int, now_ms: int) -> None:
        """The lane flows after a success or a single bad event, and is held back after anything else.

        An answer to a request that left before the lane was held back neither lifts the hold nor counts as another
        failure: several requests are under way at once, and one bad moment meets them all.
        """
        is_news = sent_ms >= self.held_until_ms
        if answer.verdict not in (Verdict.ACCEPTED, Verdict.REJECT):
            self._failures += is_news
            self.is_paused = self.is_paused or answer.verdict is Verdict.PAUSE
            self.hold(now_ms, self._wait_s(answer))
        elif is_news:
            self._failures, self.is_paused, self.held_until_ms = 0, False, 0

    def hold(self, now_ms: int, wait_s: float) -> None:
        """Nothing is sent for so long; a longer wait stays."""
        longer_ms = self.held_until_ms if self.is_held(now_ms) else 0
        self._held_ms, self.held_until_ms = now_ms, max(longer_ms, now_ms + int(wait_s * 1000))

    def _wait_s(self, answer: Answer) -> float:
        if answer.verdict is Verdict.PAUSE:
            return PROBE_S
        return max(backoff_s(self._failures, self._chance), answer.retry_after_s or 0)

"""Replays what TikTok refused or what came too late, once the cause is mended; refuses what could count twice.

Called by `gateway.ops.desk`. What is replayed goes the way of every event: consent, age and earlier attempts are asked
again when it is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

from gateway.errors import CommandError
from gateway.intake.receive import PIXEL_WINDOW_MS, latest_ms
from gateway.model.dossier import EventDossier
from gateway.model.event import PixelState
from gateway.model.outcome import Fate
from gateway.ops.errands import Replayed, Report, Trouble
from gateway.store import Store
from gateway.store.replay import requeue
from gateway.store.walk import Wanted, find_rows, read_events, read_page

REPLAYABLE = (Fate.REJECTED, Fate.EXPIRED)

_AT_ONCE = 500

PIXEL_TWIN = "the Pixel reported it too, more than 48 hours ago: TikTok could count it twice"
UNKNOWN_ANSWER = "an earlier attempt had no answer, more than 48 hours ago: TikTok could count it twice"
TOO_OLD = "it is older than delivery.max_age_h"
NO_PIXEL = "its pixel is not configured any more"


def judge(event: EventDossier, pixel_codes: Collection[str], max_age_h: float, now_ms: int) -> str | None:
    """Why this event must not be sent again; None when it may. Source: contract 4.4, and TikTok spec 5."""
    if event.fate not in REPLAYABLE:
        return f"only rejected and expired events are replayed, and it is {event.fate or 'on its way'}"
    if event.pixel_code not in pixel_codes:
        return NO_PIXEL
    if event.maybe_sent_ms is not None and now_ms > event.maybe_sent_ms + PIXEL_WINDOW_MS:
        return UNKNOWN_ANSWER
    if event.pixel == PixelState.FIRED and now_ms > event.occurred_ms + PIXEL_WINDOW_MS:
        return PIXEL_TWIN
    return TOO_OLD if now_ms > latest_ms(event.occurred_ms, event.pixel, max_age_h) else None


def parse_fates(text: str | None) -> tuple[Fate, ...]:
    """Which of the two is meant, or both. Raises: CommandError."""
    if text is not None and text not in REPLAYABLE:
        raise CommandError(f"--fate: what can be replayed is {' or '.join(REPLAYABLE)}")
    return (Fate(text),) if text else REPLAYABLE


class Replayer:
    """Replays one store's events. Units: `clock` gives Unix milliseconds."""

    def __init__(
        self, store: Store, store_id: str, pixel_codes: Collection[str], max_age_h: float, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._store_id = store_id
        self._pixel_codes = pixel_codes
        self._max_age_h = max_age_h
        self._clock = clock

    async def replay(self, wanted: Wanted, *, act: bool) -> AsyncIterator[Replayed]:
        """What is wanted is due again, where it may be; without `act` it is only said. Raises: StoreUnavailable.

        It may be stopped at any point and run again: what is on its way is not replayed.
        """
        async for events in self._find(wanted):
            verdicts = {event.id: judge(event, self._pixel_codes, self._max_age_h, self._clock()) for event in events}
            granted = [event for event in events if verdicts[event.id] is None]
            count = await self._requeue(granted) if act else len(granted)
            refused = Counter(reason for reason in verdicts.values() if reason)
            yield Replayed(self._store_id, count, tuple(sorted(refused.items())))

    async def _find(self, wanted: Wanted) -> AsyncIterator[Sequence[EventDossier]]:
        if wanted.ids:
            rows = await self._store.read(partial(find_rows, store_id=self._store_id, ids=wanted.ids))
            yield await self._store.read(partial(read_events, store_id=self._store_id, ids=rows))
            return
        before: str | None = "g"
        while before is not None:
            find = partial(read_page, store_id=self._store_id, wanted=wanted, before=before)
            page = await self._store.read(find)
            yield page.events
            before = page.before

    async def _requeue(self, events: Sequence[EventDossier]) -> int:
        count = 0
        for start in range(0, len(events), _AT_ONCE):
            expires_ms = {
                event.id: latest_ms(event.occurred_ms, event.pixel, self._max_age_h)
                for event in events[start : start + _AT_ONCE]
            }
            act = partial(requeue, store_id=self._store_id, expires_ms=expires_ms, now_ms=self._clock())
            count += await self._store.run(act)
        for pixel_code in {event.pixel_code for event in events}:
            self._store.queued((self._store_id, pixel_code)).set()
        return count


class Sum:
    """What the reports of a replay amount to."""

    def __init__(self, reports: Iterable[Report]) -> None:
        self.count = 0
        self.exit_code = 0
        self._refused: Counter[str] = Counter()
        self._troubles: list[str] = []
        for report in reports:
            match report:
                case Replayed(count=count, refused=refused):
                    self.count += count
                    self._refused.update(dict(refused))
                case Trouble(store_id=store_id, sentence=sentence, exit_code=exit_code):
                    self._troubles.append(f"{store_id}: {sentence}")
                    self.exit_code = max(self.exit_code, exit_code)

    def tell(self) -> Iterator[str]:
        """How many may be replayed, and why the others may not, a line for each reason."""
        yield f"{self.count} may be replayed"
        for reason, count in self._refused.most_common():
            yield f"{count} may not: {reason}"
        yield from self._troubles

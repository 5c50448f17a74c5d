"""What the gateway counts, under names that dashboards and alarms may rely on: docs/signals.md tells each.

Counted where it happens, in `web`, `store/writer` and `delivery`; shown by `gateway.web.metrics`.
A label's value comes from the configuration or from a closed list of ours, never from a request: nobody outside can
make a process keep one more series.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from bisect import bisect_left
from collections import Counter as Tallied
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.signals.workers import SHARED_FOLDER

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Source: prometheus.io/docs/instrumenting/exposition_formats, read 2026-11: understood by every version."""

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_REQUEST_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DELAY_BUCKETS_S = (0.5, 1, 2, 5, 15, 60, 300, 900, 3600, 14_400, 86_400)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class BatchHistogram(Histogram):
    """A histogram that takes many values at once: one by one, they cost an event a twentieth of its delivery."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """As `observe` does it with each of them."""
        self._sum.inc(sum(amounts))
        for place, count in Tallied([bisect_left(self._upper_bounds, amount) for amount in amounts]).items():
            self._buckets[place].inc(count)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(f"tag_gateway_{name}_total", meaning, labels, registry=REGISTRY)


def _histogram(
    name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _REQUEST_BUCKETS_S
) -> BatchHistogram:
    return BatchHistogram(f"tag_gateway_{name}", meaning, labels, registry=REGISTRY, buckets=buckets)


ACCEPTED = _counter("accepted", "Requests whose content is durably stored", "store", "endpoint")
DROPPED = _counter("dropped", "Requests deliberately not kept", "store", "endpoint", "reason")
REFUSED = _counter("refused", "Requests answered with an error", "store", "endpoint", "status")
FAILURES = _counter("failures", "Requests that a defect of the gateway ended with a 500")
REQUEST_SECONDS = _histogram("request_seconds", "From a request's head to its answer", "endpoint")

COMMIT_SECONDS = _histogram("commit_seconds", "One transaction, from its begin to the disk")
COMMIT_JOBS = _histogram("commit_jobs", "Requests and settlements that shared one transaction", buckets=_BATCH_BUCKETS)
COMMIT_FAILURES = _counter("commit_failures", "Transactions that the database did not take")

SETTLED = _counter("settled_events", "Events that have met their fate", "store", "fate")
TIKTOK_REQUESTS = _counter("tiktok_requests", "Requests to TikTok, by what its answer asks of us", "store", "verdict")
TIKTOK_SECONDS = _histogram("tiktok_request_seconds", "From sending a batch to TikTok's answer", "store")
DELAY_SECONDS = _histogram(
    "delivery_delay_seconds", "From taking an event in to TikTok's yes", "store", buckets=_DELAY_BUCKETS_S
)

_answered: deque[tuple[Counter, BatchHistogram, float]] = deque()
"""What endpoints have answered and no number shows yet."""

ADD_UP_S, MOST_AT_ONCE = 1.0, 1_000
"""How often answers are added up, and after how many at the latest: one by one, that would cost a beacon a tenth of its
answer."""


def add_up() -> None:
    """Everything answered so far is in the numbers. Any thread may call it."""
    counts: Tallied[Counter] = Tallied()
    times: defaultdict[BatchHistogram, list[float]] = defaultdict(list)
    with contextlib.suppress(IndexError):
        while True:
            counter, histogram, seconds = _answered.popleft()
            counts[counter] += 1
            times[histogram].append(seconds)
    for counter, count in counts.items():
        counter.inc(count)
    for histogram, some in times.items():
        histogram.observe_all(some)


async def keep_adding_up() -> None:
    """The numbers that other workers of this machine show of this one are never older than `ADD_UP_S`."""
    try:
        while True:
            await asyncio.sleep(ADD_UP_S)
            add_up()
    finally:
        add_up()


class Tally:
    """Counts what one endpoint of one store answers.

    Each series is looked up once and kept, as finding it costs more than counting.
    """

    def __init__(self, store_id: str, endpoint: str) -> None:
        self._labels = (store_id, endpoint)
        self._seconds = REQUEST_SECONDS.labels(endpoint)
        self._counters: dict[int | str | None, Counter] = {None: ACCEPTED.labels(*self._labels)}

    def count(self, status: int, dropped: str | None, seconds: float) -> None:
        """One more request was accepted, dropped for a reason, or refused with a status, after so many seconds."""
        outcome = status if status >= 400 else dropped
        _answered.append((self._counters.get(outcome) or self._add(outcome), self._seconds, seconds))
        if len(_answered) >= MOST_AT_ONCE:
            add_up()

    def _add(self, outcome: int | str | None) -> Counter:
        counters = REFUSED if isinstance(outcome, int) else DROPPED
        counter = self._counters[outcome] = counters.labels(*self._labels, str(outcome))
        return counter


class DeliveryTally:
    """Counts what becomes of one store's events at TikTok."""

    def __init__(self, store_id: str) -> None:
        self._store_id = store_id
        self._seconds = TIKTOK_SECONDS.labels(store_id)
        self._delay = DELAY_SECONDS.labels(store_id)

    def answer(self, verdict: str, seconds: float) -> None:
        """TikTok answered one request after so many seconds, or did not."""
        TIKTOK_REQUESTS.labels(self._store_id, verdict).inc()
        self._seconds.observe(seconds)

    def arrive(self, delays_ms: Iterable[int]) -> None:
        """These events are TikTok's, so long after they were taken in."""
        self._delay.observe_all([delay_ms / 1000 for delay_ms in delays_ms])

    def settle(self, fates: Iterable[str]) -> None:
        """An event has met each of these fates."""
        for fate, count in Tallied(fates).items():
            SETTLED.labels(self._store_id, fate).inc(count)


class _Shown:
    """What one scrape shows: the numbers of this process, or of all workers of this machine, and what was just read."""

    def __init__(self, state: Iterable[Metric]) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        registry = REGISTRY
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        yield from registry.collect()
        yield from self._state


def render(state: Iterable[Metric] = ()) -> bytes:
    """Every number as Prometheus text, `state` among them. Takes milliseconds: not for the event loop."""
    add_up()
    return generate_latest(_Shown(state))

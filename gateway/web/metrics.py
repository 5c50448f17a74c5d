"""GET /metrics: Prometheus text, for this machine and for who has the token (contract 3). Others find nothing.

What is counted is in `gateway.signals.metrics`; how things stand is read from the database when somebody asks.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterable, Sequence

from msgspec import Struct
from prometheus_client.metrics_core import GaugeMetricFamily

from gateway.clock import now_ms
from gateway.errors import NotFound, StoreUnavailable
from gateway.signals.metrics import CONTENT_TYPE, render
from gateway.store import Lane, Store
from gateway.store.alerts import Trouble, find_troubles
from gateway.store.backlog import count_pending, find_oldest_ms
from gateway.web.answers import Answer, Headers, Receive, Scope, Send, send_answer, to_error
from gateway.web.control import is_local
from gateway.web.hits import to_header_map

_HEADERS: Headers = [(b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store")]


class Standing(Struct, frozen=True):
    """How things stand. Units: `oldest_ms` is when a store's longest waiting event was taken in, Unix milliseconds."""

    pending: dict[Lane, int]
    oldest_ms: dict[str, int | None]
    troubles: list[Trouble]


class MetricsEndpoint:
    """Shows the numbers of this machine's gateway. `lanes`: every store's pixels."""

    def __init__(self, store: Store, lanes: Sequence[Lane], token: str) -> None:
        self._store = store
        self._lanes = lanes
        self._token = token.encode()

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if not (is_local(scope) or self._is_trusted(scope)):
            await send_answer(send, to_error(NotFound("not found")))
            return
        try:
            state = to_gauges(await read_standing(self._store, self._lanes), now_ms())
        except StoreUnavailable:  # the counts are wanted most of all now
            state = []
        body = await asyncio.to_thread(render, state)
        await send_answer(send, Answer(200, [*_HEADERS, (b"content-length", str(len(body)).encode())], body))

    def _is_trusted(self, scope: Scope) -> bool:
        scheme, _, told = to_header_map(scope).get(b"authorization", b"").partition(b" ")
        return bool(self._token) and scheme.lower() == b"bearer" and hmac.compare_digest(told, self._token)


async def read_standing(store: Store, lanes: Sequence[Lane]) -> Standing:
    """What the database says now. Raises: StoreUnavailable."""
    pixels = {store_id: [code for of, code in lanes if of == store_id] for store_id, _ in lanes}
    return await store.read(
        lambda connection: Standing(
            {lane: count_pending(connection, *lane) for lane in lanes},
            {store_id: find_oldest_ms(connection, store_id, *codes) for store_id, codes in pixels.items()},
            find_troubles(connection),
        )
    )


def to_gauges(standing: Standing, now_ms: int) -> Iterable[GaugeMetricFamily]:
    """The same as metrics. A store whose every event has left has waited for 0 seconds."""
    pending = GaugeMetricFamily(
        "tag_gateway_pending_events", "Events still to be sent, counted up to 20,000", labels=["store", "pixel"]
    )
    for lane, count in standing.pending.items():
        pending.add_metric(lane, count)
    oldest = GaugeMetricFamily(
        "tag_gateway_oldest_pending_seconds", "How long the oldest of them has waited", labels=["store"]
    )
    for store_id, oldest_ms in standing.oldest_ms.items():
        oldest.add_metric([store_id], to_age_s(oldest_ms, now_ms))
    troubles = GaugeMetricFamily("tag_gateway_trouble", "1 for each trouble that is open", labels=["store", "cause"])
    for trouble in standing.troubles:
        troubles.add_metric(trouble, 1)
    return pending, oldest, troubles


def to_age_s(since_ms: int | None, now_ms: int) -> float:
    """How long something has waited, nothing being nothing."""
    return 0.0 if since_ms is None else max(0, now_ms - since_ms) / 1000

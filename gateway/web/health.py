"""Whether the gateway lives, and whether it can store what comes in. Answered on any Host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.clock import now_ms
from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.alerts import find_troubles
from gateway.store.backlog import find_oldest_ms

SHARED_S = 1.0
"""How long an answer holds for all who ask: anybody may, and each would cost a write to the disk."""

LOOK_S = 2.0
"""How long is looked for how delivery does."""


async def healthz(_request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


class Readyz:
    """200 when a write goes through now, else 503 with the reason.

    How delivery does is told beside it and changes nothing: events are taken in however TikTok answers. Anybody may
    ask, so no store and no pixel is named.
    """

    def __init__(self, store: Store, store_ids: Sequence[str]) -> None:
        self._store = store
        self._store_ids = store_ids
        self._asking: asyncio.Task[tuple[int, dict[str, object]]] | None = None
        self._answered_s = 0.0

    async def answer(self, _request: Request) -> Response:
        if self._asking is None or (self._asking.done() and time.monotonic() - self._answered_s >= SHARED_S):
            self._asking = asyncio.create_task(self._ask())
        status, told = await asyncio.shield(self._asking)
        return JSONResponse(told, status, {"cache-control": "no-store"})

    async def _ask(self) -> tuple[int, dict[str, object]]:
        try:
            await self._store.check()
        except StoreUnavailable as error:
            return 503, {"ready": False, "reason": str(error)}
        else:
            return 200, {"ready": True, **await self._look()}
        finally:
            self._answered_s = time.monotonic()

    async def _look(self) -> dict[str, object]:
        """How long the oldest event has waited, how many pixels TikTok refuses, and what else is wrong.

        None of each when that cannot be found out: what is taken in does not depend on it.
        """
        try:
            async with asyncio.timeout(LOOK_S):
                oldest, troubles = await self._store.read(
                    lambda connection: (
                        [find_oldest_ms(connection, store_id) for store_id in self._store_ids],
                        find_troubles(connection),
                    )
                )
        except (StoreUnavailable, TimeoutError):
            return {"oldest_pending_s": None, "paused_pixels": None, "troubles": None}
        waiting_since_ms = min((since for since in oldest if since is not None), default=None)
        causes = [cause.partition(" ")[0] for _, cause in troubles]
        return {
            "oldest_pending_s": 0 if waiting_since_ms is None else max(0, now_ms() - waiting_since_ms) // 1000,
            "paused_pixels": causes.count("credentials"),
            "troubles": sorted(set(causes)),
        }

"""Whether the gateway lives, and whether it can store what comes in. Answered on any Host."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.store.alerts import find_troubles
from gateway.store.backlog import find_oldest_ms
from gateway.web.hits import to_now_ms


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

    async def answer(self, _request: Request) -> Response:
        headers = {"cache-control": "no-store"}
        try:
            await self._store.check()
            told = await self._look()
        except StoreUnavailable as error:
            return JSONResponse({"ready": False, "reason": str(error)}, 503, headers)
        return JSONResponse({"ready": True, **told}, headers=headers)

    async def _look(self) -> dict[str, object]:
        """How long the oldest event has waited, how many pixels TikTok refuses, and what else is wrong."""
        oldest, troubles = await self._store.read(
            lambda connection: (
                [find_oldest_ms(connection, store_id) for store_id in self._store_ids],
                find_troubles(connection),
            )
        )
        waiting_since_ms = min((since for since in oldest if since is not None), default=None)
        causes = [cause.partition(" ")[0] for _, cause in troubles]
        return {
            "oldest_pending_s": 0 if waiting_since_ms is None else max(0, to_now_ms() - waiting_since_ms) // 1000,
            "paused_pixels": causes.count("credentials"),
            "troubles": sorted(set(causes)),
        }

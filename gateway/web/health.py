"""Whether the gateway lives, and whether it can store what comes in. Answered on any Host."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from gateway.errors import StoreUnavailable
from gateway.store import Store


async def healthz(_request: Request) -> Response:
    """The process answers."""
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


class Readyz:
    """200 when a write goes through now, else 503 with the reason. TikTok's troubles never show here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, _request: Request) -> Response:
        headers = {"cache-control": "no-store"}
        try:
            await self._store.check()
        except StoreUnavailable as error:
            return JSONResponse({"ready": False, "reason": str(error)}, 503, headers)
        return JSONResponse({"ready": True}, headers=headers)

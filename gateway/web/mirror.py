"""POST /control/mirror: tells the doctor which address its request came from, as the gateway sees it.

Unlike an errand it comes the visitors' way, through every proxy, so that all it does is to answer: whoever replays a
sealed request within its minute learns his own address. Registered by `gateway.app`; asked by `gateway.ops.doctor`.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import NotFound, RequestError
from gateway.web.answers import to_error
from gateway.web.hits import read_body, read_client, to_header_map

MAX_BYTES = 1024


class Mirror:
    """`is_sealed` tells whether a body and its seal belong together; to anybody else there is nothing here."""

    def __init__(self, is_sealed: Callable[[bytes, str], bool]) -> None:
        self._is_sealed = is_sealed

    async def answer(self, request: Request) -> Response:
        """The client's address after the trusted-proxy walk, and whether a proxy named one that was believed."""
        headers = to_header_map(request.scope)
        try:
            body = await read_body(request.receive, headers, MAX_BYTES)
            scheme, _, seal = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            if scheme != "Bearer" or not self._is_sealed(body, seal):
                raise NotFound("not found")
        except RequestError as error:
            refused = to_error(error)
            return Response(refused.body, refused.status, media_type="application/json")
        return JSONResponse(_describe(request), headers={"cache-control": "no-store"})


def _describe(request: Request) -> dict[str, object]:
    """Shape: `gateway.ops.doctor.client` reads it."""
    client = read_client(request.scope)
    forwarded = to_header_map(request.scope).get(b"x-forwarded-for", b"").decode("latin-1")
    return {"client": client, "is_forwarded": bool(forwarded), "is_believed": client in forwarded}

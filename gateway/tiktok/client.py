"""One request to TikTok, and its answer.

Called by `gateway.delivery` and `gateway.ops` with a body of `gateway.tiktok.payload`; what comes back is read by
`gateway.tiktok.answers`. Trouble of the network is an Answer like any other: nothing is raised, and the token is in no
message.
"""

from __future__ import annotations

import asyncio
from functools import cached_property

import httpx

from gateway.tiktok.answers import Answer, classify, no_response, redact

TRACK_PATH = "/open_api/v1.3/event/track/"
"""Events API 2.0 lives under v1.3 of the Marketing API. Source: spec 1, read 2026-09."""

MAX_ANSWER_BYTES = 65_536

_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""What goes wrong before a byte of the request has left."""


class TikTokClient:
    """Sends request bodies to one Events API. Units: `timeout_s` bounds a call from its first to its last byte.

    A client given as `http` is used as it is and stays the caller's to close.
    """

    def __init__(self, api_base: str, http: httpx.AsyncClient | None = None, timeout_s: float = 10.0) -> None:
        self._url = api_base.rstrip("/") + TRACK_PATH
        self._timeout_s = timeout_s
        self._given = http

    async def send(self, access_token: str, body: bytes) -> Answer:
        """What became of this request. Raises nothing of the network's; being cancelled is the caller's own doing."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(access_token, body)
        except _NOT_SENT as error:
            return no_response(f"not sent: {_describe(error)}", is_known=True)
        except (httpx.HTTPError, TimeoutError) as error:
            return no_response(f"no answer: {_describe(error)}", is_known=False)

    async def aclose(self) -> None:
        """No connection of this client's own is open any more."""
        if not self._given and "_http" in vars(self):
            await self._http.aclose()

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        """Built for the first request: it reads all certificate authorities, which no start should wait for."""
        return self._given or _build_http(self._timeout_s)

    async def _exchange(self, access_token: str, body: bytes) -> Answer:
        headers = {b"Access-Token": access_token.encode(), b"Content-Type": b"application/json"}
        request = self._http.build_request("POST", self._url, content=body, headers=headers)
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            return classify(response.status_code, response.headers, await _read(response))
        finally:
            await response.aclose()
            response.stream = httpx.ByteStream(b"")  # or the two hold each other, and so this body, for minutes


def _build_http(timeout_s: float) -> httpx.AsyncClient:
    """A client that gives up connecting while there is time to say so, and reaches this machine without a proxy.

    It opens as many connections as are asked for, which each pixel bounds for itself: of a pool of a hundred, httpx's
    own measure, a hundred pixels that hang would leave none to those that are well.
    """
    return httpx.AsyncClient(
        limits=httpx.Limits(),
        timeout=httpx.Timeout(timeout_s, connect=timeout_s / 2),
        mounts={"all://127.0.0.1": None, "all://localhost": None},
    )


async def _read(response: httpx.Response) -> bytes:
    """The body, cut off where no answer of TikTok's has ever reached: what is cut is no JSON, and so no success."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            break
    return body[:MAX_ANSWER_BYTES]


def _describe(error: Exception) -> str:
    """The kind of trouble, with its text when that cannot hold the token: a refused header is quoted in its error."""
    name = type(error).__name__
    if isinstance(error, httpx.LocalProtocolError) or not str(error):
        return name
    return redact(f"{name}, {error}")

"""POST /control: errands of commands, taken by the gateway because it alone may write (architecture, Storage).

Nobody but a process on this machine that knows the signing key may come here. Both are checked, as neither is enough: a
proxy's requests come from this machine too, and a seal can leak. Called by `gateway.ops.control`; registered by
`gateway.app`, which hands in who does errands and who knows the seal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address

from starlette.responses import StreamingResponse

from gateway.errors import NotFound, RequestError, Unauthorized
from gateway.web.answers import Receive, Scope, Send, send_answer, to_error
from gateway.web.hits import read_body, read_client, to_header_map

MAX_BYTES = 64 * 1024

_FORWARDED = (b"x-forwarded-", b"forwarded", b"x-real-ip", b"via")
"""How the headers begin that a proxy leaves. A command never sends one."""


class ControlEndpoint:
    """Takes an errand as JSON and answers with JSON Lines, each as soon as it is true; the errand ends with its client.

    `take` does the errand in a body, `is_sealed` tells whether a body and its seal belong together.
    """

    def __init__(self, take: Callable[[bytes], AsyncIterator[bytes]], is_sealed: Callable[[bytes, str], bool]) -> None:
        self._take = take
        self._is_sealed = is_sealed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reports = await self._open(scope, receive)
        except RequestError as error:
            await send_answer(send, to_error(error))
            return
        headers = {"cache-control": "no-store"}
        await StreamingResponse(reports, headers=headers, media_type="application/jsonl")(scope, receive, send)

    async def _open(self, scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
        """The reports of an errand. Raises: NotFound to whoever is not on this machine, Unauthorized, Malformed."""
        headers = to_header_map(scope)
        if not is_local(scope):
            raise NotFound("not found")
        body = await read_body(receive, headers, MAX_BYTES)
        scheme, _, seal = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme != "Bearer" or not self._is_sealed(body, seal):
            raise Unauthorized("not sealed with this gateway's newest key")
        return self._take(body)


def is_local(scope: Scope) -> bool:
    """Whether a process on this machine asks for itself: no proxy has touched the request, not even a trusted one."""
    try:
        is_loopback = ip_address(read_client(scope)).is_loopback
    except ValueError:
        return False
    return is_loopback and not any(name.startswith(_FORWARDED) for name, _ in scope["headers"])

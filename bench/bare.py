"""The baseline: a bare ASGI app under uvicorn that reads the body and answers 204 with the beacon's headers."""

from __future__ import annotations

from typing import Any

HEADERS = [
    (b"cache-control", b"no-store"),
    (b"access-control-allow-origin", b"https://www.acme.test"),
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-expose-headers", b"x-dropped, retry-after"),
    (b"vary", b"origin"),
    (b"set-cookie", b"_tgv=" + b"v" * 95 + b"; Max-Age=34560000; Path=/; HttpOnly; Secure; SameSite=Lax"),
    (b"set-cookie", b"_tgc=" + b"c" * 78 + b"; Max-Age=34560000; Path=/; Domain=acme.test; Secure; SameSite=Lax"),
    (b"set-cookie", b"ttclid=" + b"t" * 66 + b"; Max-Age=7776000; Path=/; Domain=acme.test; Secure; SameSite=Lax"),
    (b"set-cookie", b"_ttp=" + b"p" * 32 + b"; Max-Age=34128000; Path=/; Domain=acme.test; Secure; SameSite=Lax"),
]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """204 to everything, after the whole body."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b""})

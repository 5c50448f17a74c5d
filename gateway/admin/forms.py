"""Reads what a form of the dashboard posts: a few short fields, urlencoded."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.requests import Request

from gateway.errors import Malformed, TooLarge

MAX_BYTES = 16 * 1024
MAX_FIELDS = 64


async def read_form(request: Request) -> dict[str, str]:
    """The fields; of a repeated one the last. Raises: TooLarge, Malformed."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLarge(f"form: at most {MAX_BYTES} bytes")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Malformed("form: not urlencoded UTF-8") from None

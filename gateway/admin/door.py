"""Everything of /admin passes here first: headers on every answer, no foreign request, nobody without a session.

Called by `gateway.web.front` on `admin_hosts`; hands over to the routes of `gateway.admin.dashboard`. Pure ASGI, so
that a stream passes as it comes.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admin.access import SESSION_S, Access
from gateway.admin.same_origin import check_same_origin
from gateway.errors import Forbidden

COOKIE = "tag_gateway_session"
ROOT = "/admin"
SIGN_IN = f"{ROOT}/sign-in"
STATIC = f"{ROOT}/static/"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Source: OWASP HTTP Headers Cheat Sheet (read 2026-11). The policy allows no inline script or style at all."""


class Door:
    """Lets requests through to `inside`."""

    def __init__(self, access: Access, inside: ASGIApp) -> None:
        self._access = access
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                put_headers(message)
            await send(message)

        headers = Headers(scope=scope)
        answer = self._refuse(scope, headers)
        await (answer or self._inside)(scope, receive, send_safely)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to who must not go on; None to who may."""
        try:
            check_same_origin(scope["method"], headers)
        except Forbidden as error:
            return PlainTextResponse(f"{error}\n", 403)
        path = scope["path"]
        if path == SIGN_IN or path.startswith(STATIC) or self._access.is_session(read_cookies(headers).get(COOKIE)):
            return None
        if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"{SIGN_IN}?next={quote(path)}", 303)
        return PlainTextResponse("sign in first\n", 401)


def put_headers(start: Message) -> None:
    """The answer that starts here is shown by no other site and kept by nobody, unless it says that it may be kept."""
    headers = MutableHeaders(raw=start["headers"])
    headers.update(_HEADERS)
    headers.setdefault("cache-control", "no-store")


def read_cookies(headers: Headers) -> dict[str, str]:
    """The request's cookies; none when they cannot be read."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


def give_session(response: Response, scope: Scope, cookie: str) -> Response:
    """The same answer, opening a session."""
    response.set_cookie(
        COOKIE, cookie, SESSION_S, path=ROOT, secure=scope["scheme"] == "https", httponly=True, samesite="lax"
    )
    return response


def end_session(response: Response) -> Response:
    """The same answer, after which this browser has no session."""
    response.delete_cookie(COOKIE, path=ROOT, httponly=True, samesite="lax")
    return response

"""The sign-in: one password, asked for politely and slowly. Also the sign-out.

Registered by `gateway.admin.dashboard`; `gateway.admin.access` decides.
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.admin.access import Access
from gateway.admin.door import ROOT, SIGN_IN, end_session, give_session
from gateway.admin.format import UTC_ZONE
from gateway.admin.forms import read_form
from gateway.admin.rendering import respond
from gateway.errors import TooMany

_A_PAGE = re.compile(rf"{ROOT}/[a-z-]{{1,40}}")

WRONG = "That is not the password. It is the one whose hash stands in gateway.toml as admin_password_hash."


class SignIn:
    """Answers GET and POST of the sign-in, and the sign-out."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def ask(self, request: Request) -> Response:
        """The form."""
        return _show(request.query_params.get("next", ""))

    async def take(self, request: Request) -> Response:
        """A session and the page that was wanted, or the form again with why not. Raises: TooLarge, Malformed."""
        form = await read_form(request)
        wanted = form.get("next", "")
        client = request.client.host if request.client else ""
        try:
            cookie = await self._access.sign_in(client, form.get("password", ""))
        except TooMany as error:
            wait = f"Too many tries. Wait {error.retry_after_s} seconds, then try again."
            return _show(wanted, wait, 429, {"retry-after": str(error.retry_after_s)})
        if cookie is None:
            return _show(wanted, WRONG, 401)
        return give_session(RedirectResponse(to_target(wanted), 303), request.scope, cookie)

    async def leave(self, _request: Request) -> Response:
        """No session in this browser any more."""
        return end_session(RedirectResponse(SIGN_IN, 303))


def to_target(wanted: str) -> str:
    """Where the sign-in leads: a page of the dashboard, whatever the address claims."""
    return wanted if _A_PAGE.fullmatch(wanted) else f"{ROOT}/"


def _show(wanted: str, trouble: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return respond("sign_in.html", UTC_ZONE, {"wanted": wanted, "trouble": trouble}, status, headers)

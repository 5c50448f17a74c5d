"""The four cookies of contract 3: read from a request, written on an answer. Callers see to consent."""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.intake.identify import Cookies
from gateway.intake.receive import Received
from gateway.intake.tokens import Tokens, VisitorToken
from gateway.settings import StoreSettings
from gateway.web.answers import Headers

VISITOR, COMPANION, TTCLID, TTP = "_tgv", "_tgc", "ttclid", "_ttp"
DAY_S = 86_400
_OURS = re.compile(rf"(?:^|;)\s*({VISITOR}|{COMPANION}|{TTCLID}|{TTP})=([^;]*)")


def read_cookies(header: bytes) -> Cookies:
    """Our four cookies in a Cookie header; where a name comes twice the first counts, as the most specific one leads.

    Source: RFC 6265, section 5.4: cookies with longer paths are listed first. Values of ours are never quoted.
    """
    found: dict[str, str] = {}
    for name, value in _OURS.findall(header.decode("latin-1")):
        found.setdefault(name, value.strip())
    return Cookies(found.get(VISITOR), found.get(COMPANION), found.get(TTCLID), found.get(TTP))


def set_cookies(received: Received, tokens: Tokens, settings: StoreSettings) -> Headers:
    """The Set-Cookie headers that renew this visitor's cookies."""
    visitor = received.visitor
    if visitor is None:
        return []
    token = VisitorToken(visitor.id, received.first_ms)
    domain = f"; Domain={settings.cookie_domain}"
    headers = [
        _set(VISITOR, tokens.sign_visitor(settings.id, token), 400, "; HttpOnly"),
        _set(COMPANION, tokens.sign_companion(settings.id, visitor.id), 400, domain),
    ]
    if visitor.click:
        headers.append(_set(TTCLID, visitor.click.ttclid, 90, domain))
    if visitor.ttp:
        headers.append(_set(TTP, visitor.ttp, 395, domain))
    return headers


def clear_cookies(settings: StoreSettings) -> Headers:
    """The Set-Cookie headers that take the cookies away again, after a withdrawal."""
    domain = f"; Domain={settings.cookie_domain}"
    scopes = ((VISITOR, "; HttpOnly"), (COMPANION, domain), (TTCLID, domain), (TTP, domain))
    return [_set(name, "", 0, scope) for name, scope in scopes]


@lru_cache(4096)
def _set(name: str, value: str, days: int, scope: str) -> tuple[bytes, bytes]:
    cookie = f"{name}={value}; Max-Age={days * DAY_S}; Path=/{scope}; Secure; SameSite=Lax"
    return (b"set-cookie", cookie.encode("latin-1"))

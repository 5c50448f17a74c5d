"""The four cookies of contract 3: read from a request, written on an answer. Callers see to consent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from gateway.intake.identify import Cookies
from gateway.intake.receive import Received
from gateway.intake.tokens import Tokens, VisitorToken
from gateway.settings import StoreSettings
from gateway.web.answers import Header, Headers

VISITOR, COMPANION, TTCLID, TTP = "_tgv", "_tgc", "ttclid", "_ttp"
DAY_S = 86_400
_USUAL_BYTES = 1024
_OURS = re.compile(rf"(?:^|;)\s*({VISITOR}|{COMPANION}|{TTCLID}|{TTP})=([^;]*)")


def read_cookies(header: bytes) -> Cookies:
    """Our four cookies in a Cookie header; where a name comes twice the first counts, as the most specific one leads.

    Source: RFC 6265, section 5.4: cookies with longer paths are listed first. Values of ours are never quoted.
    """
    return _read_usual(header) if len(header) <= _USUAL_BYTES else _read(header)


def _read(header: bytes) -> Cookies:
    found: dict[str, str] = {}
    for name, value in _OURS.findall(header.decode("latin-1")):
        found.setdefault(name, value.strip())
    return Cookies(found.get(VISITOR), found.get(COMPANION), found.get(TTCLID), found.get(TTP))


_read_usual = lru_cache(1024)(_read)
"""A page sends several beacons with the same cookies."""


def set_cookies(received: Received, tokens: Tokens, settings: StoreSettings) -> Sequence[Header]:
    """The Set-Cookie headers that renew this visitor's cookies."""
    visitor = received.visitor
    if visitor is None:
        return ()
    ttclid = visitor.click.ttclid if visitor.click else None
    return _build(tokens, settings.id, settings.cookie_domain, visitor.id, received.first_ms, ttclid, visitor.ttp)


@lru_cache(4096)
def _build(
    tokens: Tokens, store_id: str, cookie_domain: str, visitor_id: str, first_ms: int, ttclid: str | None,
    ttp: str | None,
) -> tuple[Header, ...]:  # fmt: skip
    """Cached, as signing is dear and a visitor's cookies seldom change."""
    domain = f"; Domain={cookie_domain}"
    visitor = tokens.sign_visitor(store_id, VisitorToken(visitor_id, first_ms))
    headers = [
        _set(VISITOR, visitor, 400, "; HttpOnly"),
        _set(COMPANION, tokens.sign_companion(store_id, visitor_id), 400, domain),
    ]
    if ttclid:
        headers.append(_set(TTCLID, ttclid, 90, domain))
    if ttp:
        headers.append(_set(TTP, ttp, 395, domain))
    return tuple(headers)


def clear_cookies(settings: StoreSettings) -> Headers:
    """The Set-Cookie headers that take the cookies away again, after a withdrawal."""
    domain = f"; Domain={settings.cookie_domain}"
    scopes = ((VISITOR, "; HttpOnly"), (COMPANION, domain), (TTCLID, domain), (TTP, domain))
    return [_set(name, "", 0, scope) for name, scope in scopes]


def _set(name: str, value: str, days: int, scope: str) -> Header:
    cookie = f"{name}={value}; Max-Age={days * DAY_S}; Path=/{scope}; Secure; SameSite=Lax"
    return (b"set-cookie", cookie.encode("latin-1"))

"""Refuses what another site made the browser send, by the headers that browsers set and scripts cannot.

Source: Filippo Valsorda, "A modern approach to preventing CSRF in Go" (words.filippo.io/csrf, 2025-08), whose order of
checks is that of Go's net/http CrossOriginProtection (Go 1.25) and of Datasette 1.0's protection; Fetch Metadata (W3C)
for what the values mean. No token is needed, and none can be forgotten in a form.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers

from gateway.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""They change nothing, wherever they come from."""


def check_same_origin(method: str, headers: Headers) -> None:
    """The request may change something. Raises: Forbidden when a page of another origin sent it.

    1. A safe method passes. 2. With Sec-Fetch-Site, only `same-origin` and `none` (typed, bookmarked) pass: `same-site`
    is not enough, for shops share their domain with other people's software. 3. Without it and without Origin it is no
    browser of the last years, and has no cookies to abuse. 4. Else the Origin must be the Host that was asked.
    """
    if method in SAFE_METHODS:
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    is_ours = site in ("same-origin", "none") if site else origin is None or _host_of(origin) == headers.get("host")
    if not is_ours:
        raise Forbidden("another site sent this request; open the dashboard itself and try again")


def _host_of(origin: str) -> str | None:
    """The host and port of an Origin; None of `null`, and of what is no address."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None

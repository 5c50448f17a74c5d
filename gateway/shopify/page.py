"""Where a buyer landed, as an address that may be told: TikTok refuses an event without one, and reads clicks in it.

Called by `orders`, `checkouts` and `customers`. The page that Shopify calls the order's own is never used: its address
opens the order to whoever has it.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from gateway.model.event import Page

_SECRET_NAMES = frozenset({
    "access_token", "auth", "cart_token", "checkout_token", "code", "email", "hmac", "id_token", "key", "password",
    "phone", "secret", "sig", "signature", "state", "token",
})  # fmt: skip
"""Query names whose values open something or name somebody."""

_SECRET_PATH = re.compile(
    r"/(?:account|authenticate|cart/c|checkouts?|gift_cards|invoices|orders)(?:/|$)", re.IGNORECASE
)
"""Shopify's paths whose parts are such values: orders, checkouts, shared carts, gift cards, password resets."""


def to_page(landing_site: str | None, referring_site: str | None, origin: str) -> Page:
    """The first page of the visit on the store's own origin, or its root; without anything secret, never empty."""
    return Page(url=_to_url(landing_site, origin), referrer=_to_referrer(referring_site))


def _to_url(landing_site: str | None, origin: str) -> str:
    """Shopify tells a path with its query; of a whole address, its path and query are taken."""
    try:
        landed = urlsplit(landing_site or "/")
    except ValueError:
        return f"{origin}/"
    is_open = landed.path.startswith("/") and not _SECRET_PATH.search(landed.path)
    return _join(origin, landed.path if is_open else "/", landed.query)


def _to_referrer(referring_site: str | None) -> str | None:
    try:
        site = urlsplit(referring_site or "")
    except ValueError:
        return None
    if site.scheme not in ("http", "https") or not site.hostname:
        return None
    path = "/" if _SECRET_PATH.search(site.path) else site.path
    return _join(f"{site.scheme}://{site.netloc.rpartition('@')[2]}", path, site.query)


def _join(origin: str, path: str, query: str) -> str:
    """What is left of the query stays as it was written: a click id is compared byte for byte."""
    pairs = [pair for pair in query.split("&") if unquote(pair.partition("=")[0]).lower() not in _SECRET_NAMES]
    kept = "&".join(pairs)
    return f"{origin}{path}?{kept}" if kept else f"{origin}{path}"

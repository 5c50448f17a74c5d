"""A Landing: how a visitor came to the first page on which the gateway met them."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import urlsplit

from gateway.model.event import Page

_FROM_TIKTOK = re.compile(r"[?&]utm_source=[^&#]{0,40}tik[_-]?tok|[?&]utm_source=__", re.IGNORECASE)
"""A campaign's tag that names TikTok, or a macro of an ad that nobody replaced (TikTok spec 6.1)."""


class Landing(StrEnum):
    """Where the first page seen of a visitor was reached from."""

    TIKTOK = "tiktok"  # by the referrer or the campaign tag in the address
    OUTSIDE = "outside"  # from any other site, or typed in: no referrer
    INSIDE = "inside"  # from another page of the store, so the landing itself was not seen


def read_landing(page: Page) -> Landing:
    """Where this page was reached from, by its own address and its referrer."""
    if is_from_tiktok(page):
        return Landing.TIKTOK
    here, there = _host(page.url), _host(page.referrer or "")
    return Landing.INSIDE if there and (here.endswith(there) or there.endswith(here)) else Landing.OUTSIDE


def is_from_tiktok(page: Page) -> bool:
    """Whether the page itself says that TikTok sent its visitor."""
    if page.referrer and "tiktok.com" in page.referrer and _host(page.referrer).endswith("tiktok.com"):
        return True
    return "utm_source=" in page.url and bool(_FROM_TIKTOK.search(page.url))


def _host(url: str) -> str:
    """The host of an address without its `www.`; empty for what is no address."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""

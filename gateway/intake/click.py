"""Click ids and `_ttp` values: found in addresses, checked, never changed.

Source: TikTok spec 6.1 and 6.2 (read 2026-09): a click id is opaque, up to 1,000 characters and more, percent-decoded
exactly once; an ad macro that was not replaced arrives literally and is no click id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote, urlsplit

_COOKIE_OCTETS = r"[!#-+\--:<-\[\]-~]"  # RFC 6265, section 4.1.1: what a cookie value may hold
_CLICK_ID = re.compile(_COOKIE_OCTETS + r"{1,2048}")
_TTP = re.compile(_COOKIE_OCTETS + r"{1,200}")
_MACRO = re.compile(r"__[A-Z_]+__")


@lru_cache(1024)
def parse_click_id(value: str | None) -> str | None:
    """The value when it can be a click id, verbatim; None for macros, blanks and what no cookie could carry.

    Cached, as a visitor's cookie and address say it again with every beacon.
    """
    if not value or not _CLICK_ID.fullmatch(value) or _MACRO.fullmatch(value):
        return None
    return value


@lru_cache(1024)
def parse_ttp(value: str | None) -> str | None:
    """The value when it can be TikTok's `_ttp` cookie, verbatim."""
    return value if value and _TTP.fullmatch(value) else None


def find_click_id(url: str, names: Sequence[str]) -> str | None:
    """The click id in an address' query, under the first of these names that carries one."""
    if "?" not in url:
        return None
    try:
        query = urlsplit(url).query
    except ValueError:  # an address that is none, such as a broken IPv6 host
        return None
    return find_in_query(query, names)


def find_in_query(query: str, names: Sequence[str]) -> str | None:
    """The click id in a query string. A plus sign stays a plus sign: click ids are not form data."""
    if "%" not in query and not any(name in query for name in names):
        return None
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if (name := unquote(name)) in names:
            found.setdefault(name, unquote(value))
    for name in names:
        if click_id := parse_click_id(found.get(name)):
            return click_id
    return None

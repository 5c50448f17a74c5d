"""A Browser: which family of browsers a user agent names, as far as the reports tell them apart.

Used by `gateway.intake.bots` for each beacon and by `gateway.store` for each event; both ask the same cache.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from msgspec import Struct


class Browser(StrEnum):
    """Browsers that differ in what they let a Pixel do, or in how long they keep a cookie."""

    CHROME = "chrome"
    SAFARI = "safari"  # on a Mac
    SAFARI_IOS = "safari_ios"
    FIREFOX = "firefox"
    EDGE = "edge"
    SAMSUNG = "samsung"
    TIKTOK = "tiktok"  # the page opened inside TikTok's app
    META = "meta"  # inside Instagram's or Facebook's
    OTHER = "other"
    UNKNOWN = "unknown"  # no user agent: the shop told of it alone


class Agent(Struct, frozen=True):
    """What a user agent says of itself."""

    browser: Browser
    is_bot: bool


_FAMILIES = (
    ("TikTok", Browser.TIKTOK),
    ("Instagram", Browser.META),
    ("Facebook", Browser.META),
    ("Samsung Internet", Browser.SAMSUNG),
    ("Edge", Browser.EDGE),
    ("Firefox", Browser.FIREFOX),
    ("Mobile Safari", Browser.SAFARI_IOS),
    ("Safari", Browser.SAFARI),
    ("Chrome", Browser.CHROME),
)
"""How ua-parser's names of families begin; on iOS it adds "Mobile" or "iOS" to some."""


@lru_cache(maxsize=8192)
def read_agent(user_agent: str) -> Agent:
    """What this user agent names, or that it names nothing. Cached: one parse costs about a millisecond."""
    if not user_agent:
        return Agent(Browser.UNKNOWN, is_bot=True)
    import user_agents  # takes a third of a second: `gateway.app` sees to it once it serves

    parsed = user_agents.parse(user_agent)
    family = parsed.browser.family
    browser = next((one for prefix, one in _FAMILIES if family.startswith(prefix)), Browser.OTHER)
    return Agent(browser, is_bot=bool(parsed.is_bot))

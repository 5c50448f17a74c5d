"""A Browser: which family of browsers a user agent names, as far as the reports tell them apart.

Used by `gateway.intake.bots` for each beacon and by `gateway.store` for each event; both ask the same cache.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from ua_parser import Device, UserAgent
    from ua_parser.core import Matcher


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


_SPIDER = "Spider"
"""The family of device that ua-parser gives every crawler."""


@lru_cache(maxsize=8192)
def read_agent(user_agent: str) -> Agent:
    """What this user agent names, or that it names nothing. Cached: one parse costs about half a millisecond."""
    if not user_agent:
        return Agent(Browser.UNKNOWN, is_bot=True)
    family = _find_family(user_agent)
    browser = next((one for prefix, one in _FAMILIES if family.startswith(prefix)), Browser.OTHER)
    return Agent(browser, is_bot=_is_spider(user_agent))


class _Lists(NamedTuple):
    """ua-parser's patterns, in the order in which they are tried; each is compiled when it first is.

    `browsers`: each with a word that stands in whatever it fits, so that most need be neither compiled nor tried.
    """

    browsers: list[tuple[str, Matcher[UserAgent]]]
    spiders: list[Matcher[Device]]


@cache
def _load_lists() -> _Lists:
    """Imported late: `gateway.beside` sees to it once the gateway serves."""
    from ua_parser import load_lazy_builtins

    browsers, _, devices = load_lazy_builtins()
    words = [find_word(one.regex) for one in browsers]
    return _Lists(
        list(zip(words, browsers, strict=True)), [one for one in devices if getattr(one, "family", None) == _SPIDER]
    )


_WORD = re.compile(r"\^?(?:\(([\w -]{3,})\)|([\w -]{3,}))(?![?*{])")


def find_word(pattern: str) -> str:
    """A word that whatever fits this pattern has in it: the one it begins with, if that is plain to see; else "".

    ua-parser writes what may be missing as `(?:…|)`. A pattern with any other alternative may do without its beginning.
    """
    found = _WORD.match(pattern)
    return (found[1] or found[2]) if found and "|" not in pattern.replace("|)", ")") else ""


def _find_family(user_agent: str) -> str:
    likely = (matches for word, matches in _load_lists().browsers if word in user_agent)
    return next((found.family for matches in likely if (found := matches(user_agent))), "")


def _is_spider(user_agent: str) -> bool:
    """Whether user-agents calls it a bot, which it does by the first device that fits.

    The broad patterns for crawlers come last, as many a phone has "bot" in its name; but an agent that none of them
    fits is no crawler, whatever it is, and need not be tried against six hundred devices.
    """
    if not any(matches(user_agent) for matches in _load_lists().spiders):
        return False
    import user_agents  # compiles every pattern there is: for what may be a crawler alone

    return bool(user_agents.parse(user_agent).is_bot)

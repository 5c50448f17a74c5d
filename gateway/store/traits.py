"""What is counted of an event beside its name: its browser, its match keys, why it lacks the click, its worth.

Taken by `gateway.store.record` when the event is written, and kept in narrow columns of `events`, so that settling
counts a thousand events in one statement (`gateway.store.rollups`) without opening one body.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from itertools import compress
from operator import attrgetter
from typing import Any

from msgspec import Struct

from gateway.model.browser import Browser, read_agent
from gateway.model.event import Event, Source
from gateway.model.landing import Landing, is_from_tiktok
from gateway.model.visitor import Visitor


class ClickGap(StrEnum):
    """Why an event carries no click id, as far as can be known. Nothing of a visitor without consent is ever sent, so
    a missing consent is told by the drops, and by LANDING_UNSEEN when the consent came pages after the landing.
    """

    NO_BROWSER = "no_browser"  # no browser ever told of this buyer: express checkout, or the shop alone knows them
    FROM_TIKTOK = "from_tiktok"  # came from TikTok without a click id: stripped on the way, or no ad's link
    LANDING_UNSEEN = "landing_unseen"  # first met in mid-visit: consent came later, or the visitor was not recognised
    NO_CLICK = "no_click"  # the landing was seen and carried no click id: another channel, or typed in
    UNKNOWN = "unknown"  # how this visitor landed was not noted


class Route(StrEnum):
    """What became of the browser Pixel's copy of an event, as far as anybody told before the event was sent."""

    FIRED = "fired"  # the browser handed it to a Pixel that had loaded; whether it arrived, nobody tells
    BLOCKED = "blocked"  # the page has the Pixel's base code, its library did not load
    ABSENT = "absent"  # no Pixel on the page
    NO_BROWSER = "no_browser"  # the shop alone told of it
    OFF = "off"  # the store wants no Pixel
    UNKNOWN = "unknown"  # a browser told of it, and nothing of the Pixel: a sandbox, an old snippet


KEYS = ("ttclid", "ttp", "email", "phone", "external_id", "ip", "user_agent")
"""The match keys that are counted, by their names in `User`."""

TRAITS: tuple[str, ...] = ("browser", *KEYS, *ClickGap)
"""What is counted of accepted events, each a column of `flow_hours` and a bit of `events.traits`, the first the lowest.

`browser`: a browser told of the event itself.
"""

BITS: Mapping[str, int] = {str(name): 1 << place for place, name in enumerate(TRAITS)}
BROWSER, TTCLID = BITS["browser"], BITS["ttclid"]
_ANY_GAP = sum(BITS[gap] for gap in ClickGap)


class Marks(Struct, frozen=True, gc=False):
    """The columns of `events` that are counted. Units: `worth_e4` ten-thousandths of `currency`, of Purchases only."""

    browser: str
    traits: int
    currency: str | None = None
    worth_e4: int | None = None

    def to_row(self) -> tuple[Any, ...]:
        """In the order of the columns."""
        return (str(self.browser), self.traits, self.currency, self.worth_e4)


def mark(event: Event, visitor: Visitor | None) -> Marks:
    """What is counted of this event, whose match keys are filled in already."""
    browser = read_agent(event.user.user_agent or "").browser
    traits = _find_keys(event)
    if not traits & TTCLID:
        traits |= BITS[find_gap(event, visitor, browser)]
    if event.event != "Purchase" or event.properties.value is None:
        return Marks(browser, traits)
    return Marks(browser, traits, event.properties.currency, to_e4(event.properties.value))


def merge_marks(merged: Event, stored_traits: int, twin: Marks) -> Marks:
    """The marks of an event that took over what its twin knew; why it has no click, a browser's word tells best."""
    fresh = mark(merged, None)
    traits = (fresh.traits & ~_ANY_GAP) | ((stored_traits | twin.traits) & BROWSER)
    if not traits & TTCLID:
        traits |= (twin.traits if twin.traits & BROWSER else stored_traits or twin.traits) & _ANY_GAP
    return Marks(fresh.browser, traits, fresh.currency, fresh.worth_e4)


def find_gap(event: Event, visitor: Visitor | None, browser: Browser) -> ClickGap:
    """Why this event, which has no click id, has none."""
    if visitor and not visitor.user_agent:
        return ClickGap.NO_BROWSER
    landing = visitor.landing if visitor else None
    if landing is Landing.TIKTOK or browser is Browser.TIKTOK or is_from_tiktok(event.page):
        return ClickGap.FROM_TIKTOK
    if landing is None:
        return ClickGap.UNKNOWN
    return ClickGap.LANDING_UNSEEN if landing is Landing.INSIDE else ClickGap.NO_CLICK


def to_e4(value: Decimal) -> int:
    """Ten-thousandths, which every currency's smallest coin is a whole number of; bounded as the column is."""
    if not value.is_finite():
        return 0
    return max(-(2**53), min(2**53, int((value * 10_000).to_integral_value())))


def _find_keys(event: Event) -> int:
    traits = BROWSER if event.source in _OF_BROWSERS else 0
    return traits + sum(compress(_KEY_BITS, _get_keys(event.user)))


_OF_BROWSERS = frozenset({Source.BEACON, Source.PIXEL})
_get_keys = attrgetter(*KEYS)
_KEY_BITS = tuple(BITS[name] for name in KEYS)

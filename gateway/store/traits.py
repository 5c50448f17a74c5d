"""What is counted of an event beside its name: its browser, its match keys, why it lacks the click, its worth.

Taken by `gateway.store.record` when the event is written, and kept in narrow columns of `events`, so that settling
counts a thousand events in one statement (`gateway.store.rollups`) without opening one body.
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntFlag, StrEnum
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


class Trait(IntFlag):
    """One bit for each thing counted; the names in lower case are the columns of `flow_hours`."""

    BROWSER = 1  # a browser told of the event itself
    TTCLID = 2
    TTP = 4
    EMAIL = 8
    PHONE = 16
    EXTERNAL_ID = 32
    IP = 64
    USER_AGENT = 128
    NO_BROWSER = 256
    FROM_TIKTOK = 512
    LANDING_UNSEEN = 1024
    NO_CLICK = 2048
    UNKNOWN = 4096


KEYS = tuple(trait for trait in Trait if Trait.TTCLID <= trait <= Trait.USER_AGENT)
GAPS = tuple(Trait[gap.name] for gap in ClickGap)
_ALL_GAPS = sum(GAPS)


class Marks(Struct, frozen=True):
    """The columns of `events` that are counted. Units: `worth_e4` ten-thousandths of `currency`, of Purchases only."""

    browser: str
    traits: int
    currency: str | None = None
    worth_e4: int | None = None

    def to_row(self) -> tuple[Any, ...]:
        """In the order of the columns."""
        return (self.browser, self.traits, self.currency, self.worth_e4)


def mark(event: Event, visitor: Visitor | None) -> Marks:
    """What is counted of this event, whose match keys are filled in already."""
    browser = read_agent(event.user.user_agent or "").browser
    traits = _find_keys(event)
    if not traits & Trait.TTCLID:
        traits |= Trait[find_gap(event, visitor, browser).name]
    if event.event != "Purchase" or event.properties.value is None:
        return Marks(browser, int(traits))
    return Marks(browser, int(traits), event.properties.currency, to_e4(event.properties.value))


def merge_marks(merged: Event, stored_traits: int, twin: Marks) -> Marks:
    """The marks of an event that took over what its twin knew; the likelier reason of a gap is a browser's word."""
    fresh = mark(merged, None)
    traits = (fresh.traits & ~_ALL_GAPS) | (stored_traits & Trait.BROWSER) | (twin.traits & Trait.BROWSER)
    if not traits & Trait.TTCLID:
        from_browser = twin.traits if twin.traits & Trait.BROWSER else stored_traits or twin.traits
        traits |= from_browser & _ALL_GAPS
    return Marks(fresh.browser, int(traits), fresh.currency, fresh.worth_e4)


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
    user = event.user
    traits = 1 if event.source in (Source.BEACON, Source.PIXEL) else 0
    for trait, value in zip(
        KEYS, (user.ttclid, user.ttp, user.email, user.phone, user.external_id, user.ip, user.user_agent), strict=True
    ):
        if value:
            traits |= trait
    return traits

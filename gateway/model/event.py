"""An Event: what happened on the store, ready to be stored and later told to TikTok.

Built by `gateway.intake` (beacons) and `gateway.shopify` (orders), stored by `gateway.store`, turned into TikTok's wire
format by `gateway.tiktok.payload`. Everything here is frozen; personal data is already hashed.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from msgspec import Raw, Struct, structs

T = TypeVar("T", bound=Struct)


class PixelState(StrEnum):
    """What became of the browser Pixel's copy of an event (contract 4.1)."""

    FIRED = "fired"
    BLOCKED = "blocked"
    ABSENT = "absent"
    OFF = "off"


class Source(StrEnum):
    """Which way an event came in."""

    BEACON = "beacon"
    PIXEL = "pixel"
    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    TEST = "test"


class Content(Struct, frozen=True, gc=False, omit_defaults=True):
    """One product of an event. Units: `price` is the price of one piece, in the event's currency."""

    content_id: str | None = None
    content_name: str | None = None
    content_category: str | None = None
    brand: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None


class Properties(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the event is about. Source: TikTok Events API 2.0, `properties` (spec 2.4, read 2026-09)."""

    contents: tuple[Content, ...] = ()
    content_ids: tuple[str, ...] = ()
    content_type: str | None = None
    currency: str | None = None
    value: Decimal | None = None
    num_items: int | None = None
    search_string: str | None = None
    description: str | None = None
    order_id: str | None = None
    shop_id: str | None = None
    customer_type: str | None = None


class Page(Struct, frozen=True, gc=False, omit_defaults=True):
    """Where it happened. `url` is the full address with its query, as the visitor saw it."""

    url: str
    referrer: str | None = None


class User(Struct, frozen=True, gc=False, omit_defaults=True):
    """The match keys of one event.

    Shape: `email`, `phone`, `external_id` hold SHA-256 hex digests, newest first; names and zip are digests too;
    `city`, `state`, `country`, `ttclid`, `ttp`, `ip`, `user_agent` and `locale` are plain, as TikTok wants (spec 2.3).
    """

    email: tuple[str, ...] = ()
    phone: tuple[str, ...] = ()
    external_id: tuple[str, ...] = ()
    first_name: str | None = None
    last_name: str | None = None
    zip_code: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    ttclid: str | None = None
    ttp: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    locale: str | None = None


NO_USER = User()
"""What is known of somebody of whom nothing is."""


class Event(Struct, frozen=True, gc=False):
    """Something that happened once on one store, whichever ways it is reported.

    Units: `occurred_ms` and `received_ms` are Unix milliseconds of the gateway's clock.
    `hold_until_ms`: not sent before this time, so that a twin can still merge in.
    """

    event: str
    event_id: str
    occurred_ms: int
    received_ms: int
    source: Source
    page: Page
    user: User = NO_USER
    properties: Properties = Properties()
    pixel: PixelState | None = None
    limited_data_use: bool = False
    hold_until_ms: int = 0


class RawEvent(Struct, frozen=True, gc=False):
    """An Event as far as whoever sends it need read it: its user and properties are JSON still, as in many others."""

    event: str
    event_id: str
    occurred_ms: int
    received_ms: int
    page: Page
    user: Raw = Raw(b"{}")
    properties: Raw = Raw(b"{}")
    pixel: PixelState | None = None
    limited_data_use: bool = False


def merge_events(stored: Event, twin: Event) -> Event:
    """The event with what `stored` lacked filled in from its twin; nothing that `stored` said is lost.

    The earlier time stands, lists are joined. The hold ends with the earlier of the two, and at once when browser and
    shop have both spoken: then there is nothing left to wait for. A Pixel copy that fired stays fired: the 48-hour rule
    (contract 4.4) hangs on it.
    """
    return structs.replace(
        stored,
        occurred_ms=min(stored.occurred_ms, twin.occurred_ms),
        user=fill(stored.user, twin.user),
        properties=fill(stored.properties, twin.properties),
        page=fill(stored.page, twin.page),
        pixel=_merge_pixel(stored.pixel, twin.pixel),
        limited_data_use=stored.limited_data_use or twin.limited_data_use,
        hold_until_ms=min(stored.hold_until_ms, twin.hold_until_ms) if _is_same_side(stored, twin) else 0,
    )


_LISTS = frozenset({"email", "phone", "external_id"})


def fill(first: T, second: T) -> T:
    """`first` with its empty fields taken from `second`; digest lists are joined, first's values leading."""
    news: dict[str, Any] = {}
    for name, mine, theirs in zip(
        first.__struct_fields__, structs.astuple(first), structs.astuple(second), strict=True
    ):
        if theirs is None or theirs == () or mine == theirs:
            continue
        if mine is None or mine == ():
            news[name] = theirs
        elif name in _LISTS:
            news[name] = tuple(dict.fromkeys(mine + theirs))
    return structs.replace(first, **news) if news else first


def _is_same_side(a: Event, b: Event) -> bool:
    browser = (Source.BEACON, Source.PIXEL)
    return (a.source in browser) == (b.source in browser)


def _merge_pixel(a: PixelState | None, b: PixelState | None) -> PixelState | None:
    if PixelState.FIRED in (a, b):
        return PixelState.FIRED
    return a or b

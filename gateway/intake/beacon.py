"""Beacon: the untrusted input, decoded and validated in one pass (contract 4.1).

Unknown keys are ignored and go nowhere; a wrong type is Malformed and names the field. Bounds keep hostile numbers and
texts out of the database; none of them is reached by an honest page.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from gateway.errors import Malformed
from gateway.model.event import PixelState

MAX_BYTES = 65_536
MAX_EVENTS = 50

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Id = Annotated[str, Meta(min_length=1, max_length=255)]
Url = Annotated[str, Meta(min_length=1, max_length=8192)]
Text = Annotated[str, Meta(max_length=2048)]
Anchor = Annotated[str, Meta(max_length=2048)]
Millis = Annotated[int, Meta(ge=-(2**53), le=2**53)] | Annotated[float, Meta(ge=-(2**53), le=2**53)]
Amount = Annotated[float, Meta(ge=-1e12, le=1e12)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Key = Annotated[str, Meta(max_length=512)] | Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class BeaconPage(Struct, frozen=True, gc=False):
    """Where the visitor is."""

    url: Url
    referrer: Annotated[str, Meta(max_length=8192)] | None = None


class BeaconConsent(Struct, frozen=True, gc=False):
    """What the page knows of the visitor's choice."""

    marketing: bool | None = None
    analytics: bool | None = None
    sale_of_data: bool | None = None
    source: Annotated[str, Meta(max_length=64)] | None = None


class BeaconIds(Struct, frozen=True, gc=False):
    """What the page knows of the visitor's ids."""

    companion: Anchor | None = None
    first: Anchor | None = None
    ttclid: Text | None = None
    ttp: Text | None = None
    client: Anchor | None = None
    cart: Anchor | None = None
    checkout: Anchor | None = None
    customer: Anchor | None = None


class BeaconUser(Struct, frozen=True, gc=False):
    """Who the visitor said they are: raw, or SHA-256 hex. Raw values end in `gateway.intake.identify`."""

    email: Text | None = None
    phone: Text | None = None
    external_id: Text | None = None

    def __repr__(self) -> str:
        return "BeaconUser(…)"


class BeaconContent(Struct, frozen=True, gc=False):
    """One product."""

    content_id: Key | None = None
    content_name: Text | None = None
    content_category: Text | None = None
    brand: Text | None = None
    price: Amount | None = None
    quantity: Amount | None = None


class BeaconProperties(Struct, frozen=True, gc=False):
    """What the event is about: TikTok's closed list (spec 2.4)."""

    contents: Annotated[list[BeaconContent], Meta(max_length=200)] = []
    content_ids: Annotated[list[Key], Meta(max_length=200)] = []
    content_type: Text | None = None
    currency: Annotated[str, Meta(max_length=8)] | None = None
    value: Amount | None = None
    num_items: Count | None = None
    search_string: Text | None = None
    description: Text | None = None
    order_id: Key | None = None
    shop_id: Key | None = None
    customer_type: Annotated[str, Meta(max_length=32)] | None = None


class BeaconEvent(Struct, frozen=True, gc=False):
    """One event as the page tells it. Units: `at` Unix milliseconds of the browser's clock."""

    event: Name
    event_id: Id
    at: Millis | None = None
    pixel: PixelState | None = None
    properties: BeaconProperties | None = None


class Beacon(Struct, frozen=True, gc=False):
    """A whole beacon."""

    v: Literal[1]
    page: BeaconPage
    sent_at: Millis | None = None
    consent: BeaconConsent | None = None
    ids: BeaconIds = BeaconIds()
    user: BeaconUser = BeaconUser()
    events: Annotated[list[BeaconEvent], Meta(max_length=MAX_EVENTS)] = []


_decode = msgspec.json.Decoder(Beacon).decode
_WHERE = " - at `$"
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_NO_CHOICE = "Invalid enum value "
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def parse_beacon(body: bytes) -> Beacon:
    """The beacon in these bytes.

    Raises: Malformed, naming the field and never repeating what was in it.
    """
    if b"\\u0000" in body and _NUL.search(body):
        raise Malformed("body: NUL characters are not allowed")
    try:
        beacon = _decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(_name_field(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Malformed("body: not valid JSON") from None
    except RecursionError:
        raise Malformed("body: nested too deeply") from None
    if not beacon.page.url.startswith(("https://", "http://")):
        raise Malformed("page.url: expected an http or https address")
    return beacon


def _name_field(message: str) -> str:
    """msgspec's `Expected …, got … - at `$.path`` with the path in front; the value that was no choice is left out."""
    what, _, path = message.rpartition(_WHERE) if _WHERE in message else (message, "", "")
    path = path.strip(".`")
    if missing := _MISSING.fullmatch(what):
        return f"{path}.{missing[1]}: required".lstrip(".")
    if what.startswith(_NO_CHOICE):
        what = "not one of the values it can have"
    return f"{path or 'body'}: {what[:1].lower()}{what[1:]}"

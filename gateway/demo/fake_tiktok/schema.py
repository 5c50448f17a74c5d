"""What the fake takes: every key and type of an Events API 2.0 web event, and the rules TikTok only documents.

Called by `server` for each request. TikTok itself ignores an unknown key; here it is a fault, because a misspelt match
key costs an advertiser money without anybody noticing (spec 3.3, "Blindness").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from gateway.model.names import to_current_name
from gateway.model.normalise import EMPTY_SHA256, to_public_ip
from gateway.tiktok.currencies import CURRENCIES

MAX_EVENTS = 1000
MAX_AHEAD_S = 300
"""How far `event_time` may lie in the future: two clocks never agree."""

Text = Annotated[str, Meta(min_length=1)]
Texts = Text | Annotated[list[Text], Meta(min_length=1)]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_COMPARABLE = re.compile(r"[^\sA-Z!-/:-@\[-`{-~]+")

# Not as `Meta(pattern=…)` in the structs: msgspec 0.22 may crash on these when the interpreter ends (its issue 717).
_SHAPES = {
    **dict.fromkeys(("email", "phone", "external_id", "first_name", "last_name", "zip_code"), _DIGEST),
    "city": _COMPARABLE,
    "state": _COMPARABLE,
    "country": re.compile(r"[a-z]{2}"),
    "locale": re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*"),
}
_URL = re.compile(r"https?://.")


class Content(Struct, forbid_unknown_fields=True):
    content_id: Text | UnsetType = UNSET
    content_name: Text | UnsetType = UNSET
    content_category: Text | UnsetType = UNSET
    brand: Text | UnsetType = UNSET
    price: float | UnsetType = UNSET
    quantity: float | UnsetType = UNSET


class Properties(Struct, forbid_unknown_fields=True):
    contents: Annotated[list[Content], Meta(min_length=1)] | UnsetType = UNSET
    content_ids: Annotated[list[Text], Meta(min_length=1)] | UnsetType = UNSET
    content_type: Literal["product", "product_group"] | UnsetType = UNSET
    currency: Text | UnsetType = UNSET
    value: float | UnsetType = UNSET
    num_items: int | UnsetType = UNSET
    search_string: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    order_id: Text | UnsetType = UNSET
    shop_id: Text | UnsetType = UNSET
    customer_type: Literal["new", "returning"] | UnsetType = UNSET


class User(Struct, forbid_unknown_fields=True):
    email: Texts | UnsetType = UNSET
    phone: Texts | UnsetType = UNSET
    external_id: Texts | UnsetType = UNSET
    first_name: Text | UnsetType = UNSET
    last_name: Text | UnsetType = UNSET
    zip_code: Text | UnsetType = UNSET
    city: Text | UnsetType = UNSET
    state: Text | UnsetType = UNSET
    country: Text | UnsetType = UNSET
    ttclid: Text | UnsetType = UNSET
    ttp: Text | UnsetType = UNSET
    ip: Text | UnsetType = UNSET
    user_agent: Text | UnsetType = UNSET
    locale: Text | UnsetType = UNSET


class Page(Struct, forbid_unknown_fields=True):
    url: Text
    referrer: Text | UnsetType = UNSET


class WireEvent(Struct, forbid_unknown_fields=True):
    event: Text
    event_time: int
    event_id: Text
    user: User
    page: Page
    properties: Properties | UnsetType = UNSET
    limited_data_use: bool | UnsetType = UNSET


class Envelope(Struct, forbid_unknown_fields=True):
    """A request. `data` is left undecoded, so that a fault is told with the index of the event that has it."""

    event_source: Literal["web"]
    event_source_id: Text
    data: Annotated[list[Raw], Meta(min_length=1, max_length=MAX_EVENTS)]
    test_event_code: Text | UnsetType = UNSET
    partner_name: Text | UnsetType = UNSET


class Refusal(Exception):
    """TikTok's answer to a request it does not take.

    Shape: the message of a 40002 begins with the path: `Batch.0.properties.contents.0.content_id: Not a valid string`.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


_envelope = msgspec.json.Decoder(Envelope)
_event = msgspec.json.Decoder(WireEvent)


def parse_envelope(body: bytes, content_type: str) -> Envelope:
    """The request with its events still undecoded. Raises: Refusal."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(40002, "Content-Type: Not application/json")
    try:
        return _envelope.decode(body)
    except ValueError as error:
        raise Refusal(40002, to_tiktok_words(str(error))) from None


def parse_events(envelope: Envelope, now_s: float) -> list[WireEvent]:
    """All events of the request. Raises: Refusal, naming the first that is bad; then TikTok takes none of them."""
    return [_parse_event(index, bytes(raw), now_s) for index, raw in enumerate(envelope.data)]


def _parse_event(index: int, raw: bytes, now_s: float) -> WireEvent:
    try:
        event = _event.decode(raw)
    except ValueError as error:
        raise Refusal(40002, f"Batch.{index}.{to_tiktok_words(str(error))}") from None
    for fault in find_faults(event, now_s):
        raise Refusal(40002, f"Batch.{index}.{fault}")
    return event


def find_faults(event: WireEvent, now_s: float) -> Iterator[str]:
    """What types alone cannot say about one event."""
    if to_current_name(event.event) != event.event:
        yield f"event: Now called {to_current_name(event.event)}"
    if not 0 < event.event_time <= now_s + MAX_AHEAD_S:
        yield "event_time: Not a time in the past, in seconds"
    if not _URL.match(event.page.url):
        yield "page.url: Not a valid URL"
    yield from _find_user_faults(event.user)
    if event.properties:
        yield from _find_property_faults(event.properties)


def _find_user_faults(user: User) -> Iterator[str]:
    given = {name: value for name in user.__struct_fields__ if (value := getattr(user, name)) is not UNSET}
    if not given:
        yield "user: Nothing to match"
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if name in _SHAPES and not all(map(_SHAPES[name].fullmatch, values)):
            yield f"user.{name}: Not a valid string"
        if EMPTY_SHA256 in values:
            yield f"user.{name}: The digest of nothing"
    if user.ip and not to_public_ip(user.ip):
        yield "user.ip: Not a public address"


def _find_property_faults(properties: Properties) -> Iterator[str]:
    if properties.currency and properties.currency not in CURRENCIES:
        yield "properties.currency: Not a supported currency"
    if properties.num_items is not UNSET and properties.num_items < 0:
        yield "properties.num_items: Not a number of pieces"


_AT = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_GOT = re.compile(r"Expected `(?P<type>\w+)[^`]*`(?:, got)?")
_FIELD = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
_LENGTH = re.compile(r"Expected `\w+` of length (?P<bound>.*)")
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "array": "list", "object": "object"}


def to_tiktok_words(complaint: str) -> str:
    """What msgspec says, as TikTok says it: `properties.contents.0.content_id: Not a valid string`."""
    found = _AT.fullmatch(complaint)
    what, path = (found["what"], found["path"] or "") if found else (complaint, "")
    path = path.replace("[...]", "").replace("[", ".").replace("]", "")
    if field := _FIELD.match(what):
        path = f"{path}.{field['name']}".lstrip(".")
        return f"{path}: {'Unknown field' if 'unknown' in field['what'] else 'Missing data for required field'}"
    if length := _LENGTH.match(what):
        return f"{path}: Length must be {length['bound']}"
    if got := _GOT.match(what):
        what = f"Not a valid {_TYPES.get(got['type'], 'value')}"
    return f"{path}: {what}".removeprefix(": ")

"""Events as TikTok's Events API wants them: one request of at most 1,000, for one pixel.

Called by `gateway.delivery` with claimed events; hands bytes to `gateway.tiktok.client`. TikTok ignores an unknown key
without a word and rejects a whole batch for one wrong type, so the structs below are a closed list: what they do not
name cannot leave, and what is empty is not there at all.

Source: Events API 2.0, "Report Web Events" (spec 2, read 2026-09).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec
from msgspec import Raw, Struct

from gateway.model.event import Content, Properties, RawEvent, User
from gateway.model.names import to_current_name
from gateway.model.normalise import is_digest, to_public_ip
from gateway.tiktok.currencies import CURRENCIES

MAX_EVENTS = 1000
"""Events TikTok takes in one request; one more, and the whole request is refused."""


class _Content(Struct, frozen=True, gc=False, omit_defaults=True):
    content_id: str | None = None
    content_name: str | None = None
    content_category: str | None = None
    brand: str | None = None
    price: float | None = None
    quantity: float | None = None


class _Properties(Struct, frozen=True, gc=False, omit_defaults=True):
    contents: list[_Content] | None = None
    content_ids: list[str] | None = None
    content_type: str | None = None
    currency: str | None = None
    value: float | None = None
    num_items: int | None = None
    search_string: str | None = None
    description: str | None = None
    order_id: str | None = None
    shop_id: str | None = None
    customer_type: str | None = None


class _User(Struct, frozen=True, gc=False, omit_defaults=True):
    email: str | list[str] | None = None
    phone: str | list[str] | None = None
    external_id: str | list[str] | None = None
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


class _Page(Struct, frozen=True, gc=False, omit_defaults=True):
    url: str
    referrer: str | None = None


class _Event(Struct, frozen=True, gc=False, omit_defaults=True):
    event: str
    event_time: int
    event_id: str
    user: Raw
    page: _Page
    properties: Raw | None = None
    limited_data_use: bool = False


class _Request(Struct, frozen=True, gc=False, omit_defaults=True):
    event_source: str
    event_source_id: str
    data: Sequence[Raw]
    test_event_code: str | None = None
    partner_name: str | None = None


_CACHED, _USUAL_BYTES = 1_000, 1_500
_encode = msgspec.json.Encoder().encode
_decode_user = msgspec.json.Decoder(User).decode
_decode_properties = msgspec.json.Decoder(Properties).decode
_NO_PRODUCT, _NO_PROPERTIES = _Content(), _Properties()


def check_event(event: RawEvent, ip: str | None) -> str | None:
    """Why this event must not be put into a request, or None when it may.

    One bad event costs TikTok's acceptance of all its batch, so the caller takes it out and settles it as rejected.
    """
    if not event.event.strip():
        return "event: empty"
    if not event.event_id.strip():
        return "event_id: empty"
    if event.occurred_ms < 1000:
        return "event_time: not a time"
    if not event.page.url.strip():
        return "page.url: empty"
    if bytes(_write_user(event.user, ip)) == b"{}":
        return "user: empty, nothing to match"
    return None


def build_event(event: RawEvent, ip: str | None) -> Raw:
    """One event from this address as JSON, ready for a request; `check_event` lets it pass."""
    told = _Event(
        event=to_current_name(event.event),
        event_time=event.occurred_ms // 1000,
        event_id=event.event_id,
        user=_write_user(event.user, ip),
        page=_Page(event.page.url, _text(event.page.referrer)),
        properties=_write_properties(event.properties),
        limited_data_use=event.limited_data_use,
    )
    return Raw(_encode(told))


def build_request(
    pixel_code: str,
    events: Sequence[Raw],
    test_event_code: str | None = None,
    partner_name: str | None = None,
) -> bytes:
    """The JSON body that reports these events, made by `build_event`.

    Raises: ValueError when there are none or more than MAX_EVENTS: the caller has made its batch wrong.
    """
    if not 0 < len(events) <= MAX_EVENTS:
        raise ValueError(f"a request takes 1 to {MAX_EVENTS} events, not {len(events)}")
    request = _Request(
        event_source="web",
        event_source_id=pixel_code,
        test_event_code=_text(test_event_code),
        partner_name=_text(partner_name),
        data=events,
    )
    return _encode(request)


def _write_user(said: Raw, ip: str | None) -> Raw:
    """The match keys as JSON. Remembered, as a visitor's events mostly say the same of their visitor."""
    text = bytes(said)
    return (_write_usual_user if len(text) <= _USUAL_BYTES else _to_user_json)(text, ip)


def _write_properties(said: Raw) -> Raw | None:
    """What the event is about, as JSON; None when nothing is left of it. Remembered, as many look at one product."""
    text = bytes(said)
    return (_write_usual_properties if len(text) <= _USUAL_BYTES else _to_properties_json)(text)


def _to_user_json(text: bytes, ip: str | None) -> Raw:
    return Raw(_encode(_to_user(_decode_user(text), ip)))


def _to_properties_json(text: bytes) -> Raw | None:
    properties = _to_properties(_decode_properties(text))
    return None if properties == _NO_PROPERTIES else Raw(_encode(properties))


_write_usual_user = lru_cache(_CACHED)(_to_user_json)
_write_usual_properties = lru_cache(_CACHED)(_to_properties_json)


def _to_user(user: User, ip: str | None) -> _User:
    """The match keys without the empty ones, without what should be a digest and is none, and without local addresses.

    `user_agent` describes the browser at `ip` and leaves together with it or not at all (spec 2.3).
    """
    ip = to_public_ip(ip)
    return _User(
        email=_digests(user.email),
        phone=_digests(user.phone),
        external_id=_digests(user.external_id),
        first_name=_digest(user.first_name),
        last_name=_digest(user.last_name),
        zip_code=_digest(user.zip_code),
        city=_text(user.city),
        state=_text(user.state),
        country=_text(user.country),
        ttclid=_text(user.ttclid),
        ttp=_text(user.ttp),
        ip=ip,
        user_agent=_text(user.user_agent) if ip else None,
        locale=_text(user.locale),
    )


def _to_properties(given: Properties) -> _Properties:
    """What the event is about; a value in a currency TikTok does not know leaves with neither of the two."""
    products = [_to_content(content) for content in given.contents]
    contents = [content for content in products if content != _NO_PRODUCT]
    content_ids = [content_id for content_id in given.content_ids if _text(content_id)]
    currency = _text((given.currency or "").strip().upper())
    has_worth = currency is None or currency in CURRENCIES
    return _Properties(
        contents=contents or None,
        content_ids=content_ids or None,
        content_type=_text(given.content_type) or ("product" if contents or content_ids else None),
        currency=currency if has_worth else None,
        value=_number(given.value) if has_worth else None,
        num_items=_count_items(products) if given.num_items is None else given.num_items,
        search_string=_text(given.search_string),
        description=_text(given.description),
        order_id=_text(given.order_id),
        shop_id=_text(given.shop_id),
        customer_type=_text(given.customer_type),
    )


def _to_content(content: Content) -> _Content:
    return _Content(
        content_id=_text(content.content_id),
        content_name=_text(content.content_name),
        content_category=_text(content.content_category),
        brand=_text(content.brand),
        price=_number(content.price),
        quantity=_number(content.quantity),
    )


def _count_items(products: Sequence[_Content]) -> int | None:
    """The number of pieces: the sum of the quantities when every product has one and it is whole."""
    known = [product.quantity for product in products if product.quantity is not None]
    total = math.fsum(known)
    return int(total) if known and len(known) == len(products) and total.is_integer() else None


def _number(number: Decimal | None) -> float | None:
    """A number JSON can hold, whole ones without a fraction; zero is one, NaN and the infinite are none."""
    if number is None or number.is_snan():
        return None
    value = float(number)
    if value.is_integer():
        return int(value) if abs(value) < 2**53 else value
    return value if math.isfinite(value) else None


def _text(text: str | None) -> str | None:
    """The text untouched, or None when nothing is in it."""
    return text if text and not text.isspace() else None


def _digest(digest: str | None) -> str | None:
    return digest if digest and is_digest(digest) else None


def _digests(digests: Sequence[str]) -> str | list[str] | None:
    """One digest as plain text, several as a list: both are documented, and one is most common as text (spec 2.3)."""
    good = [digest for digest in digests if is_digest(digest)]
    return good if len(good) > 1 else next(iter(good), None)

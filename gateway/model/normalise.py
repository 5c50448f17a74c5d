"""Personal data as TikTok compares it: normalised, and hashed where TikTok wants a digest.

Called by `gateway.intake` and `gateway.shopify` as soon as a value has been read, so that no raw email, phone, name or
zip code goes any further; `to_public_ip` and `is_digest` are asked again by `gateway.tiktok.payload` before an event
leaves. Pure functions: None in, nothing in or rubbish in is None out.

Source: TikTok Events API 2.0, `user` parameters, and the hashing rules of its help centre (spec 2.3, read 2026-09).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
"""The digest of nothing. Whoever sends it hashed an empty field, and everybody who does would look like one person."""

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_SENT_DIGEST = re.compile(r"[0-9a-f]{64}")
_INTERNATIONAL_PREFIX = re.compile(r"\W*00")
_DOCUMENTATION = tuple(
    ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)


def hash_email(raw: str | None) -> str | None:
    """The digest of the trimmed, lower-cased address; dots and +tags stay. What has no @ is not an address: None."""
    text = _trim(raw).lower()
    if _DIGEST.fullmatch(text):
        return to_digest(text)
    return _sha256(text) if "@" in text.strip("@") else None


def hash_phone(raw: str | None, country: str | None) -> str | None:
    """The digest of the number in E.164 with its +; None when no country code can be known.

    Shape: `country` is an ISO 3166 two-letter code telling how to read a number written without a country code.
    """
    text = _trim(raw)
    if _DIGEST.fullmatch(text):
        return to_digest(text)
    return _sha256(_to_e164(text, country) or "")


def hash_external_id(raw: str | None) -> str | None:
    """The digest of the trimmed id in its own case, as the browser's `ttq.identify` must be given it too."""
    text = _trim(raw)
    return to_digest(text) if _DIGEST.fullmatch(text) else _sha256(text)


def hash_name(raw: str | None) -> str | None:
    """The digest of a first or last name, trimmed, lower-cased and without punctuation of any script."""
    text = _trim(raw).lower()
    if _DIGEST.fullmatch(text):
        return to_digest(text)
    return _sha256("".join(c for c in text if not unicodedata.category(c).startswith("P")).strip())


def hash_zip(raw: str | None, country: str | None) -> str | None:
    """The digest of a postal code in lower case without spaces and hyphens; of a US one, its first five digits."""
    text = _trim(raw).lower()
    if _DIGEST.fullmatch(text):
        return to_digest(text)
    code = "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Pd")
    return _sha256(code[:5] if to_country(country) == "us" else code)


def to_city(raw: str | None) -> str | None:
    """The name of a city as TikTok compares it, in the clear: lower case, letters and digits of any script."""
    text = unicodedata.normalize("NFC", _trim(raw).lower())
    return "".join(c for c in text if unicodedata.category(c)[0] in "LMN") or None


to_state = to_city
"""The name or code of a state: the rule is that of the city."""


def to_country(raw: str | None) -> str | None:
    """The ISO 3166 two-letter code in lower case; anything else, such as a country's name, is None."""
    text = to_city(raw)
    return text if text and len(text) == 2 and text.isascii() and text.isalpha() else None


@lru_cache(4096)
def to_public_ip(raw: str | None) -> str | None:
    """The visitor's address when it is one of the public internet, an IPv4 in IPv6's clothes as IPv4; else None.

    Cached, as one address is read in several places. Addresses reserved for documentation count as public: TikTok takes
    them, and tests have no others (spec 8). An IPv6 zone, which may be any text, means nothing outside of its machine.
    """
    try:
        ip = ip_address(_trim(raw).partition("%")[0])
    except ValueError:
        return None
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ip) if _is_public(ip) else None


def is_digest(value: str) -> bool:
    """Whether this is a SHA-256 of something, as TikTok takes it: 64 lower-case hex digits, and not of nothing."""
    return bool(_SENT_DIGEST.fullmatch(value)) and value != EMPTY_SHA256


def to_digest(text: str) -> str | None:
    """A digest made elsewhere in lower case, or None when it is the digest of nothing or no digest at all."""
    digest = text.lower()
    return digest if _DIGEST.fullmatch(digest) and digest != EMPTY_SHA256 else None


def _trim(raw: str | None) -> str:
    return raw.strip() if raw else ""


def _sha256(text: str) -> str | None:
    """The digest, never of nothing. Half a surrogate pair, which has no UTF-8, is hashed as a question mark."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() if text else None


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if any(ip in net for net in _DOCUMENTATION):
        return True
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _to_e164(text: str, country: str | None) -> str | None:
    """The number with + and country code: the first reading that is a number in use, else a possible one as written.

    The fallback takes numbers of blocks not yet handed out, and the 555 numbers that tests are made of. A row of one
    digit, typed to get past a form, is nobody's number: hashed, it would make one person of all who typed it.
    """
    # Imported here: it takes a tenth of a second, and half of the commands never see a phone number.
    from phonenumbers import PhoneNumberFormat, ValidationResult, format_number, is_possible_number_with_reason
    from phonenumbers import is_valid_number as is_in_use

    number = next(filter(is_in_use, _read_phone(text, country)), None)
    if number is None:
        number = _parse_phone(text, country)
        if number is None or is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
            return None
        if len(set(str(number.national_number))) == 1:
            return None
    return format_number(number, PhoneNumberFormat.E164)


def _read_phone(text: str, country: str | None) -> Iterator[PhoneNumber]:
    """What the digits may mean, the likeliest first: 00 for +, the country's own code without its +, as written.

    A missing + is guessed for the country at hand alone: else any row of digits would be somebody's number.
    """
    from phonenumbers import country_code_for_region

    readings = [text]
    if country and text.startswith(str(country_code_for_region(country.upper()))):
        readings.insert(0, "+" + text)
    if dialled := _INTERNATIONAL_PREFIX.match(text):
        readings.insert(0, "+" + text[dialled.end() :])
    return filter(None, (_parse_phone(reading, country) for reading in readings))


def _parse_phone(text: str, country: str | None) -> PhoneNumber | None:
    from phonenumbers import NumberParseException, parse

    try:
        return parse(text, country.upper() if country else None)
    except NumberParseException:
        return None

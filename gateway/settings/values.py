"""The kinds of value a setting can have. Each refuses a wrong one with what to write instead, and never repeats it.

Used by `gateway.settings.model` alone. A value may be a secret that landed in the wrong place, so no sentence here
quotes what it was given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from gateway.settings.rates import parse_rate

_HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_URL_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_RESERVED = ("/go", "/webhooks", "/healthz", "/readyz", "/metrics", "/admin", "/control")


def is_loopback(host: str) -> bool:
    """Whether this name or address can only mean the machine itself. Source: RFC 6761 6.3 for `.localhost`."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """The host name in a URL that has passed one of the checks below."""
    return urlsplit(url).hostname or ""


def _is_host(text: str) -> bool:
    """Whether this is a name or an address, in lower case."""
    if _HOST.fullmatch(text):
        return len(text) <= 253
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _split_url(text: str, mend: str) -> tuple[SplitResult, str]:
    """The parts of a URL and its origin as a browser writes it: lower case, without the scheme's own port."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(mend) from None
    if parts.scheme not in _DEFAULT_PORTS or not host or not _is_host(host) or "@" in parts.netloc:
        raise ValueError(mend)
    shown = f"[{host}]" if ":" in host else host
    return parts, f"{parts.scheme}://{shown}" + (f":{port}" if port not in (None, _DEFAULT_PORTS[parts.scheme]) else "")


def _check_host(text: str) -> str:
    host = text.lower()
    if ":" in host or not _is_host(host):
        raise ValueError("must be a bare host name such as t.acme.com, without https://, port or path")
    return host


def _check_address(text: str) -> str:
    if not _is_host(text.lower()):
        raise ValueError("must be an address to listen on, such as 127.0.0.1, 0.0.0.0 or ::")
    return text


def _check_origin(text: str) -> str:
    mend = (
        "must be an origin as browsers send it, such as https://www.acme.com: no path, no slash at the end, no port 443"
    )
    parts, origin = _split_url(text, mend)
    if text.lower() != origin:
        raise ValueError(mend)
    if parts.scheme == "http" and not (is_loopback(host_of(origin)) or host_of(origin).endswith(".test")):
        raise ValueError("must start with https://; plain http is for localhost and .test names only")
    return origin


def check_base_url(text: str) -> str:
    """The address without a slash at its end; public for `model`, where an empty one has a meaning of its own."""
    mend = "must be an address such as https://business-api.tiktok.com, without a query"
    parts, _ = _split_url(text, mend)
    if parts.query or parts.fragment:
        raise ValueError(mend)
    if parts.scheme == "http" and not is_loopback(host_of(text)):
        raise ValueError("must start with https://: credentials travel this way; plain http is for loopback only")
    return text.rstrip("/")


def _check_hook_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text:
        parts, _ = _split_url(text, "must be an address such as https://hooks.slack.com/services/…, or empty")
        if parts.scheme == "http" and not is_loopback(host_of(text)):
            raise ValueError("must start with https://; plain http is for loopback only")
    return url


def _check_database_url(url: SecretStr) -> SecretStr:
    scheme, _, rest = url.get_secret_value().partition("://")
    if scheme not in ("sqlite", "postgresql"):
        raise ValueError("must be sqlite:///path/to/gateway.db or postgresql://user:password@host/database")
    if scheme == "sqlite" and (not rest.startswith("/") or rest.partition("?")[0] in ("/", "/:memory:")):
        raise ValueError("must name a file, such as sqlite:///data/gateway.db: what is queued has to survive a restart")
    return url


def _check_proxy(text: str) -> str:
    if text == "*":
        raise ValueError("'*' would let any visitor forge an address; name the proxy's own address or network")
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError("must be an address or a network such as 127.0.0.1 or 10.0.0.0/8, no host bits set") from None
    if network.prefixlen == 0:
        raise ValueError("trusts everyone, so any visitor could forge an address; name the proxy's own network")
    return text


def _check_rate(text: str) -> str:
    parse_rate(text)
    return text


def _check_token(token: SecretStr) -> SecretStr:
    if not all("!" <= letter <= "~" for letter in token.get_secret_value()):
        raise ValueError("holds a space, a line break or a letter outside ASCII; copy it again")
    return token


def _check_given(token: SecretStr) -> SecretStr:
    if not token:
        raise ValueError("is empty; write the secret, or ${NAME} of the environment variable that holds it")
    return token


def _check_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value().encode()) < 32:
        raise ValueError(
            "is shorter than 32 bytes; make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return key


def _check_password_hash(value: SecretStr) -> SecretStr:
    if value and not value.get_secret_value().startswith("$argon2"):
        raise ValueError("must be what `tag-gateway password` prints, not the password itself")
    return value


def _check_url_path(text: str) -> str:
    if not _URL_PATH.fullmatch(text):
        raise ValueError(
            "must be a path such as /a7/q: a slash, then letters, digits, '-', '_' or '.'; no slash at the end"
        )
    if any(text == taken or text.startswith(taken + "/") for taken in _RESERVED):
        raise ValueError(f"is taken by the gateway itself ({', '.join(_RESERVED)}); choose another")
    return text


def _check_moment(value: object) -> datetime | None:
    """An aware UTC time, from TOML's own date-time or an ISO 8601 string; None from an empty one."""
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError("must be a time with its offset, such as 2026-12-31T18:00:00+01:00")
    return moment.astimezone(UTC)


def _check_pixel_code(text: str) -> str:
    if text.isdigit():
        raise ValueError(
            "is the pixel's long numeric id; the Events API wants its Pixel Code, 20 capital letters and digits, shown "
            "under the pixel's name in Events Manager"
        )
    return _matching(r"[A-Z0-9]{6,40}", "must be the Pixel Code from Events Manager: capital letters and digits")(text)


def _check_shop(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*\.myshopify\.com", text.lower()):
        raise ValueError(
            "must be the shop's permanent name such as acme.myshopify.com (Shopify admin, Settings, Domains)"
        )
    return text.lower()


def _matching(pattern: str, mend: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(mend)
        return text

    return check


def _split_commas(value: Any) -> Any:
    """A list from text, so that one environment variable can fill it: entries between commas."""
    if not isinstance(value, str):
        return value
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def _check_filled(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    if not entries:
        raise ValueError("is empty; it needs at least one entry")
    return entries


Listed = BeforeValidator(_split_commas)
"""Marks a list that may also be written as text with commas."""

Filled = AfterValidator(_check_filled)
"""Marks a list that may not be empty. Unlike `min_length` it is silent when an entry is at fault already."""

Host = Annotated[str, AfterValidator(_check_host)]
Address = Annotated[str, AfterValidator(_check_address)]
Origin = Annotated[str, AfterValidator(_check_origin)]
BaseUrl = Annotated[str, AfterValidator(check_base_url)]
HookUrl = Annotated[SecretStr, AfterValidator(_check_hook_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]
Proxy = Annotated[str, AfterValidator(_check_proxy)]
Rate = Annotated[str, AfterValidator(_check_rate)]
Token = Annotated[SecretStr, AfterValidator(_check_token)]
GivenToken = Annotated[Token, AfterValidator(_check_given)]
SigningKey = Annotated[SecretStr, AfterValidator(_check_key)]
PasswordHash = Annotated[SecretStr, AfterValidator(_check_password_hash)]
UrlPath = Annotated[str, AfterValidator(_check_url_path)]
Moment = Annotated[datetime | None, BeforeValidator(_check_moment)]
PixelCode = Annotated[str, AfterValidator(_check_pixel_code)]
Shop = Annotated[str, AfterValidator(_check_shop)]

Slug = Annotated[
    str,
    AfterValidator(
        _matching(r"[a-z0-9][a-z0-9_-]{0,31}", "must be 1 to 32 small letters, digits, '-' or '_', such as acme")
    ),
]
QueryName = Annotated[
    str, AfterValidator(_matching(r"[A-Za-z0-9_.~-]{1,64}", "must be the name of a query parameter such as ttclid"))
]
EventName = Annotated[
    str, AfterValidator(_matching(r"[A-Za-z0-9_ -]{1,64}", "must be the name of an event such as Purchase"))
]
SourceName = Annotated[
    str, AfterValidator(_matching(r"[A-Za-z0-9_.:/ -]{1,64}", "must be an order's source_name such as web"))
]
ClientId = Annotated[
    str, AfterValidator(_matching(r"[A-Za-z0-9_-]{0,64}", "must be the app's client id; copy it again"))
]
TestCode = Annotated[
    str,
    AfterValidator(_matching(r"[A-Za-z0-9_-]{0,64}", "must be the code shown in Events Manager, such as TEST12345")),
]

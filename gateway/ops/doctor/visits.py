"""What a visitor's browser meets: its cookies come back as they were set, and its address reaches the gateway."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from http.cookies import CookieError, Morsel, SimpleCookie

import msgspec
from msgspec import Struct

from gateway.errors import GatewayError
from gateway.intake.tokens import Tokens
from gateway.model.normalise import to_public_ip
from gateway.model.person import Person
from gateway.ops.control import open_desk
from gateway.ops.doctor.findings import Finding, fail, ok, warn
from gateway.ops.doctor.network import Door, Reply, Unreachable
from gateway.ops.errands import Erase
from gateway.ops.seal import MIRROR_PATH, Seal
from gateway.settings import Settings, StoreSettings
from gateway.store.vitals import Vitals

FORGED_IP = "192.0.2.66"
"""An address that no visitor has: reserved for documentation (RFC 5737)."""

_MEND = "let the proxy pass POST requests, Origin and Set-Cookie of this host as they are"

_EXPECTED = {"_tgv": True, "_tgc": False, "ttclid": False, "_ttp": False}
"""The four cookies (contract 3), and whether the gateway alone may read them."""


async def check_cookies(settings: Settings, shop: StoreSettings, door: Door, clock: Callable[[], int]) -> Finding:
    """Whether a visit with consent gets its four cookies.

    Nothing happens in the visit, and its visitor is erased at once: no event and no record is left. Where erasing
    fails, the source of its consent, `doctor`, tells whose it was.
    """
    try:
        answer = await door.request("POST", shop.collect_path, *_build_visit(shop, clock()))
    except Unreachable as trouble:
        return fail("cookies", f"a visit to https://{door.host} cannot be reported: {trouble}", _MEND)
    cookies = dict(_read_cookies(answer))
    try:
        return _judge_cookies(shop, door.host, answer, cookies)
    finally:
        await _erase_visit(settings, shop, cookies, clock)


def _build_visit(shop: StoreSettings, now_ms: int) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a beacon without events, with a click and a `_ttp` of nobody's."""
    beacon = {
        "v": 1,
        "sent_at": now_ms,
        "page": {"url": f"{shop.origins[0]}/?{shop.click_params[0]}=tag-gateway-doctor"},
        "consent": {"marketing": True, "analytics": True, "sale_of_data": True, "source": "doctor"},
        "ids": {"first": secrets.token_hex(16), "ttp": "tag-gateway-doctor"},
        "events": [],
    }
    return json.dumps(beacon).encode(), {"Origin": shop.origins[0], "Content-Type": "text/plain;charset=UTF-8"}


def _read_cookies(answer: Reply) -> Iterator[tuple[str, Morsel[str]]]:
    for header in answer.headers.get_list("set-cookie"):
        try:
            yield from SimpleCookie(header).items()
        except CookieError:
            continue


def _judge_cookies(shop: StoreSettings, host: str, answer: Reply, cookies: dict[str, Morsel[str]]) -> Finding:
    if answer.status != 204:
        return fail("cookies", f"a visit to https://{host} is answered HTTP {answer.status}", _MEND)
    if dropped := answer.headers.get("x-dropped"):
        return fail(
            "cookies", f"the gateway drops a visit with consent ({dropped})", "restart it, and see its settings"
        )
    if answer.headers.get("access-control-allow-origin") != shop.origins[0]:
        return fail("cookies", "the proxy changes the headers that let the store's pages talk to the gateway", _MEND)
    if missing := [name for name in _EXPECTED if name not in cookies]:
        return fail("cookies", f"{', '.join(missing)} of the four cookies do not come back", _MEND)
    if changed := [name for name in _EXPECTED if not _is_as_set(cookies[name], shop.cookie_domain)]:
        return fail("cookies", f"{', '.join(changed)} do not come back as the gateway sets them", _MEND)
    return ok("cookies", "all four come back as the gateway sets them")


def _is_as_set(cookie: Morsel[str], domain: str) -> bool:
    """Whether the attributes are those of contract 3."""
    is_private = _EXPECTED[cookie.key]
    return (
        bool(cookie["secure"])
        and cookie["samesite"].lower() == "lax"
        and cookie["path"] == "/"
        and bool(cookie["httponly"]) == is_private
        and cookie["domain"] == ("" if is_private else domain)
        and cookie["max-age"].isdigit()
    )


async def _erase_visit(
    settings: Settings, shop: StoreSettings, cookies: dict[str, Morsel[str]], clock: Callable[[], int]
) -> None:
    """The visitor that the check made is gone. Trouble with the database has a finding of its own."""
    tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
    token = tokens.read_visitor(shop.id, cookies["_tgv"].value) if "_tgv" in cookies else None
    if token is None:
        return
    try:
        async with open_desk(settings, clock) as desk:
            async for _ in desk.run(Erase((shop.id,), Person(visitor_id=token.visitor_id))):
                pass
    except GatewayError:
        return


class _Seen(Struct, frozen=True):
    """What the gateway's mirror says (`gateway.web.mirror`)."""

    client: str
    is_forwarded: bool
    is_believed: bool


async def check_client(settings: Settings, door: Door, vitals: Vitals) -> Finding:
    """Whether the gateway sees the addresses of its visitors: theirs, and not one of their own invention."""
    body = secrets.token_bytes(16)
    headers = {"Authorization": f"Bearer {Seal(settings, MIRROR_PATH).sign(body)}", "X-Forwarded-For": FORGED_IP}
    try:
        answer = await door.request("POST", MIRROR_PATH, body, headers)
        return _judge_client(msgspec.json.decode(answer.body, type=_Seen), vitals)
    except Unreachable as trouble:
        return fail("client address", f"the gateway cannot be asked through https://{door.host}: {trouble}", _MEND)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return fail(
            "client address",
            f"the gateway behind https://{door.host} does not know this configuration's key",
            "restart it, name its file with --config, or let the proxy pass every path to it",
        )


def _judge_client(seen: _Seen, vitals: Vitals) -> Finding:
    """What the request shows; a private address shows nothing, as it may never have left this machine."""
    if to_public_ip(seen.client) == FORGED_IP:
        return fail(
            "client address",
            "visitors can claim any address: what they send as X-Forwarded-For is believed",
            "let the proxy replace X-Forwarded-For, as the Caddyfile does, and name no more than it in trusted_proxies",
        )
    if seen.is_forwarded and not seen.is_believed:
        return fail(
            "client address",
            f"visitors' addresses are hidden: the gateway sees the proxy's, {seen.client}, and does not believe it",
            f'add "{seen.client}" to server.trusted_proxies',
        )
    if to_public_ip(seen.client):
        return ok("client address", "the gateway sees where a visitor comes from")
    if not seen.is_forwarded:
        mend = "let the proxy send X-Forwarded-For, as the Caddyfile does"
        return fail("client address", "visitors' addresses are hidden: the proxy does not tell them", mend)
    return _judge_visitors(vitals)


def _judge_visitors(vitals: Vitals) -> Finding:
    """What the newest visitors show."""
    if vitals.located:
        return ok("client address", "the gateway sees where its visitors come from")
    if vitals.visitors:
        mend = "let the proxy see visitors' own addresses: in a container, give it the host's network"
        return fail("client address", f"of the newest {vitals.visitors} visitors no address is known", mend)
    mend = "visit the store with a phone, say yes to its banner, and run this again"
    return warn("client address", "from this machine nobody can tell, and no visitor has come yet", mend)

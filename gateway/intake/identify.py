"""Whose beacon this is: the signed ids it carries, the anchors that may lead back, and what it says about the visitor.

Raw email and phone end here: only their digests go on.
"""

from __future__ import annotations

import secrets
import string

from msgspec import Struct

from gateway.intake.beacon import Beacon, BeaconIds, BeaconUser
from gateway.intake.click import find_click_id, parse_click_id, parse_ttp
from gateway.intake.tokens import Tokens, VisitorToken
from gateway.model.consent import Consent
from gateway.model.normalise import hash_email, hash_external_id, hash_phone
from gateway.model.visitor import Click, Identity, Sighting
from gateway.settings import StoreSettings
from gateway.store.receipt import Anchor, AnchorKind

_ALPHANUMERIC = string.ascii_letters + string.digits


class Cookies(Struct, frozen=True, gc=False):
    """The four cookies as the browser sent them (contract 3); None where it sent none."""

    visitor: str | None = None
    companion: str | None = None
    ttclid: str | None = None
    ttp: str | None = None


class Hit(Struct, frozen=True, gc=False):
    """What the web layer knows of a request. Units: `now_ms` is when it arrived, Unix milliseconds.

    `refuses_sale`: the browser sends Global Privacy Control, which TikTok heeds where a law asks for it (spec 8).
    """

    now_ms: int
    ip: str | None = None
    user_agent: str = ""
    locale: str | None = None
    cookies: Cookies = Cookies()
    refuses_sale: bool = False


def find_token(tokens: Tokens, store_id: str, cookies: Cookies, companion: str | None) -> VisitorToken | None:
    """The visitor that a valid signature names: the cookie's, else the companion's, which carries no time (0)."""
    if token := tokens.read_visitor(store_id, cookies.visitor):
        return token
    for value in (companion, cookies.companion):
        if visitor_id := tokens.read_companion(store_id, value):
            return VisitorToken(visitor_id, 0)
    return None


def find_anchors(tokens: Tokens, store_id: str, ids: BeaconIds, identity: Identity) -> tuple[Anchor, ...]:
    """Every way back that this beacon names, the most certain first."""
    said = (
        ids.first, to_bare_cart(ids.cart), ids.checkout, ids.client, ids.customer, identity.email, identity.phone
    )  # fmt: skip
    if not any(said):
        return ()
    pairs = zip(AnchorKind, said, strict=True)
    return tuple(anchor for kind, value in pairs if value for anchor in tokens.anchors(store_id, kind, value))


def to_bare_cart(token: str | None) -> str | None:
    """The cart token without its key: webhooks carry it bare, and the key is a capability (Shopify spec 2.2)."""
    return token.partition("?")[0] if token else None


def read_identity(user: BeaconUser, customer: str | None) -> Identity:
    """The digests of who the visitor said they are; Shopify's customer id stands in for a missing external id."""
    if user.email is user.phone is user.external_id is customer is None:
        return Identity()
    return Identity(
        email=hash_email(user.email),
        phone=hash_phone(user.phone, None),
        external_id=hash_external_id(user.external_id or customer),
    )


def read_sighting(
    beacon: Beacon,
    hit: Hit,
    settings: StoreSettings,
    identity: Identity,
    consent: Consent | None,
    *,
    cookie_first_ms: int | None = None,
) -> Sighting:
    """What this beacon says about its visitor. `cookie_first_ms` is as in `Sighting`."""
    return Sighting(
        at_ms=hit.now_ms,
        click=_read_click(beacon, hit, settings),
        ttp=parse_ttp(beacon.ids.ttp) or parse_ttp(hit.cookies.ttp),
        minted_ttp=_mint_ttp() if settings.mint_ttp else None,
        identity=identity,
        consent=consent,
        ip=hit.ip,
        user_agent=hit.user_agent or None,
        cookie_first_ms=cookie_first_ms,
    )


def _read_click(beacon: Beacon, hit: Hit, settings: StoreSettings) -> Click | None:
    """A click id from the address is news; one that the cookie repeats is old and only fills a gap."""
    landed = find_click_id(beacon.page.url, settings.click_params)
    cookie = parse_click_id(hit.cookies.ttclid)
    told = landed or parse_click_id(beacon.ids.ttclid)
    if told and (landed or told != cookie):
        return Click(told, page_ms(beacon, hit.now_ms))
    return Click(cookie, 0) if cookie else None


def page_ms(beacon: Beacon, now_ms: int) -> int:
    """When the earliest event of this beacon happened, by the gateway's clock: a retried beacon may come days late."""
    return min((correct_ms(event.at, beacon.sent_at, now_ms) for event in beacon.events), default=now_ms)


def correct_ms(at: float | None, sent_at: float | None, now_ms: int) -> int:
    """A browser's time by the gateway's clock: how long before sending it was, counted back from now; never later."""
    if at is None or sent_at is None or at > sent_at:
        return now_ms
    return max(0, now_ms - int(sent_at - at))


def _mint_ttp() -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(27))

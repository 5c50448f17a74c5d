"""A beacon's way through the gateway: parse, screen, consent, identify, events, store.

Each step returns its value or a reason to stop; dropping is a value, not an exception.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from msgspec import Struct
from uuid_utils import uuid7

from gateway.intake.beacon import Beacon, BeaconConsent, BeaconContent, BeaconEvent, BeaconProperties, parse_beacon
from gateway.intake.bots import is_bot
from gateway.intake.identify import Hit, correct_ms, find_anchors, find_token, read_identity, read_sighting
from gateway.intake.tokens import Tokens, VisitorToken
from gateway.model.consent import Consent, ConsentMode, is_allowed
from gateway.model.event import Content, Event, Page, PixelState, Properties, Source, User
from gateway.model.names import INITIATE_CHECKOUT, PAGE_VIEW, to_current_name
from gateway.model.outcome import Dropped
from gateway.model.visitor import Identity, Sighting, Visitor
from gateway.settings import DeliverySettings, StoreSettings
from gateway.store import Receipt, Recorded, Store
from gateway.store.receipt import Queued

_HOUR_MS = 3_600_000
PIXEL_WINDOW_MS = 48 * _HOUR_MS - 60_000
"""How long after its Pixel twin an event may be sent (TikTok spec 5), less a minute for the request itself."""

_MODES = {mode.value: mode for mode in ConsentMode}

_WHOLE = frozenset({Dropped.BOT, Dropped.CONSENT})
"""Reasons to drop a beacon with all of its events; the others are found event by event."""


class Received(Struct, frozen=True, gc=False):
    """What became of a request. With a `visitor`, its cookies may be set; `first_ms` dates the visitor cookie."""

    visitor: Visitor | None = None
    first_ms: int = 0
    dropped: Dropped | None = None
    is_withdrawn: bool = False


class _Taken(Struct, frozen=True, gc=False):
    """What is to become of a beacon with so many events: the receipt to be written, or why there is none."""

    events: int
    receipt: Receipt | None = None
    token: VisitorToken | None = None
    dropped: Dropped | None = None
    is_withdrawn: bool = False

    def conclude(self, recorded: Recorded, now_ms: int) -> Received:
        """What became of it."""
        if self.is_withdrawn or not self.receipt:
            return Received(dropped=self.dropped, is_withdrawn=self.is_withdrawn)
        is_late = self.receipt.events and recorded.late == len(self.receipt.events)
        dropped = recorded.dropped or (Dropped.DUPLICATE if is_late else self.dropped)
        return Received(recorded.visitor, first_ms(self.token, recorded.visitor, now_ms), dropped)


class Intake:
    """Takes beacons for every store of this gateway."""

    def __init__(self, tokens: Tokens, store: Store, delivery: DeliverySettings) -> None:
        self._tokens = tokens
        self._store = store
        self._delivery = delivery

    async def receive(self, body: bytes, hit: Hit, settings: StoreSettings, source: Source) -> Received:
        """The beacon is durably stored, or deliberately dropped with the reason.

        Raises: Malformed, StoreUnavailable.
        """
        taken = self._take(parse_beacon(body), hit, settings, source)
        del body  # many requests wait for one commit: each holds on to no more than it still needs
        received = taken.conclude(await self._store.record(taken.receipt) if taken.receipt else Recorded(), hit.now_ms)
        if received.dropped in _WHOLE:
            self._store.note_dropped(settings.id, source, received.dropped, hit.now_ms, taken.events)
        return received

    def _take(self, beacon: Beacon, hit: Hit, settings: StoreSettings, source: Source) -> _Taken:
        count = len(beacon.events)
        if settings.bots == "drop" and is_bot(hit.user_agent):
            return _Taken(count, dropped=Dropped.BOT)
        consent = read_consent(beacon, hit)
        token = find_token(self._tokens, settings.id, hit.cookies, beacon.ids.companion)
        mode = _MODES[settings.consent]
        if not is_allowed(mode, consent):
            return self._refuse(beacon, hit, settings, consent, token)
        identity = read_identity(beacon.user, beacon.ids.customer)
        events, dropped = self._read_events(beacon, hit, settings, source)
        receipt = Receipt(
            store_id=settings.id,
            mode=mode,
            known_id=token.visitor_id if token else None,
            new_id=uuid7().hex,
            anchors=find_anchors(self._tokens, settings.id, beacon.ids, identity),
            sighting=read_sighting(
                beacon, hit, settings, identity, consent, cookie_first_ms=_cookie_first_ms(token, source)
            ),
            events=events,
        )
        return _Taken(count, receipt, token, None if events else dropped)

    def _refuse(
        self, beacon: Beacon, hit: Hit, settings: StoreSettings, consent: Consent | None, token: VisitorToken | None
    ) -> _Taken:
        """Nothing of this beacon is kept; a visitor known before who now says no is remembered as having said so."""
        count = len(beacon.events)
        if consent is None or consent.marketing is not False:
            return _Taken(count, dropped=Dropped.CONSENT)
        anchors = find_anchors(self._tokens, settings.id, beacon.ids, Identity())
        receipt = Receipt(
            store_id=settings.id,
            mode=_MODES[settings.consent],
            known_id=token.visitor_id if token else None,
            new_id="",
            may_create=False,
            anchors=anchors,
            sighting=Sighting(at_ms=hit.now_ms, consent=consent),
        )
        return _Taken(count, receipt if token or anchors else None, dropped=Dropped.CONSENT, is_withdrawn=True)

    def _read_events(
        self, beacon: Beacon, hit: Hit, settings: StoreSettings, source: Source
    ) -> tuple[tuple[Queued, ...], Dropped | None]:
        """Each event once for each pixel that takes it, or why none is left."""
        dropped: Dropped | None = None
        queued: list[Queued] = []
        for said in beacon.events:
            name = to_current_name(said.event)
            if name == PAGE_VIEW and said.pixel is PixelState.FIRED:
                dropped = Dropped.PAGE_VIEW
                self._store.note_dropped(settings.id, source, dropped, hit.now_ms)
                continue
            takers = [pixel.code for pixel in settings.pixels if not pixel.events or name in pixel.events]
            if not takers:
                dropped = Dropped.NO_PIXEL
                self._store.note_dropped(settings.id, source, dropped, hit.now_ms)
                continue
            hold_ms = self._hold_ms(settings, name, source, said.pixel)
            event = read_event(beacon, said, name, hit, source, hold_ms)
            expires_ms = expiry_ms(event, self._delivery.max_age_h)
            queued += [Queued(code, event, expires_ms) for code in takers]
        return tuple(queued), dropped

    def _hold_ms(self, settings: StoreSettings, name: str, source: Source, pixel: PixelState | None) -> int:
        """How long an event waits for a twin, where there is a Shopify to tell of it.

        A browser's Purchase waits for its webhook, a theme's InitiateCheckout for the checkout to tell of itself under
        its own id; unless the Pixel has told TikTok of the theme's, whose id then stands.
        """
        is_of_theme = name == INITIATE_CHECKOUT and source is Source.BEACON and pixel is not PixelState.FIRED
        waits = settings.shopify is not None and (name == "Purchase" or is_of_theme)
        return int(self._delivery.purchase_hold_s * 1000) if waits else 0


def read_consent(beacon: Beacon, hit: Hit) -> Consent | None:
    """The choice that this beacon reports, dated now. Global Privacy Control refuses a sale of data for good.

    So a later order of this visitor, which no browser accompanies, is limited as well.
    """
    said = beacon.consent or BeaconConsent()
    sale_of_data = False if hit.refuses_sale else said.sale_of_data
    if said.marketing is said.analytics is sale_of_data is None:
        return None
    return Consent(said.marketing, said.analytics, sale_of_data, said.source, hit.now_ms)


def read_event(beacon: Beacon, said: BeaconEvent, name: str, hit: Hit, source: Source, hold_ms: int) -> Event:
    """The event as the gateway keeps it: dated by our clock, with the request's own address and user agent."""
    refuses_sale = hit.refuses_sale or (beacon.consent is not None and beacon.consent.sale_of_data is False)
    return Event(
        event=name,
        event_id=said.event_id,
        occurred_ms=correct_ms(said.at, beacon.sent_at, hit.now_ms),
        received_ms=hit.now_ms,
        source=source,
        page=Page(beacon.page.url, beacon.page.referrer or None),
        user=User(ip=hit.ip, user_agent=hit.user_agent or None, locale=hit.locale),
        properties=to_properties(said.properties) if said.properties else Properties(),
        pixel=said.pixel,
        limited_data_use=refuses_sale,
        hold_until_ms=hit.now_ms + hold_ms if hold_ms else 0,
    )


def expiry_ms(event: Event, max_age_h: float) -> int:
    """After this time the event must not be sent: too old, or TikTok would count it beside its Pixel twin."""
    return latest_ms(event.occurred_ms, event.pixel, max_age_h)


def latest_ms(occurred_ms: int, pixel: str | None, max_age_h: float) -> int:
    """The same for an event that happened then and whose Pixel copy became this."""
    oldest_ms = occurred_ms + int(max_age_h * _HOUR_MS)
    return min(oldest_ms, occurred_ms + PIXEL_WINDOW_MS) if pixel == PixelState.FIRED else oldest_ms


def to_properties(said: BeaconProperties) -> Properties:
    """The properties with ids as text and money as decimals, digit for digit as the page's JSON says."""
    return Properties(
        contents=tuple([_to_content(content) for content in said.contents]),
        content_ids=tuple(map(str, said.content_ids)),
        content_type=said.content_type,
        currency=said.currency,
        value=_to_decimal(said.value),
        num_items=said.num_items,
        search_string=said.search_string,
        description=said.description,
        order_id=_to_text(said.order_id),
        shop_id=_to_text(said.shop_id),
        customer_type=said.customer_type,
    )


def _to_content(said: BeaconContent) -> Content:
    return Content(
        content_id=_to_text(said.content_id),
        content_name=said.content_name,
        content_category=said.content_category,
        brand=said.brand,
        price=_to_decimal(said.price),
        quantity=_to_decimal(said.quantity),
    )


def _to_text(value: str | int | None) -> str | None:
    return str(value) if isinstance(value, int) else value


@lru_cache(4096)
def _to_decimal(value: float | None) -> Decimal | None:
    """Cached, as a shop has few prices."""
    return None if value is None else Decimal(str(value))


def _cookie_first_ms(token: VisitorToken | None, source: Source) -> int | None:
    """When the visitor cookie that came along was first issued; 0 without one, None where no cookie ever comes."""
    if source is not Source.BEACON:
        return None
    return token.first_ms if token else 0


def first_ms(token: VisitorToken | None, visitor: Visitor | None, now_ms: int) -> int:
    """When this browser's visitor cookie was first issued: what the cookie says, as long as it is the same visitor."""
    if token and visitor and token.visitor_id == visitor.id and token.first_ms:
        return token.first_ms
    return now_ms

"""What the shop told becomes a Receipt: found its visitor, follows their consent, and goes into the account of orders.

Called by `gateway.web.webhook` and `gateway.ops.reconcile` with what `gateway.shopify` made of Shopify's resources. No
browser gets an answer, so every way back to the visitor counts here (contract 4.6).
"""

from __future__ import annotations

from msgspec import structs
from uuid_utils import uuid7

from gateway.intake.click import find_click_id
from gateway.intake.receive import expiry_ms
from gateway.intake.tokens import Tokens
from gateway.model.consent import ConsentMode
from gateway.model.conversion import BuyerIds, Conversion, NotSent, OrderFacts, Reason, Reversal
from gateway.model.event import Event, Source, User
from gateway.model.normalise import hash_external_id
from gateway.model.outcome import Dropped
from gateway.model.visitor import Click, Identity, Sighting
from gateway.settings import DeliverySettings, StoreSettings
from gateway.store import Receipt, Recorded, Store
from gateway.store.receipt import Anchor, AnchorKind, OrderNote, Queued, WebhookNote


class OrderIntake:
    """Takes what shops tell, for every store of this gateway."""

    def __init__(self, tokens: Tokens, store: Store, delivery: DeliverySettings) -> None:
        self._tokens = tokens
        self._store = store
        self._delivery = delivery

    async def record(
        self,
        settings: StoreSettings,
        now_ms: int,
        told: Conversion | NotSent | None,
        *,
        webhook: WebhookNote | None = None,
        facts: OrderFacts | None = None,
        reversal: Reversal | None = None,
    ) -> Recorded:
        """All of this is durably stored, and the event queued once if it is one; a repeated webhook changes nothing.

        Raises: StoreUnavailable.
        """
        ids = told.ids if told else BuyerIds()
        mode = ConsentMode(settings.consent)
        event = told.event if isinstance(told, Conversion) else None
        landed = find_click_id(event.page.url, settings.click_params) if event else None
        events = self._queue(event, settings) if event else ()
        return await self._store.record(
            Receipt(
                store_id=settings.id,
                mode=mode,
                known_id=self._tokens.read_companion(settings.id, ids.companion),
                new_id=uuid7().hex,
                anchors=find_buyer_anchors(self._tokens, settings.id, ids),
                sighting=_read_sighting(ids, landed, now_ms),
                events=events,
                may_create=mode is ConsentMode.GRANTED and bool(events),
                is_browserless=True,
                fallback=structs.replace(told.fallback, ttclid=landed) if isinstance(told, Conversion) else User(),
                hold_unknown_ms=self._hold_ms(event),
                webhook=webhook,
                order=OrderNote(facts, _find_reason(told, events)) if facts else None,
                reversal=reversal,
            )
        )

    def note_unsigned(self, settings: StoreSettings, now_ms: int) -> None:
        """A webhook came in this shop's name that the shop did not sign; it is counted."""
        self._store.note_dropped(settings.id, Source.WEBHOOK, Dropped.SIGNATURE, now_ms)

    def _hold_ms(self, event: Event | None) -> int:
        """A Purchase of somebody unknown waits for the browser that may still tell of it."""
        return int(self._delivery.purchase_hold_s * 1000) if event and event.event == "Purchase" else 0

    def _queue(self, event: Event, settings: StoreSettings) -> tuple[Queued, ...]:
        expires_ms = expiry_ms(event, self._delivery.max_age_h)
        return tuple(Queued(pixel.code, event, expires_ms) for pixel in settings.pixels if pixel.takes(event.event))


def _find_reason(told: Conversion | NotSent | None, events: tuple[Queued, ...]) -> Reason | None:
    """Why nothing of an order is queued; whether its visitor allows it, the store finds out."""
    if isinstance(told, NotSent):
        return told.reason
    return None if events else Reason.NO_PIXEL


def find_buyer_anchors(tokens: Tokens, store_id: str, ids: BuyerIds) -> tuple[Anchor, ...]:
    """Every way back that an order names, the most certain first."""
    said = (
        (AnchorKind.CHECKOUT, ids.checkout_token),
        (AnchorKind.CART, ids.cart_token),
        (AnchorKind.CUSTOMER, ids.customer_id),
        (AnchorKind.EMAIL, ids.email),
        (AnchorKind.PHONE, ids.phone),
    )
    return tuple(anchor for kind, value in said for anchor in tokens.anchors(store_id, kind, value))


def _read_sighting(ids: BuyerIds, landed: str | None, now_ms: int) -> Sighting:
    """Who bought; the click of the landing that Shopify kept only fills a gap, so it carries no time."""
    return Sighting(
        at_ms=now_ms,
        click=Click(landed, 0) if landed else None,
        identity=Identity(ids.email, ids.phone, hash_external_id(ids.customer_id)),
    )

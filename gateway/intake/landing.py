"""An ad landing on /go: the click id is kept before the store's page has even loaded, if this visitor allows it."""

from __future__ import annotations

from uuid_utils import uuid7

from gateway.intake.bots import is_bot
from gateway.intake.click import find_in_query, parse_ttp
from gateway.intake.identify import Hit, find_token
from gateway.intake.receive import Received, first_ms
from gateway.intake.tokens import Tokens
from gateway.model.consent import ConsentMode
from gateway.model.outcome import Dropped
from gateway.model.visitor import Click, Sighting
from gateway.settings import StoreSettings
from gateway.store import Receipt, Store


async def land(query: str, hit: Hit, settings: StoreSettings, tokens: Tokens, store: Store) -> Received:
    """The visitor and their click are durably stored; or nothing is, where consent is not known (contract 3, /go).

    Raises: StoreUnavailable.
    """
    if settings.bots == "drop" and is_bot(hit.user_agent):
        return Received(dropped=Dropped.BOT)
    token = find_token(tokens, settings.id, hit.cookies, None)
    click_id = find_in_query(query, settings.click_params)
    mode = ConsentMode.GRANTED if settings.go_without_consent else ConsentMode(settings.consent)
    recorded = await store.record(
        Receipt(
            store_id=settings.id,
            mode=mode,
            known_id=token.visitor_id if token else None,
            new_id=uuid7().hex,
            may_create=mode is ConsentMode.GRANTED,
            sighting=Sighting(
                at_ms=hit.now_ms,
                click=Click(click_id, hit.now_ms) if click_id else None,
                ttp=parse_ttp(hit.cookies.ttp),
                ip=hit.ip,
                user_agent=hit.user_agent or None,
            ),
        )
    )
    return Received(recorded.visitor, first_ms(token, recorded.visitor, hit.now_ms), recorded.dropped)

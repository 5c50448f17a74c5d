"""The account of an order, an event or a person, found by whatever is at hand; and the button that replays.

What is looked for may be an email address. So it is posted, and neither the address of the page nor the page has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection

from gateway.admin.format import to_moment
from gateway.admin.page import Page, View
from gateway.model.dossier import Dossier, EventDossier
from gateway.model.outcome import Fate
from gateway.model.telling import Line, When, tell_event, tell_order, tell_visitor
from gateway.model.words import WEBHOOKS_REFUSED
from gateway.store.alerts import find_troubles
from gateway.store.search import search
from gateway.store.vitals import are_webhooks_refused
from gateway.store.walk import Wanted

PATIENCE_S = 0.05
"""A search waits no longer for DNS, and only where somebody came with Safari; what comes later, the next one tells."""

MOST_OPEN = 3
"""So many accounts are open from the start; the others are a line each."""


class Account(Struct, frozen=True):
    """What there is to say of one order, event or visitor. `told` is what happened, in its order."""

    title: str
    id: str
    told: Sequence[Line]
    event: EventDossier | None = None

    @property
    def can_replay(self) -> bool:
        """Whether it ended without TikTok; whether it may be sent again, is judged when that is asked."""
        return self.event is not None and self.event.fate in (Fate.REJECTED, Fate.EXPIRED)


async def show(view: View) -> Mapping[str, Any]:
    """What was found, if anything was looked for."""
    said = view.form.get("q", "")
    inquiry = view.backend.inquire(view.shop.id, said)
    find = partial(search, store_id=view.shop.id, inquiry=inquiry)
    found = await view.store.read(find) if said.strip() else Dossier()
    return {
        "is_asked": bool(said.strip()),
        "accounts": tell(found, partial(_tell_time, view), await _tell_cost(view, found)),
        "found": found,
        "most_open": MOST_OPEN,
        "warnings": await view.store.read(lambda connection: list(_find_warnings(view, connection))),
    }


def _find_warnings(view: View, connection: Connection) -> Iterator[str]:
    """What is wrong just now, and may be why an account is not as it should be."""
    for store_id, cause in find_troubles(connection):
        if store_id in ("", view.shop.id):
            said = view.backend.tell_trouble(cause)
            yield said[:1].upper() + said[1:]
    if are_webhooks_refused(connection, view.shop.id):
        yield WEBHOOKS_REFUSED


async def _tell_cost(view: View, found: Dossier) -> str:
    """What Safari takes of the life of these visitors' cookies, as far as DNS tells at once."""
    if not any(visitor.is_safari for visitor in found.visitors):
        return ""
    life = await view.backend.predict_cookies(view.shop, PATIENCE_S)
    return life.cost if life else ""


async def replay(view: View, form: Mapping[str, str]) -> str:
    """The event that the form names is sent once more, where that counts nothing twice; what came of it."""
    id_ = form.get("replay")
    return await view.backend.buttons.replay(view.shop, Wanted(ids=(id_,))) if id_ else ""


def tell(found: Dossier, when: When, cost: str) -> Mapping[str, Sequence[Account]]:
    """The accounts, by what they are of."""
    return {
        "Orders": [Account(f"Order {one.name or one.id}", one.id, list(tell_order(one, when))) for one in found.orders],
        "Events": [Account(one.event, one.event_id, list(tell_event(one, when)), one) for one in found.events],
        "Visitors": [Account("Visitor", one.id, list(tell_visitor(one, when, cost))) for one in found.visitors],
    }


def _tell_time(view: View, at_ms: int) -> str:
    at = to_moment(at_ms, view.zone)
    return f"{at.day} {at.clock} {at.zone}"


PAGE = Page("ledger", "Ledger", show, act=replay)

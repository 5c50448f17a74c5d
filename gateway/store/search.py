"""Finds orders, events and visitors by whatever a merchant has at hand. Indexed look-ups alone; changes nothing.

`gateway.intake.inquiry` makes the Inquiry; the Dossier is told by `gateway.model.telling`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, select

from gateway.model.dossier import Dossier, EventDossier, OrderDossier, VisitorDossier
from gateway.store.dossiers import to_order_dossier, to_visitor_dossier
from gateway.store.receipt import Anchor
from gateway.store.tables import events, links, orders, visitors, visits
from gateway.store.visits import belong
from gateway.store.walk import read_events

LONGEST = 100
"""Events of one answer: more are nobody's reading."""
FEW = 20
"""Visitors, and orders, of one answer."""


class Inquiry(Struct, frozen=True):
    """What a text may mean: each of these is looked for. `email` is a SHA-256 digest, the anchors are keyed."""

    order_ids: tuple[str, ...] = ()
    order_names: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    row_ids: tuple[str, ...] = ()
    visitor_ids: tuple[str, ...] = ()
    email: str | None = None
    anchors: tuple[Anchor, ...] = ()


def search(connection: Connection, store_id: str, inquiry: Inquiry) -> Dossier:
    """All that is meant, with what hangs together: a person's orders and events, an order's Purchase, its buyer."""
    people = _find_people(connection, store_id, inquiry)
    found_orders = _find_orders(connection, store_id, inquiry, people)
    told = [*inquiry.event_ids, *(f"purchase_{order.id}" for order in found_orders)]
    found = _find_events(connection, store_id, told, inquiry.row_ids, people)
    if not found_orders:
        of_events = [one.event_id.removeprefix("purchase_") for one in found if one.event == "Purchase"]
        found_orders = _select_orders(connection, store_id, orders.c.id.in_(of_events))
    seen = filter(None, [order.visitor_id for order in found_orders] + [event.visitor_id for event in found])
    return Dossier(
        orders=tuple(found_orders),
        events=tuple(found[:LONGEST]),
        visitors=tuple(_read_visitors(connection, store_id, _first(FEW, [*people, *seen]))),
        is_cut=len(found) > LONGEST or len(found_orders) == FEW,
    )


def _first(count: int, ids: Iterable[str]) -> list[str]:
    """So many of the ids, each once."""
    return list(dict.fromkeys(ids))[:count]


def _find_people(connection: Connection, store_id: str, inquiry: Inquiry) -> list[str]:
    """The ids of the visitors that are named, or that the email leads to."""
    found = list(inquiry.visitor_ids)
    if inquiry.email:
        by_email = visitors.c.email == inquiry.email
        query = select(visitors.c.id).where(visitors.c.store_id == store_id, by_email).limit(FEW)
        found += connection.scalars(query)
    for anchor in inquiry.anchors:
        at = and_(links.c.store_id == store_id, links.c.kind == anchor.kind, links.c.digest == anchor.digest)
        found += connection.scalars(select(links.c.visitor_id).where(at))
    return _first(FEW, found)


def _find_orders(
    connection: Connection, store_id: str, inquiry: Inquiry, people: Collection[str]
) -> Sequence[OrderDossier]:
    found: dict[str, OrderDossier] = {}
    for column, values in (
        (orders.c.name, inquiry.order_names),
        (orders.c.id, inquiry.order_ids),
        (orders.c.visitor_id, people),
    ):
        if values:
            found |= {one.id: one for one in _select_orders(connection, store_id, column.in_(values))}
    return list(found.values())[:FEW]


def _select_orders(connection: Connection, store_id: str, which: ColumnElement[bool]) -> list[OrderDossier]:
    """The newest first. Sorted here: asked to sort, a database may rather walk through all orders in that order."""
    query = select(orders).where(orders.c.store_id == store_id, which).limit(LONGEST)
    found = [to_order_dossier(row) for row in connection.execute(query)]
    return sorted(found, key=lambda order: order.placed_ms, reverse=True)[:FEW]


def _find_events(
    connection: Connection, store_id: str, event_ids: Collection[str], row_ids: Collection[str], people: Collection[str]
) -> list[EventDossier]:
    """One more than is shown, if there are so many; the newest first."""
    named = select(events.c.id).where(events.c.store_id == store_id)
    theirs = select(events.c.id).join(visits, belong()).where(visits.c.store_id == store_id)
    found: set[str] = set()
    for query, column, values in (
        (named, events.c.event_id, event_ids),
        (named, events.c.id, row_ids),
        (theirs, visits.c.visitor_id, people),
    ):
        if values:
            newest = query.where(column.in_(values)).order_by(events.c.received_ms.desc())
            found |= {*connection.scalars(newest.limit(LONGEST + 1))}
    return read_events(connection, store_id, sorted(found, reverse=True)[: LONGEST + 1])


def _read_visitors(connection: Connection, store_id: str, ids: Collection[str]) -> list[VisitorDossier]:
    query = select(visitors).where(visitors.c.store_id == store_id, visitors.c.id.in_(ids))
    return [to_visitor_dossier(row) for row in connection.execute(query)]

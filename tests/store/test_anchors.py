"""Anchors lead back to a visitor: unguessable ones restore it, guessable ones only tell who the person is."""

from __future__ import annotations

import pytest

from gateway.model.outcome import Dropped
from gateway.model.visitor import Identity
from gateway.store import Store
from gateway.store.receipt import UNGUESSABLE, AnchorKind
from gateway.store.tables import events, links, visitors
from tests.store.conftest import Record
from tests.store.samples import (
    NO,
    NOW_MS,
    anchor,
    click,
    make_event,
    make_receipt,
    make_sighting,
    person,
    read_event,
    read_rows,
)

GUESSABLE = sorted(set(AnchorKind) - UNGUESSABLE)


def seen_with(ttclid: str, at_ms: int = NOW_MS):
    return make_sighting(at_ms, click=click(ttclid, at_ms))


@pytest.mark.parametrize("kind", sorted(UNGUESSABLE))
async def test_an_unguessable_anchor_restores_the_visitor(record: Record, kind):
    made, found = await record(
        make_receipt(anchors=(anchor(kind),), sighting=seen_with("c1")), make_receipt(anchors=(anchor(kind),))
    )
    assert found.visitor == made.visitor
    assert found.kin is None


@pytest.mark.parametrize("kind", GUESSABLE)
async def test_a_guessable_anchor_gives_kin_and_another_visitor(store: Store, record: Record, kind):
    made, found = await record(
        make_receipt(anchors=(anchor(kind),), sighting=seen_with("c1")),
        make_receipt(make_event(), anchors=(anchor(kind),)),
    )
    assert found.visitor.id != made.visitor.id
    assert found.visitor.click is None
    assert found.kin == made.visitor
    assert (await read_event(store, events)).user.ttclid == "c1"


@pytest.mark.parametrize("kind", AnchorKind)
async def test_without_a_browser_to_tell_any_anchor_leads_to_the_visitor(record: Record, kind):
    made, found = await record(
        make_receipt(anchors=(anchor(kind),), sighting=seen_with("c1")),
        make_receipt(anchors=(anchor(kind),), is_browserless=True, may_create=False),
    )
    assert found.visitor == made.visitor


async def test_another_digest_or_kind_leads_nowhere(record: Record):
    made, other_digest, other_kind = await record(
        make_receipt(anchors=(anchor(AnchorKind.CART, "d1"),)),
        make_receipt(anchors=(anchor(AnchorKind.CART, "d2"),)),
        make_receipt(anchors=(anchor(AnchorKind.CHECKOUT, "d1"),)),
    )
    assert len({made.visitor.id, other_digest.visitor.id, other_kind.visitor.id}) == 3


async def test_a_signed_id_comes_before_every_anchor(record: Record):
    by_cart, by_id = await record(make_receipt(anchors=(anchor(AnchorKind.CART),)), make_receipt())
    (found,) = await record(make_receipt(known_id=by_id.visitor.id, anchors=(anchor(AnchorKind.CART),)))
    assert found.visitor.id == by_id.visitor.id != by_cart.visitor.id


async def test_anchors_are_asked_in_the_order_given(record: Record):
    cart, checkout = await record(
        make_receipt(anchors=(anchor(AnchorKind.CART),)), make_receipt(anchors=(anchor(AnchorKind.CHECKOUT),))
    )
    (found,) = await record(make_receipt(anchors=(anchor(AnchorKind.CHECKOUT), anchor(AnchorKind.CART))))
    assert found.visitor.id == checkout.visitor.id != cart.visitor.id


async def test_two_first_beacons_of_one_browser_become_one_visitor(store: Store, record: Record):
    first = (anchor(AnchorKind.FIRST),)
    one, two = await record(make_receipt(make_event(), anchors=first), make_receipt(make_event(), anchors=first))
    assert one.visitor.id == two.visitor.id
    assert len(await read_rows(store, visitors)) == 1
    assert {row["visitor_id"] for row in await read_rows(store, events)} == {one.visitor.id}


async def test_an_anchor_learnt_later_leads_back_too(record: Record):
    (made,) = await record(make_receipt())
    (_, found) = await record(
        make_receipt(known_id=made.visitor.id, anchors=(anchor(AnchorKind.CART),)),
        make_receipt(anchors=(anchor(AnchorKind.CART),)),
    )
    assert found.visitor.id == made.visitor.id


async def test_the_newest_click_wins_the_anchor(store: Store, record: Record):
    mail = (anchor(AnchorKind.EMAIL),)
    old, new = await record(
        make_receipt(anchors=mail, sighting=seen_with("old")),
        make_receipt(anchors=mail, sighting=seen_with("new", NOW_MS + 1)),
    )
    (found,) = await record(make_receipt(anchors=mail, is_browserless=True))
    assert found.visitor.id == new.visitor.id != old.visitor.id
    assert len(await read_rows(store, links)) == 1


@pytest.mark.parametrize("late", [make_sighting(NOW_MS + 9), seen_with("older", NOW_MS - 1)], ids=["none", "older"])
async def test_an_older_click_or_none_does_not_take_the_anchor(record: Record, late):
    mail = (anchor(AnchorKind.EMAIL),)
    clicked, _, found = await record(
        make_receipt(anchors=mail, sighting=seen_with("newest")),
        make_receipt(anchors=mail, sighting=late),
        make_receipt(anchors=mail, is_browserless=True),
    )
    assert found.visitor.id == clicked.visitor.id


async def test_without_clicks_the_last_visitor_has_the_anchor(record: Record):
    mail = (anchor(AnchorKind.EMAIL),)
    _, last, found = await record(
        make_receipt(anchors=mail), make_receipt(anchors=mail), make_receipt(anchors=mail, is_browserless=True)
    )
    assert found.visitor.id == last.visitor.id


async def test_an_anchor_stays_with_a_newer_click_stored_before(store: Store, record: Record):
    mail = (anchor(AnchorKind.EMAIL),)
    clicked = await store.record(make_receipt(anchors=mail, sighting=seen_with("newest")))
    known = await store.record(make_receipt())
    _, found = await record(
        make_receipt(known_id=known.visitor.id, anchors=mail), make_receipt(anchors=mail, is_browserless=True)
    )
    assert found.visitor.id == clicked.visitor.id


async def test_a_refusal_links_nothing(store: Store, record: Record):
    (made,) = await record(make_receipt())
    refusal = make_sighting(consent=NO)
    (refused,) = await record(
        make_receipt(known_id=made.visitor.id, sighting=refusal, anchors=(anchor(AnchorKind.CART),))
    )
    assert refused.dropped is Dropped.CONSENT
    assert await read_rows(store, links) == []


async def test_kin_who_refused_tells_nothing(record: Record):
    mail = (anchor(AnchorKind.EMAIL),)
    (made,) = await record(make_receipt(anchors=mail, sighting=seen_with("c1")))
    await record(make_receipt(known_id=made.visitor.id, sighting=make_sighting(consent=NO)))
    (found,) = await record(make_receipt(make_event(), anchors=mail))
    assert found.kin is None


async def test_a_link_to_a_visitor_who_is_gone_leads_nowhere(store: Store, record: Record):
    cart = (anchor(AnchorKind.CART),)
    (made,) = await record(make_receipt(anchors=cart))
    await store._writer.run(lambda cursor: cursor.execute("DELETE FROM visitors", ()))
    (found,) = await record(make_receipt(anchors=cart))
    assert found.visitor.id != made.visitor.id


async def test_kin_enriches_the_event_and_leaves_both_visitors_alone(store: Store, record: Record):
    mail = (anchor(AnchorKind.EMAIL),)
    phone_known = make_sighting(click=click("c1"), identity=Identity("e1", "p1"))
    kin, found = await record(
        make_receipt(anchors=mail, sighting=phone_known),
        make_receipt(make_event(), anchors=mail, sighting=make_sighting(identity=person("e1"))),
    )
    user = (await read_event(store, events)).user
    assert (user.email, user.phone, user.ttclid) == (("e1",), ("p1",), "c1")
    assert found.visitor.identity == person("e1")
    rows = {row["id"]: row for row in await read_rows(store, visitors)}
    assert (rows[found.visitor.id]["phone"], rows[found.visitor.id]["ttclid"]) == (None, None)
    assert rows[kin.visitor.id]["phone"] == "p1"

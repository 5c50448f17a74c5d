"""Each event remembers how its visitor was found, and who told the consent under which it was taken."""

from __future__ import annotations

import pytest

from gateway.model.consent import Consent
from gateway.model.event import Source
from gateway.store import Store
from gateway.store.receipt import UNGUESSABLE, AnchorKind
from gateway.store.tables import events
from tests.store.conftest import Record
from tests.store.samples import NOW_MS, YES, anchor, make_event, make_receipt, make_sighting, read_rows


async def read_ways(store: Store) -> list[str]:
    return [row["found_by"] for row in await read_rows(store, events)]


async def test_a_new_visitor_and_one_with_a_signature_are_told_apart(store: Store):
    made = await store.record(make_receipt(make_event()))
    await store.record(make_receipt(make_event(), known_id=made.visitor.id))
    assert await read_ways(store) == ["new", "signed"]


@pytest.mark.parametrize("kind", AnchorKind)
async def test_a_browser_is_found_by_what_nobody_can_guess(store: Store, record: Record, kind: AnchorKind):
    await record(*(make_receipt(make_event(), anchors=(anchor(kind),)) for _ in range(2)))
    assert await read_ways(store) == ["new", kind if kind in UNGUESSABLE else "new"]


@pytest.mark.parametrize("kind", AnchorKind)
async def test_a_buyer_is_found_by_any_anchor(store: Store, record: Record, kind: AnchorKind):
    bought = make_event(event="Purchase", event_id="purchase_7", source=Source.WEBHOOK)
    await record(
        make_receipt(anchors=(anchor(kind),)), make_receipt(bought, anchors=(anchor(kind),), is_browserless=True)
    )
    assert await read_ways(store) == [kind]


async def test_a_buyer_whose_browser_told_the_same_is_found_by_that(store: Store):
    told = make_event(event="Purchase", event_id="purchase_7")
    browser = await store.record(make_receipt(told))
    shop = await store.record(make_receipt(told, is_browserless=True))
    assert shop.visitor == browser.visitor
    assert shop.found_by == "twin"


@pytest.mark.parametrize(
    ("consent", "stored"),
    [(YES, "banner"), (Consent(marketing=True, at_ms=NOW_MS), ""), (None, None)],
    ids=["named", "nameless", "not said"],
)
async def test_who_told_the_consent_is_kept_with_the_event(store: Store, consent: Consent | None, stored: str | None):
    await store.record(make_receipt(make_event(), sighting=make_sighting(consent=consent)))
    [row] = await read_rows(store, events)
    assert row["consent_source"] == stored


async def test_a_later_word_leaves_what_was_in_force(store: Store):
    first = await store.record(make_receipt(make_event(), sighting=make_sighting(consent=YES)))
    later = make_sighting(
        NOW_MS + 1, consent=Consent(marketing=True, analytics=False, source="shopify", at_ms=NOW_MS + 1)
    )
    await store.record(make_receipt(make_event(), known_id=first.visitor.id, sighting=later))
    assert [row["consent_source"] for row in await read_rows(store, events)] == ["banner", "shopify"]

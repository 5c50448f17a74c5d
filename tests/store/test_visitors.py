"""A visitor is made once, updated by what is newer, and kept from writing when nothing has changed."""

from __future__ import annotations

import hashlib

import pytest
from msgspec import structs

from gateway.model.consent import Consent, ConsentMode
from gateway.model.event import User
from gateway.model.outcome import Dropped
from gateway.model.visitor import Identity
from gateway.store import Store
from gateway.store.receipt import AnchorKind
from gateway.store.tables import events, outbox, visitors
from tests.store.conftest import Record
from tests.store.samples import (
    HOUR_MS,
    LANE,
    NO,
    NOW_MS,
    YES,
    anchor,
    click,
    losing_an_answer,
    make_event,
    make_receipt,
    make_sighting,
    person,
    read_event,
    read_rows,
)


async def make_visitor(store: Store, **seen):
    recorded = await store.record(make_receipt(sighting=make_sighting(**seen)))
    return recorded.visitor


async def test_all_that_a_first_sighting_says_is_kept(store: Store):
    seen = make_sighting(
        click=click("E.C.P.first"),
        ttp="ttp-1",
        identity=Identity("e1", "p1", "x1"),
        consent=Consent(True, False, None, "banner", NOW_MS),
        ip="203.0.113.9",
        user_agent="Browser/1",
    )
    visitor = (await store.record(make_receipt(new_id="a" * 32, sighting=seen))).visitor
    assert (visitor.id, visitor.first_seen_ms, visitor.last_seen_ms) == ("a" * 32, NOW_MS, NOW_MS)
    for name in ("click", "ttp", "identity", "consent", "ip", "user_agent"):
        assert getattr(visitor, name) == getattr(seen, name)
    again = (await store.record(make_receipt(known_id=visitor.id))).visitor
    assert again == visitor


async def test_a_visitor_without_anything_said_has_nothing(store: Store):
    visitor = await make_visitor(store)
    again = (await store.record(make_receipt(known_id=visitor.id))).visitor
    assert again == visitor
    assert (again.click, again.consent, again.identity, again.ttp) == (None, None, Identity(), None)


async def test_the_newest_click_wins(store: Store, record: Record):
    visitor = await make_visitor(store, click=click("old"))
    later = make_sighting(NOW_MS + 5, click=click("new", NOW_MS + 5))
    await record(make_receipt(known_id=visitor.id, sighting=later), make_receipt(known_id=visitor.id))
    (row,) = await read_rows(store, visitors)
    assert (row["ttclid"], row["click_ms"]) == ("new", NOW_MS + 5)


async def test_an_older_click_never_overwrites(store: Store, record: Record):
    visitor = await make_visitor(store, click=click("new"))
    (recorded,) = await record(
        make_receipt(known_id=visitor.id, sighting=make_sighting(click=click("late and old", NOW_MS - 1)))
    )
    assert recorded.visitor.click == click("new")
    (row,) = await read_rows(store, visitors)
    assert row["ttclid"] == "new"


async def test_a_new_email_starts_a_new_identity(store: Store, record: Record):
    visitor = await make_visitor(store, identity=Identity("alice", "alices-phone", "alices-id"))
    (recorded,) = await record(
        make_receipt(make_event(), known_id=visitor.id, sighting=make_sighting(identity=person("bob")))
    )
    assert recorded.visitor.identity == person("bob")
    sent = (await read_event(store, events)).user
    assert (sent.email, sent.phone, sent.external_id[0] == "alices-id") == (("bob",), (), False)


async def test_a_phone_joins_the_email_already_known(store: Store, record: Record):
    visitor = await make_visitor(store, identity=person("alice"))
    seen = make_sighting(identity=Identity(phone="p1"))
    (recorded,) = await record(make_receipt(known_id=visitor.id, sighting=seen))
    assert recorded.visitor.identity == Identity("alice", "p1")


async def test_the_newest_consent_stands(store: Store, record: Record):
    visitor = await make_visitor(store, consent=YES)
    newer = structs.replace(NO, at_ms=NOW_MS + 2)
    older = structs.replace(YES, at_ms=NOW_MS + 1)
    said_no, said_yes_before = await record(
        make_receipt(known_id=visitor.id, sighting=make_sighting(consent=newer)),
        make_receipt(known_id=visitor.id, sighting=make_sighting(consent=older)),
    )
    assert said_no.dropped is said_yes_before.dropped is Dropped.CONSENT
    (row,) = await read_rows(store, visitors)
    assert (row["marketing"], row["consent_ms"]) == (False, NOW_MS + 2)


async def test_of_a_visitor_who_refuses_only_the_refusal_is_kept(store: Store, record: Record):
    visitor = await make_visitor(store, consent=YES, click=click("before"))
    no = structs.replace(NO, at_ms=NOW_MS + 1)
    seen = make_sighting(
        NOW_MS + 1, consent=no, click=click("after", NOW_MS + 1), identity=person("e"), ip="203.0.113.9"
    )
    (recorded,) = await record(make_receipt(make_event(), known_id=visitor.id, sighting=seen))
    assert (recorded.visitor, recorded.queued, recorded.dropped) == (None, 0, Dropped.CONSENT)
    assert await read_rows(store, events) == []
    (row,) = await read_rows(store, visitors)
    assert (row["marketing"], row["ttclid"], row["email"], row["ip"]) == (False, "before", None, None)


async def test_a_stored_refusal_drops_what_says_nothing_of_consent(store: Store, record: Record):
    visitor = await make_visitor(store, consent=YES)
    no = structs.replace(NO, at_ms=NOW_MS + 1)
    await record(make_receipt(known_id=visitor.id, sighting=make_sighting(consent=no)))
    for mode in ConsentMode:
        (recorded,) = await record(make_receipt(make_event(), known_id=visitor.id, mode=mode))
        assert recorded.dropped is Dropped.CONSENT
    assert await read_rows(store, events) == []


async def test_a_known_visitor_without_consent_is_dropped_where_consent_is_required(store: Store, record: Record):
    visitor = await make_visitor(store)
    (recorded,) = await record(make_receipt(make_event(), known_id=visitor.id, mode=ConsentMode.REQUIRED))
    assert recorded.dropped is Dropped.CONSENT


async def test_nobody_is_made_where_none_may_be(store: Store, record: Record):
    (recorded,) = await record(make_receipt(make_event(), may_create=False))
    assert (recorded.visitor, recorded.dropped) == (None, Dropped.CONSENT)
    assert await read_rows(store, visitors) == await read_rows(store, events) == []


async def test_a_signed_id_that_the_store_has_forgotten_gets_a_new_visitor(store: Store, record: Record):
    (recorded,) = await record(make_receipt(known_id="f" * 32, new_id="e" * 32))
    assert recorded.visitor.id == "e" * 32


async def test_nothing_is_written_for_a_sighting_that_says_nothing_new(store: Store):
    visitor = await make_visitor(store, click=click("c"), ip="203.0.113.9", user_agent="Browser/1")
    (before,) = await read_rows(store, visitors)
    seen = make_sighting(NOW_MS + HOUR_MS, click=click("c", NOW_MS + HOUR_MS), ip="203.0.113.10")
    recorded = await store.record(make_receipt(known_id=visitor.id, sighting=seen))
    assert recorded.visitor == visitor
    assert await read_rows(store, visitors) == [before]


async def test_a_visit_is_noted_once_a_day(store: Store):
    visitor = await make_visitor(store, ip="203.0.113.9")
    a_day_later = make_sighting(NOW_MS + 24 * HOUR_MS, ip="203.0.113.10")
    await store.record(make_receipt(known_id=visitor.id, sighting=a_day_later))
    (row,) = await read_rows(store, visitors)
    assert (row["last_seen_ms"], row["ip"]) == (NOW_MS + 24 * HOUR_MS, "203.0.113.10")


async def test_two_changes_in_one_commit_are_both_kept(store: Store, record: Record):
    visitor = await make_visitor(store)
    await record(
        make_receipt(known_id=visitor.id, sighting=make_sighting(ttp="t1")),
        make_receipt(known_id=visitor.id, sighting=make_sighting(identity=person("e1"))),
        make_receipt(known_id=visitor.id, sighting=make_sighting(click=click("c1"))),
    )
    (row,) = await read_rows(store, visitors)
    assert (row["ttp"], row["email"], row["ttclid"]) == ("t1", "e1", "c1")


async def test_an_event_leaves_with_what_is_known_of_its_visitor(store: Store, record: Record):
    seen = make_sighting(click=click("c1"), ttp="t1", identity=person("e1"), ip="203.0.113.9", user_agent="Browser/1")
    visitor = (await store.record(make_receipt(sighting=seen))).visitor
    await record(make_receipt(make_event(), known_id=visitor.id))
    (row,) = await read_rows(store, events)
    user = (await read_event(store, events)).user
    assert (user.ttclid, user.ttp, user.email, user.user_agent) == ("c1", "t1", ("e1",), "Browser/1")
    assert (row["ip"], user.ip, row["visitor_id"]) == ("203.0.113.9", None, visitor.id)


async def test_what_the_event_itself_says_stands_before_what_is_known(store: Store, record: Record):
    visitor = await make_visitor(store, identity=person("known"), ip="203.0.113.9")
    event = make_event(user=User(email=("said",), ip="198.51.100.7"))
    await record(make_receipt(event, known_id=visitor.id))
    (row,) = await read_rows(store, events)
    assert (await read_event(store, events)).user.email == ("said", "known")
    assert row["ip"] == "198.51.100.7"


async def test_an_event_without_an_external_id_has_the_digest_of_its_visitor(store: Store, record: Record):
    (recorded,) = await record(make_receipt(make_event()))
    digest = hashlib.sha256(recorded.visitor.id.encode()).hexdigest()
    assert (await read_event(store, events)).user.external_id == (digest,)


@pytest.mark.parametrize("anchors", [(), (anchor(AnchorKind.FIRST),), (anchor(AnchorKind.EMAIL),)])
async def test_a_commit_whose_answer_was_lost_is_made_again_and_comes_to_the_same(store: Store, anchors):
    receipt = make_receipt(make_event(), anchors=anchors, sighting=make_sighting(identity=person("e1")))
    with losing_an_answer(store):
        recorded = await store.record(receipt)
    assert (recorded.visitor.id, recorded.late, recorded.dropped) == (receipt.new_id, 0, None)
    assert [row["id"] for row in await read_rows(store, visitors)] == [receipt.new_id]
    assert len(await read_rows(store, events)) == len(await read_rows(store, outbox)) == 1


async def test_a_refusal_is_heard_though_the_consent_was_dated_ahead(store: Store, record: Record):
    """What was queued under it is withdrawn, however wrong the clock was that wrote it."""
    ahead_ms = NOW_MS + 24 * HOUR_MS
    consent = structs.replace(YES, at_ms=ahead_ms)
    made = await store.record(make_receipt(make_event(), sighting=make_sighting(ahead_ms, consent=consent)))
    said_no, came_later = await record(
        make_receipt(known_id=made.visitor.id, sighting=make_sighting(consent=NO), may_create=False),
        make_receipt(make_event(), known_id=made.visitor.id, sighting=make_sighting(NOW_MS + 1)),
    )
    assert said_no.dropped is came_later.dropped is Dropped.CONSENT
    (row,) = await read_rows(store, visitors)
    assert (row["marketing"], row["consent_ms"]) == (False, NOW_MS)
    (claimed,) = await store.claim(LANE, "lease", NOW_MS, 10)
    assert claimed.is_withdrawn

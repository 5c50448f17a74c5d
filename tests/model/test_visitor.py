"""What a sighting changes in a visitor, and what it never changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.model.consent import Consent
from gateway.model.visitor import (
    CLICK_WINDOW_MS,
    Click,
    Identity,
    Sighting,
    Visitor,
    is_same_person,
    merge_identity,
    newest_consent,
    only_consent,
    update_visitor,
)

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
VISITOR = Visitor("v1", NOW_MS, NOW_MS)


def visitor(**known) -> Visitor:
    return structs.replace(VISITOR, **known)


def seen(at_ms: int = NOW_MS, **said) -> Sighting:
    return Sighting(at_ms, **said)


def click(ttclid: str, at_ms: int = NOW_MS) -> Click:
    return Click(ttclid, at_ms)


# Clicks


def test_a_first_click_is_kept():
    assert update_visitor(VISITOR, seen(click=click("c1"))).click == click("c1")


@pytest.mark.parametrize("later_ms", [0, 1])
def test_another_click_at_the_same_time_or_later_wins(later_ms):
    new = click("new", NOW_MS + later_ms)
    assert update_visitor(visitor(click=click("old")), seen(click=new)).click == new


def test_an_older_click_never_overwrites():
    known = visitor(click=click("new"))
    assert update_visitor(known, seen(click=click("old", NOW_MS - 1))) is known


def test_a_click_older_than_the_window_overwrites_none():
    late = click("late", NOW_MS - CLICK_WINDOW_MS - 1)
    known = visitor(click=click("known", late.at_ms - 1))
    assert update_visitor(known, seen(click=late)).click == known.click
    assert update_visitor(known, seen(click=click("late", late.at_ms + 1))).click.ttclid == "late"


def test_the_same_click_seen_again_keeps_its_first_time():
    known = visitor(click=click("c1"))
    assert update_visitor(known, seen(click=click("c1", NOW_MS + 5))) is known


def test_no_click_takes_none_away():
    assert update_visitor(visitor(click=click("c1")), seen(ttp="t1")).click == click("c1")


# _ttp


def test_tiktoks_own_ttp_wins_over_what_is_known():
    assert update_visitor(visitor(ttp="old"), seen(ttp="new")).ttp == "new"


def test_a_minted_ttp_is_used_only_where_none_is_known():
    assert update_visitor(VISITOR, seen(minted_ttp="minted")).ttp == "minted"
    assert update_visitor(visitor(ttp="known"), seen(minted_ttp="minted")).ttp == "known"
    assert update_visitor(VISITOR, seen(ttp="real", minted_ttp="minted")).ttp == "real"
    assert update_visitor(visitor(ttp="real"), seen(ttp="real", minted_ttp="minted")).ttp == "real"


# Identity


@pytest.mark.parametrize(
    ("known", "said", "merged"),
    [
        (Identity(), Identity("e1"), Identity("e1")),
        (Identity("e1"), Identity(), Identity("e1")),
        (Identity("e1"), Identity(phone="p1"), Identity("e1", "p1")),
        (Identity("e1", "p1"), Identity("e1", "p2"), Identity("e1", "p2")),
        (Identity("e1", "p1", "x1"), Identity("e2"), Identity("e2")),
        (Identity("e1", "p1", "x1"), Identity("e1", None, "x2"), Identity("e1", None, "x2")),
        (Identity(phone="p1"), Identity("e1"), Identity("e1", "p1")),
    ],
    ids=[
        "the first said", "nothing new", "one more", "a new phone", "another email: another person",
        "another external id: another person", "an email to a phone",
    ],
)  # fmt: skip
def test_what_is_said_joins_what_is_known_of_the_same_person(known, said, merged):
    assert merge_identity(known, said) == merged
    assert update_visitor(visitor(identity=known), seen(identity=said)).identity == merged


# Consent

YES, NO = Consent(marketing=True, at_ms=NOW_MS), Consent(marketing=False, at_ms=NOW_MS)


def at(consent: Consent, at_ms: int, **said) -> Consent:
    return structs.replace(consent, at_ms=at_ms, **said)


def test_the_first_choice_is_kept():
    assert newest_consent(None, YES) is YES
    assert newest_consent(None, None) is None


@pytest.mark.parametrize(("known", "said"), [(YES, NO), (NO, YES)], ids=["withdrawn", "given"])
@pytest.mark.parametrize("later_ms", [0, 1])
def test_the_newest_choice_stands(known, said, later_ms):
    newer = at(said, NOW_MS + later_ms)
    assert newest_consent(known, newer) == newer
    assert update_visitor(visitor(consent=known), seen(consent=newer)).consent == newer


def test_an_older_yes_changes_nothing():
    assert newest_consent(NO, at(YES, NOW_MS - 1)) is NO


def test_a_no_is_heard_though_the_yes_is_dated_later():
    known = Consent(True, True, True, "banner", NOW_MS + 5)
    assert newest_consent(known, NO) == Consent(False, True, True, NO.source, NOW_MS)
    unsold = Consent(True, None, False, "gpc", NOW_MS)
    assert newest_consent(known, unsold) == Consent(True, True, False, "gpc", NOW_MS)


def test_silence_changes_nothing():
    assert newest_consent(NO, None) is NO


def test_the_same_choice_again_changes_nothing_not_even_its_time():
    assert newest_consent(YES, at(YES, NOW_MS + 5, source="another banner")) is YES


def test_a_choice_about_something_else_takes_no_refusal_back():
    about_sale = Consent(sale_of_data=False, source="gpc", at_ms=NOW_MS + 5)
    assert newest_consent(NO, about_sale) == Consent(False, None, False, "gpc", NOW_MS + 5)


def test_a_choice_that_repeats_a_part_changes_nothing():
    known = Consent(True, True, False, "banner", NOW_MS)
    assert newest_consent(known, Consent(marketing=True, at_ms=NOW_MS + 5)) is known


def test_of_a_refusal_only_the_refusal_may_be_kept():
    everything = Sighting(NOW_MS, click("c"), "t", "m", Identity("e"), NO, "203.0.113.9", "Browser/1")
    assert only_consent(everything) == Sighting(NOW_MS, consent=NO)


# When it is worth a write


def test_nothing_new_gives_the_very_same_visitor():
    known = visitor(click=click("c1"), ttp="t1", identity=Identity("e1"), consent=YES, ip="a", user_agent="b")
    again = seen(NOW_MS + DAY_MS - 1, click=click("c1"), ttp="t1", identity=Identity("e1"), consent=YES, ip="z")
    assert update_visitor(known, again) is known


def test_address_and_browser_are_refreshed_once_a_day():
    updated = update_visitor(visitor(ip="old", user_agent="Old/1"), seen(NOW_MS + DAY_MS, ip="new", user_agent="New/2"))
    assert (updated.ip, updated.user_agent, updated.last_seen_ms) == ("new", "New/2", NOW_MS + DAY_MS)


def test_address_and_browser_are_refreshed_with_any_other_change():
    updated = update_visitor(visitor(ip="old"), seen(NOW_MS + 5, ttp="t1", ip="new"))
    assert (updated.ip, updated.last_seen_ms) == ("new", NOW_MS + 5)


def test_an_unsaid_address_takes_none_away():
    known = visitor(ip="known", user_agent="Known/1")
    updated = update_visitor(known, seen(NOW_MS + DAY_MS))
    assert (updated.ip, updated.user_agent) == ("known", "Known/1")


def test_the_last_sight_never_goes_back():
    assert update_visitor(VISITOR, seen(NOW_MS - 5, ttp="t1")).last_seen_ms == NOW_MS


few = st.integers(0, 2)
sightings = st.builds(
    Sighting,
    at_ms=few.map(lambda n: NOW_MS + n * DAY_MS // 2),
    click=st.none() | st.builds(Click, few.map("c{}".format), few.map(lambda n: NOW_MS + n)),
    ttp=st.none() | few.map("t{}".format),
    identity=st.builds(Identity, st.none() | few.map("e{}".format), st.none() | few.map("p{}".format)),
    consent=st.none() | st.builds(Consent, st.none() | st.booleans(), at_ms=few.map(lambda n: NOW_MS + n)),
    ip=st.none() | few.map("ip{}".format),
)


@given(st.lists(sightings, max_size=5), sightings)
def test_seeing_the_same_twice_is_seeing_it_once(before, last):
    known = VISITOR
    for sighting in before:
        known = update_visitor(known, sighting)
    once = update_visitor(known, last)
    assert update_visitor(once, last) is once


@given(st.lists(sightings, max_size=6))
def test_the_id_and_the_first_sight_never_change(all_seen):
    known = VISITOR
    for sighting in all_seen:
        known = update_visitor(known, sighting)
    assert (known.id, known.first_seen_ms) == (VISITOR.id, VISITOR.first_seen_ms)


# The same person


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Identity(), Identity("e1", "p1", "x1"), True),
        (Identity("e1"), Identity(phone="p1"), True),
        (Identity("e1", "p1"), Identity("e1", "p2"), True),
        (Identity("e1", None, "x1"), Identity("e2", None, "x1"), True),
        (Identity("e1", None, "x1"), Identity("e1", None, "x2"), True),
        (Identity("e1", "p1"), Identity("e2", "p1"), False),
        (Identity("e1", "p1", "x1"), Identity(None, "p1", "x2"), False),
        (Identity(phone="p1"), Identity(phone="p2"), False),
        (Identity("e1", "p1"), Identity(phone="p2"), False),
    ],
    ids=[
        "nothing known", "nothing to compare", "a second phone", "a second email of one customer",
        "two ids of one email", "a phone that two share", "a phone of two customers", "two phones",
        "another phone alone",
    ],
)  # fmt: skip
def test_two_identities_can_be_one_person_or_cannot(one, other, same):
    assert is_same_person(one, other) is is_same_person(other, one) is same

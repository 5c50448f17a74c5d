"""An event and its twin become one that says all that either said."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.model.event import Content, Event, Page, PixelState, Properties, Source, User, fill, merge_events

NOW_MS = 1_790_000_000_000
EVENT = Event(
    event="Purchase",
    event_id="purchase_1",
    occurred_ms=NOW_MS,
    received_ms=NOW_MS,
    source=Source.BEACON,
    page=Page("https://www.acme.com/thanks"),
)


def event(**said) -> Event:
    return structs.replace(EVENT, **said)


def test_a_twin_that_says_nothing_changes_nothing():
    said = event(user=User(email=("e",)), properties=Properties(value=Decimal(1)), hold_until_ms=5)
    assert merge_events(said, structs.replace(EVENT, hold_until_ms=5)) == said


def test_what_was_not_said_is_taken_from_the_twin():
    merged = merge_events(
        event(user=User(ip="203.0.113.9")),
        event(user=User(phone=("p",), city="berlin"), properties=Properties(order_id="1", contents=(Content("44"),))),
    )
    assert merged.user == User(ip="203.0.113.9", phone=("p",), city="berlin")
    assert merged.properties == Properties(order_id="1", contents=(Content("44"),))


def test_what_was_said_stands():
    stored = event(
        user=User(ip="203.0.113.9", ttclid="mine"),
        properties=Properties(value=Decimal("19.90"), contents=(Content("44"),)),
        page=Page("https://www.acme.com/mine", "https://www.tiktok.com/"),
        source=Source.BEACON,
        received_ms=NOW_MS,
    )
    twin = event(
        user=User(ip="198.51.100.7", ttclid="theirs"),
        properties=Properties(value=Decimal(0), contents=(Content("45"), Content("46"))),
        page=Page("https://www.acme.com/theirs", "https://elsewhere.example/"),
        source=Source.WEBHOOK,
        received_ms=NOW_MS + 9,
    )
    assert merge_events(stored, twin) == stored


@pytest.mark.parametrize("name", ["email", "phone", "external_id"])
def test_digests_are_joined_the_stored_ones_first_and_none_twice(name):
    stored = event(user=User(**{name: ("a", "b")}))
    twin = event(user=User(**{name: ("b", "c")}))
    assert getattr(merge_events(stored, twin).user, name) == ("a", "b", "c")


def test_zero_is_something_said():
    merged = merge_events(
        event(properties=Properties(value=Decimal(0))), event(properties=Properties(value=Decimal(5)))
    )
    assert merged.properties.value == 0


@pytest.mark.parametrize(("stored_ms", "twin_ms"), [(NOW_MS, NOW_MS - 5), (NOW_MS - 5, NOW_MS)])
def test_the_earlier_time_stands(stored_ms, twin_ms):
    assert merge_events(event(occurred_ms=stored_ms), event(occurred_ms=twin_ms)).occurred_ms == NOW_MS - 5


@pytest.mark.parametrize(("stored_ms", "twin_ms"), [(45, 60), (60, 45)])
def test_of_two_holds_of_one_side_the_earlier_ends_it(stored_ms, twin_ms):
    assert merge_events(event(hold_until_ms=stored_ms), event(hold_until_ms=twin_ms)).hold_until_ms == 45


BROWSER, SHOP = (Source.BEACON, Source.PIXEL), (Source.WEBHOOK, Source.RECONCILE)


@pytest.mark.parametrize("browser", BROWSER)
@pytest.mark.parametrize("shop", SHOP)
def test_the_hold_ends_when_browser_and_shop_have_both_spoken(browser, shop):
    mine, theirs = event(source=browser, hold_until_ms=60), event(source=shop, hold_until_ms=45)
    assert merge_events(mine, theirs).hold_until_ms == merge_events(theirs, mine).hold_until_ms == 0


@pytest.mark.parametrize("side", [BROWSER, SHOP], ids=["browser", "shop"])
def test_two_ways_of_one_side_end_no_hold(side):
    one, two = (event(source=source, hold_until_ms=45) for source in side)
    assert merge_events(one, two).hold_until_ms == 45


@pytest.mark.parametrize("other", [*PixelState, None])
def test_a_pixel_that_fired_stays_fired(other):
    fired, twin = event(pixel=PixelState.FIRED), event(pixel=other)
    assert merge_events(fired, twin).pixel is merge_events(twin, fired).pixel is PixelState.FIRED


def test_otherwise_what_was_said_of_the_pixel_first_stands():
    blocked, absent, unsaid = (event(pixel=state) for state in (PixelState.BLOCKED, PixelState.ABSENT, None))
    assert merge_events(blocked, absent).pixel is PixelState.BLOCKED
    assert merge_events(unsaid, absent).pixel is PixelState.ABSENT
    assert merge_events(unsaid, unsaid).pixel is None


@pytest.mark.parametrize(("stored", "twin"), [(True, False), (False, True), (True, True)])
def test_limited_data_use_stays_once_said(stored, twin):
    assert merge_events(event(limited_data_use=stored), event(limited_data_use=twin)).limited_data_use


def test_filling_with_nothing_gives_the_very_same_object():
    user = User(email=("e",))
    assert fill(user, User()) is user
    assert fill(user, user) is user


texts = st.text("ab", max_size=2)
digests = st.lists(texts, max_size=3, unique=True).map(tuple)
users = st.builds(User, email=digests, phone=digests, ip=st.none() | texts, city=st.none() | texts)
properties = st.builds(Properties, value=st.none() | st.decimals(0, 9, places=2), order_id=st.none() | texts)
events = st.builds(
    lambda **said: event(**said),
    user=users,
    properties=properties,
    pixel=st.none() | st.sampled_from(PixelState),
    source=st.sampled_from(Source),
    hold_until_ms=st.integers(0, 9),
)


@given(events, events)
def test_merging_the_same_twin_again_adds_nothing(stored, twin):
    once = merge_events(stored, twin)
    assert merge_events(once, twin) == once


@given(events, events)
def test_nothing_stored_is_lost(stored, twin):
    merged = merge_events(stored, twin)
    for mine, now in ((stored.user, merged.user), (stored.properties, merged.properties)):
        for name in mine.__struct_fields__:
            said, kept = getattr(mine, name), getattr(now, name)
            is_kept = kept[: len(said)] == said if isinstance(said, tuple) else said in (None, kept)
            assert is_kept, name


@given(events)
def test_an_event_comes_back_from_json_as_it_was(given_event):
    assert msgspec.json.decode(msgspec.json.encode(given_event), type=Event) == given_event


def test_money_keeps_every_digit_on_its_way_through_json():
    said = event(properties=Properties(value=Decimal("0.1000")))
    again = msgspec.json.decode(msgspec.json.encode(said), type=Event)
    assert str(again.properties.value) == "0.1000"


def test_what_is_empty_is_not_in_the_json():
    assert "null" not in msgspec.json.encode(EVENT.user).decode()
    assert msgspec.json.encode(EVENT.user) == msgspec.json.encode(EVENT.properties) == b"{}"

"""What leaves for TikTok is its closed schema, and nothing else whatever an event holds."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.event import Content, Event, Page, Properties, Source, User
from gateway.model.normalise import EMPTY_SHA256
from gateway.store.rows import from_event, to_raw_event
from gateway.tiktok.payload import MAX_EVENTS, build_event, build_request, check_event

PIXEL = "C0ABCDEFGHIJKLMNOPQR"
EMAIL = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"
OTHER = "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b"

PURCHASE = Event(
    event="Purchase",
    event_id="purchase_5678901234567",
    occurred_ms=1767225600999,
    received_ms=1767225601500,
    source=Source.BEACON,
    page=Page("https://shop.example/thank-you?ttclid=E.C.P.x", "https://shop.example/cart"),
    user=User(email=(EMAIL,), ttclid="E.C.P.x", ip="203.0.113.9", user_agent="Mozilla/5.0", locale="de-DE"),
    properties=Properties(
        contents=(Content(content_id="44", content_name="Tee", price=Decimal("20.00"), quantity=Decimal(2)),),
        content_ids=("44",),
        currency="EUR",
        value=Decimal("44.90"),
        order_id="5678901234567",
    ),
)


def to_wire(event: Event) -> msgspec.Raw:
    """The event as it leaves, from its row."""
    body, ip = from_event(event)
    return build_event(to_raw_event(body), ip)


def check(event: Event) -> str | None:
    body, ip = from_event(event)
    return check_event(to_raw_event(body), ip)


SENT = to_wire(PURCHASE)


def change(**changes) -> Event:
    return msgspec.structs.replace(PURCHASE, **changes)


def send(event: Event) -> dict:
    """The event as TikTok would read it; a number JSON does not know fails the test."""
    return json.loads(build_request(PIXEL, [to_wire(event)]), parse_constant=pytest.fail)["data"][0]


def send_properties(**properties) -> dict:
    return send(change(properties=Properties(**properties))).get("properties", {})


def send_user(**user) -> dict:
    return send(change(user=User(**{"ttclid": "E.C.P.x"} | user)))["user"]


def test_a_purchase_has_the_shape_tiktok_documents():
    assert json.loads(build_request(PIXEL, [SENT])) == {
        "event_source": "web",
        "event_source_id": PIXEL,
        "data": [
            {
                "event": "Purchase",
                "event_time": 1767225600,
                "event_id": "purchase_5678901234567",
                "user": {
                    "email": EMAIL,
                    "ttclid": "E.C.P.x",
                    "ip": "203.0.113.9",
                    "user_agent": "Mozilla/5.0",
                    "locale": "de-DE",
                },
                "page": {
                    "url": "https://shop.example/thank-you?ttclid=E.C.P.x",
                    "referrer": "https://shop.example/cart",
                },
                "properties": {
                    "contents": [{"content_id": "44", "content_name": "Tee", "price": 20, "quantity": 2}],
                    "content_ids": ["44"],
                    "content_type": "product",
                    "currency": "EUR",
                    "value": 44.9,
                    "num_items": 2,
                    "order_id": "5678901234567",
                },
            }
        ],
    }


def test_the_test_code_and_the_partner_stand_at_the_root():
    request = json.loads(build_request(PIXEL, [SENT], test_event_code="TEST1", partner_name="Acme"))
    assert (request["test_event_code"], request["partner_name"]) == ("TEST1", "Acme")
    assert "test_event_code" not in request["data"][0]


def test_an_empty_test_code_is_not_there():
    assert "test_event_code" not in json.loads(build_request(PIXEL, [SENT], test_event_code=""))


@pytest.mark.parametrize("count", [0, MAX_EVENTS + 1])
def test_a_request_of_no_or_too_many_events_is_our_mistake(count):
    with pytest.raises(ValueError, match="1 to 1000"):
        build_request(PIXEL, [SENT] * count)


def test_a_thousand_events_make_one_request():
    assert len(json.loads(build_request(PIXEL, [SENT] * MAX_EVENTS))["data"]) == MAX_EVENTS


@pytest.mark.parametrize(("old", "new"), [("CompletePayment", "Purchase"), ("SubmitForm", "Lead"), ("My", "My")])
def test_old_event_names_leave_as_the_current_ones(old, new):
    assert send(change(event=old))["event"] == new


def test_several_digests_are_a_list_and_one_is_plain_text():
    user = send_user(email=(EMAIL, OTHER), external_id=(OTHER,))
    assert user["email"] == [EMAIL, OTHER]
    assert user["external_id"] == OTHER


def test_what_is_no_digest_never_leaves_where_a_digest_belongs():
    raw = ("alice@example.com", EMPTY_SHA256, EMAIL.upper())
    user = send_user(email=raw, phone=("+12133734253",), external_id=raw, first_name="Alice", zip_code=EMPTY_SHA256)
    assert user == {"ttclid": "E.C.P.x"}


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.7", "fe80::1", "not an address", "", None])
def test_a_local_address_stays_here_and_its_browser_too(ip):
    assert send_user(ip=ip, user_agent="Mozilla/5.0") == {"ttclid": "E.C.P.x"}


@pytest.mark.parametrize("ip", ["203.0.113.9", "8.8.8.8", "2001:db8::1"])
def test_a_public_address_leaves_with_its_browser(ip):
    assert send_user(ip=ip, user_agent="Mozilla/5.0") == {"ttclid": "E.C.P.x", "ip": ip, "user_agent": "Mozilla/5.0"}


def test_a_click_id_of_a_thousand_characters_leaves_verbatim():
    assert send_user(ttclid="E.C.P." + "aZ_9-" * 200)["ttclid"] == "E.C.P." + "aZ_9-" * 200


def test_zeros_are_kept():
    contents = (Content(content_id="44", price=Decimal(0), quantity=Decimal(0)),)
    properties = send_properties(value=Decimal("0.00"), currency="EUR", num_items=0, contents=contents)
    assert (properties["value"], properties["num_items"]) == (0, 0)
    assert properties["contents"] == [{"content_id": "44", "price": 0, "quantity": 0}]


@pytest.mark.parametrize("bad", ["NaN", "sNaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_json_cannot_hold_is_left_out(bad):
    contents = (Content(content_id="44", price=Decimal(bad), quantity=Decimal(bad)),)
    properties = send_properties(value=Decimal(bad), currency="EUR", contents=contents)
    assert properties == {"contents": [{"content_id": "44"}], "content_type": "product", "currency": "EUR"}


def test_a_currency_is_upper_case():
    assert send_properties(value=Decimal(1), currency=" eur ") == {"value": 1, "currency": "EUR"}


def test_a_currency_tiktok_does_not_take_leaves_with_neither_value_nor_currency():
    assert send_properties(value=Decimal(1), currency="BGN", order_id="1") == {"order_id": "1"}


@pytest.mark.parametrize(
    ("quantities", "num_items"),
    [(["2", "1"], 3), (["2", None], None), (["0.5", "0.5"], 1), (["0.5"], None), ([], None), (["NaN"], None)],
)
def test_pieces_are_counted_when_all_quantities_are_known(quantities, num_items):
    numbers = [None if quantity is None else Decimal(quantity) for quantity in quantities]
    contents = tuple(Content(content_id="44", quantity=number) for number in numbers)
    assert send_properties(contents=contents).get("num_items") == num_items


def test_the_number_of_pieces_given_is_believed():
    assert send_properties(contents=(Content(content_id="44", quantity=Decimal(2)),), num_items=7)["num_items"] == 7


def test_products_have_a_content_type_and_nothing_else_does():
    assert send_properties(content_ids=("44",))["content_type"] == "product"
    assert send_properties(content_ids=("44",), content_type="product_group")["content_type"] == "product_group"
    assert send_properties(search_string="tee") == {"search_string": "tee"}


def test_an_event_about_nothing_has_no_properties():
    assert "properties" not in send(change(properties=Properties(contents=(Content(),), content_ids=(" ",))))


def test_limited_data_use_is_said_only_when_it_is_so():
    assert "limited_data_use" not in send(PURCHASE)
    assert send(change(limited_data_use=True))["limited_data_use"] is True


def test_a_sound_event_passes_the_check():
    assert check(PURCHASE) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"event": " "}, "event: empty"),
        ({"event_id": ""}, "event_id: empty"),
        ({"occurred_ms": 0}, "event_time: not a time"),
        ({"page": Page("")}, "page.url: empty"),
        ({"user": User()}, "user: empty, nothing to match"),
        ({"user": User(email=("alice@example.com",))}, "user: empty, nothing to match"),
        ({"user": User(ip="127.0.0.1", user_agent="Mozilla/5.0")}, "user: empty, nothing to match"),
    ],
)
def test_an_event_tiktok_could_do_nothing_with_is_refused_here(changes, reason):
    assert check(change(**changes)) == reason


# What no event may do

ALLOWED = {
    "": {"event", "event_time", "event_id", "user", "page", "properties", "limited_data_use"},
    "user": {
        *("email", "phone", "external_id", "first_name", "last_name", "zip_code", "city", "state", "country"),
        *("ttclid", "ttp", "ip", "user_agent", "locale"),
    },
    "page": {"url", "referrer"},
    "properties": {
        *("contents", "content_ids", "content_type", "currency", "value", "num_items", "search_string"),
        *("description", "order_id", "shop_id", "customer_type"),
    },
    "contents": {"content_id", "content_name", "content_category", "brand", "price", "quantity"},
}

texts = st.text(alphabet="aZ0 \n\x00é李_", max_size=5)
maybe_text = st.none() | texts | st.sampled_from(["", " ", EMAIL, "USD", "eur", "XXX", "203.0.113.9", "127.0.0.1"])
numbers = st.none() | st.decimals() | st.sampled_from([Decimal("sNaN"), Decimal("1e999"), Decimal(0)])
some_texts = st.lists(texts | st.sampled_from([EMAIL, OTHER, EMPTY_SHA256]), max_size=3).map(tuple)


def build(struct: type, **given_fields) -> st.SearchStrategy:
    """Any value of a struct of the model: text in every field not named here."""
    fields = {name: given_fields.get(name, maybe_text) for name in struct.__struct_fields__}
    return st.builds(struct, **fields)


users = build(User, email=some_texts, phone=some_texts, external_id=some_texts)
products = build(Content, price=numbers, quantity=numbers)
properties_of_all_kinds = build(
    Properties,
    contents=st.lists(products, max_size=3).map(tuple),
    content_ids=some_texts,
    value=numbers,
    num_items=st.none() | st.integers(0, 10**6),
)
events = st.builds(
    Event,
    event=texts,
    event_id=texts,
    occurred_ms=st.integers(0, 2**42),
    received_ms=st.integers(0, 2**42),
    source=st.sampled_from(Source),
    page=st.builds(Page, url=texts, referrer=maybe_text),
    user=users,
    properties=properties_of_all_kinds,
    limited_data_use=st.booleans(),
)


def walk(value, place=""):
    """Every (place, key, value) of a JSON object; what is in a list is at the list's place."""
    for key, inner in value.items():
        yield place, key, inner
        for one in inner if isinstance(inner, list) else [inner]:
            if isinstance(one, dict):
                yield from walk(one, key)


@settings(max_examples=60)
@given(events.filter(lambda event: check(event) is None))
def test_unknown_keys_empty_values_and_wild_numbers_never_leave(event):
    for place, key, value in walk(send(event)):
        assert key in ALLOWED[place]
        assert value not in (None, "", [], {})
        assert not isinstance(value, str) or value.strip()
        assert place != "user" or EMPTY_SHA256 not in (value if isinstance(value, list) else [value])


@settings(max_examples=60)
@given(events.filter(lambda event: check(event) is None))
def test_what_leaves_has_the_types_tiktok_wants(event):
    sent = send(event)
    properties = sent.get("properties", {})
    assert type(sent["event_time"]) is int
    assert {"event", "event_id", "user", "page"} <= sent.keys()
    assert all(isinstance(one, str) for one in properties.get("content_ids", []))
    assert all(isinstance(one.get("content_id", ""), str) for one in properties.get("contents", []))
    assert isinstance(properties.get("value", 0), int | float)
    assert type(properties.get("num_items", 0)) is int

"""A beacon is decoded whole or refused with the field's name, and the refusal never repeats what was in it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import Malformed
from gateway.intake.beacon import BeaconUser, parse_beacon

EVERYTHING: dict[str, Any] = {
    "v": 1,
    "sent_at": 1767225600123,
    "page": {"url": "https://www.acme.com/products/tee?ttclid=E.C.P.x", "referrer": "https://x.test/", "title": "T"},
    "consent": {"marketing": True, "analytics": True, "sale_of_data": True, "source": "shopify"},
    "ids": {
        "companion": "c.x", "first": "f", "ttclid": "E.C.P.x", "ttp": "2a", "client": "u", "cart": "c", "checkout": "k",
        "customer": "7",
    },
    "user": {"email": "ada@example.com", "phone": "+493012345678", "external_id": "crm-7"},
    "events": [
        {
            "event": "ViewContent",
            "event_id": "0190",
            "at": 1767225599000,
            "pixel": "fired",
            "properties": {
                "contents": [
                    {
                        "content_id": "44", "content_name": "Tee", "content_category": "Shirts", "brand": "Acme",
                        "price": 20.0, "quantity": 1,
                    }
                ],
                "content_ids": ["44"], "content_type": "product", "currency": "EUR", "value": 20.0, "num_items": 1,
                "search_string": "tee", "description": "d", "order_id": "1", "shop_id": "2", "customer_type": "new",
            },
        }
    ],
}  # fmt: skip
REQUIRED = {"v", "page", "page.url", "events[0].event", "events[0].event_id"}
IGNORED = {"page.title"}
Path = tuple[str | int, ...]


def list_places(value: Any, path: Path = ()) -> list[Path]:
    """Every place in a tree, leaves and branches, the root left out."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in ((*path, key), *list_places(inner, (*path, key)))]


def to_name(path: Path) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


PLACES = {to_name(path): path for path in list_places(EVERYTHING)}
KNOWN = [name for name in PLACES if name not in IGNORED]


def put(path: Path, value: Any) -> dict[str, Any]:
    """The whole beacon with another value at one place."""
    changed: dict[str, Any] = json.loads(json.dumps(EVERYTHING))
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def take_out(path: Path) -> dict[str, Any]:
    changed = put(path, None)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return changed


def refusal(body: dict[str, Any] | bytes) -> str:
    with pytest.raises(Malformed) as refused:
        parse_beacon(body if isinstance(body, bytes) else json.dumps(body).encode())
    return str(refused.value)


def wrong_values(value: Any) -> list[Any]:
    """Values of every JSON type that this place does not take."""
    samples: list[Any] = [True, 7, 7.5, "secret", ["secret"], {"secret": 1}]
    own = {bool: (True,), int: (7, 7.5), float: (7, 7.5), str: ("secret",), list: (["secret"],), dict: ({"secret": 1},)}
    return [sample for sample in samples if sample not in own[type(value)] or type(sample) is bool is not type(value)]


def test_the_whole_shape_is_taken():
    beacon = parse_beacon(json.dumps(EVERYTHING).encode())
    assert beacon.events[0].properties is not None
    assert beacon.events[0].properties.contents[0].price == 20.0
    assert beacon.ids.customer == "7"


def at_place(path: Path) -> Any:
    value: Any = EVERYTHING
    for key in path:
        value = value[key]
    return value


MAY_BE_NUMBERS = ("content_id", "content_ids[0]", "order_id", "shop_id")


@pytest.mark.parametrize("name", KNOWN)
def test_a_wrong_type_names_its_field_and_repeats_nothing(name: str):
    for wrong in wrong_values(at_place(PLACES[name])):
        if name.endswith(MAY_BE_NUMBERS) and wrong == 7 and wrong is not True:
            continue
        told = refusal(put(PLACES[name], wrong))
        assert told.partition(": ")[0].startswith(name), (wrong, told)
        assert "secret" not in told


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_optional_may_be_missing_and_what_is_required_is_named(name: str):
    body = take_out(PLACES[name])
    if name in REQUIRED:
        assert refusal(body) == f"{name}: required"
    else:
        assert parse_beacon(json.dumps(body).encode()).v == 1


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_a_key_nobody_knows_may_hold_anything(name: str):
    for value in ("x", 7, None, ["x"], {"x": {"x": []}}):
        assert parse_beacon(json.dumps(put(PLACES[name], value)).encode()).v == 1


TEXTS = [name for name in KNOWN if isinstance(at_place(PLACES[name]), str)]


@pytest.mark.parametrize("name", TEXTS)
def test_an_endless_text_is_refused_by_name(name: str):
    assert refusal(put(PLACES[name], "https://" + "x" * 60_000)).startswith(name + ": ")


@pytest.mark.parametrize("name", ["page.url", "events[0].event", "events[0].event_id"])
def test_what_is_required_may_not_be_empty(name: str):
    assert refusal(put(PLACES[name], "")).startswith(name + ": ")


NUMBERS = [name for name in KNOWN if type(at_place(PLACES[name])) in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 400, "9" * 40, "0x10", "01", "1e"]
)
def test_a_number_out_of_this_world_is_refused(name: str, number: str):
    body = json.dumps(put(PLACES[name], "@")).replace('"@"', number).encode()
    refusal(body)


@pytest.mark.parametrize("name", [name for name in KNOWN if name.endswith(MAY_BE_NUMBERS)])
@pytest.mark.parametrize("number", ["9" * 400, "9" * 20, "1e3", "1.5", "NaN"])
def test_an_id_that_is_a_number_has_64_bits_at_most(name: str, number: str):
    refusal(json.dumps(put(PLACES[name], "@")).replace('"@"', number).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"[]", b"null", b"1", b'"x"', b"true", b"{}", b"{]", b'{"v":1', b"\x00", b"\xff\xfe{}",
        b'{"v":1,"page":{"url":"https://a.com/\xff"}}', b'{"v":1,"page":{"url":"https://a.com/"}}x',
        b"\xef\xbb\xbf" + b'{"v":1,"page":{"url":"https://a.com/"}}',
        '{"v":1,"page":{"url":"https://a.com/"}}'.encode("utf-16"),
        b'{"v":1,"page":{"url":"https://a.com/"},"ids":{"cart":"\\ud800"}}',
        b'{"v":1,"page":{"url":"https://a.com/"},"ids":{"cart":"\\udc00\\ud800"}}',
        b'{"v":1,"page":{"url":"https://a.com/"},"ids":{"cart":"a\\u0000b"}}',
        b'{"v":1,"page":{"url":"https://a.com/"},"ids":{"cart":"a\\\\\\u0000b"}}',
        b'{"v":1,"page":{"url":"https://a.com/"},"ids":{"cart":"a\x00b"}}',
        b'{"v":1,"page":{"url":"https://a.com/"},"x":' + b"[" * 60_000,
        b'{"v":1,"page":{"url":"https://a.com/"},"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 65_536,
    ],
    ids=lambda body: repr(body[-24:]),
)  # fmt: skip
def test_what_is_no_beacon_is_malformed(body: bytes):
    field, _, what = refusal(body).partition(": ")
    assert field in ("body", "v", "page")
    assert what


def test_a_backslash_before_u0000_is_text_and_no_nul():
    beacon = parse_beacon(b'{"v":1,"page":{"url":"https://a.com/"},"ids":{"cart":"\\\\u0000"}}')
    assert beacon.ids.cart == "\\u0000"


def test_a_long_run_of_backslashes_is_looked_through_in_no_time():
    beacon = parse_beacon(b'{"v":1,"page":{"url":"https://a.com/"},"x":"' + b"\\" * 60_000 + b'u0000"}')
    assert beacon.v == 1


@pytest.mark.parametrize("v", [0, 2, -1, 10**18])
def test_another_version_is_refused(v: int):
    assert refusal(EVERYTHING | {"v": v}) == "v: not one of the values it can have"


@pytest.mark.parametrize("pixel", ["secret", "FIRED", "", "x - at `$.secret`"])
def test_a_pixel_state_nobody_knows_is_refused_without_repeating_it(pixel: str):
    assert refusal(put(PLACES["events[0].pixel"], pixel)) == "events[0].pixel: not one of the values it can have"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "about:srcdoc", "//www.acme.com/", "/x", "x",
        "ftp://acme.com/", " https://www.acme.com/", "HTTPS", "https:/",
    ],
)  # fmt: skip
def test_a_page_that_is_none_is_refused(url: str):
    assert refusal(put(PLACES["page.url"], url)) == "page.url: expected an http or https address"


def test_fifty_events_are_taken_and_fifty_one_are_not():
    event = {"event": "ViewContent", "event_id": "e"}
    assert len(parse_beacon(json.dumps(EVERYTHING | {"events": [event] * 50}).encode()).events) == 50
    assert refusal(EVERYTHING | {"events": [event] * 51}) == "events: expected `array` of length <= 50"


def test_a_raw_email_shows_in_no_repr():
    assert "ada" not in repr(BeaconUser(email="ada@example.com", phone="+49", external_id="crm-7"))
    assert "ada" not in repr(parse_beacon(json.dumps(EVERYTHING).encode()))

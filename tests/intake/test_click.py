"""Click ids: found in addresses, verbatim or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.click import find_click_id, parse_click_id, parse_ttp

NAMES = ("ttclid", "tc")


@pytest.mark.parametrize(
    ("url", "click"),
    [
        ("https://www.acme.com/?ttclid=E.C.P.x", "E.C.P.x"),
        ("https://www.acme.com/?a=1&ttclid=E.C.P.x&b=2#top", "E.C.P.x"),
        ("https://www.acme.com/?tc=E.C.P.y", "E.C.P.y"),
        ("https://www.acme.com/?tc=E.C.P.y&ttclid=E.C.P.x", "E.C.P.x"),
        ("https://www.acme.com/?ttclid=&tc=E.C.P.y", "E.C.P.y"),
        ("https://www.acme.com/?ttclid=first&ttclid=second", "first"),
        ("https://www.acme.com/?ttclid=a%2Bb+c%253D", "a+b+c%3D"),
        ("https://www.acme.com/?%74tclid=E.C.P.x", "E.C.P.x"),
        ("https://www.acme.com/?ttclid=__CLICKID__", None),
        ("https://www.acme.com/?ttclid=%FF", None),
        ("https://www.acme.com/?ttclid=a%20b", None),
        ("https://www.acme.com/?ttclid", None),
        ("https://www.acme.com/#?ttclid=x", None),
        ("https://www.acme.com/?xttclid=x", None),
        ("https://[::1?ttclid=x", None),
        ("https://[?ttclid=x", None),
        ("https://\u2100.com/?ttclid=x", None),
        ("https://www.acme.com/", None),
    ],
)
def test_the_click_id_of_an_address(url: str, click: str | None):
    assert find_click_id(url, NAMES) == click


@given(st.text())
def test_no_address_is_too_absurd_to_be_looked_at(text: str):
    find_click_id("https://" + text, NAMES)
    find_click_id("https://www.acme.com/?ttclid=" + text, NAMES)


@given(st.text())
def test_whatever_is_taken_can_stand_in_a_cookie(text: str):
    for value in (parse_click_id(text), parse_ttp(text)):
        if value is not None:
            assert value == text
            assert value.isascii()
            assert not set(value) & set(' ",;\\')
            assert value.isprintable()


def test_a_ttp_longer_than_any_is_none():
    assert parse_ttp("a" * 200) == "a" * 200
    assert parse_ttp("a" * 201) is None
    assert parse_ttp("") is parse_ttp(None) is None

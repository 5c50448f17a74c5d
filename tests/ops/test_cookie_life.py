"""How long cookies live is predicted by WebKit's own rule, and what would lengthen their life is said."""

from __future__ import annotations

import pytest

from gateway.ops.cookie_life import SAFARI, Name, predict_cookie_life

SHOPIFY = Name("www.acme.com", ("shops.myshopify.com",), ("23.227.38.74", "2620:127:f00f:e::"))
OWN_V4 = Name("www.acme.com", (), ("198.51.100.20",))


def gateway(*addresses: str, cnames: tuple[str, ...] = ()) -> Name:
    return Name("t.acme.com", cnames, addresses)


@pytest.mark.parametrize(
    ("mine", "page", "days"),
    [
        (gateway("203.0.113.9"), SHOPIFY, 7),
        (gateway("198.51.7.7"), OWN_V4, 400),  # the first 16 bits agree
        (gateway("198.50.100.20"), OWN_V4, 7),  # they do not
        (gateway("198.51.7.7", "203.0.113.9"), OWN_V4, 7),  # nobody knows which one a visit takes
        (gateway("2001:db8:1:2::9"), Name("www.acme.com", (), ("2001:db8:1:2:ffff::1",)), 400),
        (gateway("2001:db8:1:3::9"), Name("www.acme.com", (), ("2001:db8:1:2::9",)), 7),  # 63 bits are too few
        (gateway("198.51.100.20"), Name("www.acme.com", (), ("2001:db8::1",)), 7),  # families never match
        (gateway("198.51.7.7"), Name("www.acme.com", ("x.cdn.net",), ("198.51.100.20",)), 400),  # the page's own CNAME
    ],
)
def test_without_a_cname_the_addresses_decide(mine: Name, page: Name, days: int):
    assert predict_cookie_life(mine, page, "acme.com").days[SAFARI] == days


@pytest.mark.parametrize(
    ("cnames", "days"),
    [
        (("gw.acme.com",), 400),
        (("acme.com",), 400),
        (("gw.acme.com", "lb.host.net"), 7),  # the last name counts
        (("lb.host.net", "gw.acme.com"), 400),
        (("notacme.com",), 7),
        (("shops.myshopify.com",), 400),  # where the page leads as well
    ],
)
def test_with_a_cname_its_last_name_decides_and_the_addresses_do_not(cnames: tuple[str, ...], days: int):
    life = predict_cookie_life(gateway("203.0.113.9", cnames=cnames), SHOPIFY, "acme.com")
    assert life.days[SAFARI] == days


def test_the_store_without_an_address_is_near_nobody():
    assert predict_cookie_life(gateway("203.0.113.9"), Name("www.acme.com"), "acme.com").days[SAFARI] == 7


def test_other_browsers_have_one_limit_each():
    life = predict_cookie_life(gateway("203.0.113.9"), SHOPIFY, "acme.com")
    assert {browser: days for browser, days in life.days.items() if browser != SAFARI} == {
        "Chrome": 400,
        "Firefox": 400,
        "Brave": 180,
    }


def test_a_short_life_says_why_and_what_lengthens_it():
    life = predict_cookie_life(gateway("203.0.113.9", cnames=("lb.host.net",)), SHOPIFY, "acme.com")
    assert "lb.host.net, a name of another domain" in life.why
    assert life.mend.startswith("give gw.acme.com the server's A and AAAA records and make t.acme.com a CNAME to it")
    assert "/go" in predict_cookie_life(gateway("203.0.113.9"), SHOPIFY, "acme.com").mend


def test_what_safari_takes_is_one_sentence_and_of_what_it_leaves_there_is_none():
    life = predict_cookie_life(gateway("203.0.113.9", cnames=("lb.host.net",)), SHOPIFY, "acme.com")
    assert life.cost == (
        "Safari keeps what the gateway sets from a page for 7 days after a visit, as t.acme.com is a CNAME to "
        "lb.host.net, a name of another domain, which Safari takes for a disguise."
    )
    assert predict_cookie_life(gateway("198.51.7.7"), OWN_V4, "acme.com").cost == ""


def test_a_long_life_needs_no_mending():
    assert predict_cookie_life(gateway("203.0.113.9", cnames=("gw.acme.com",)), SHOPIFY, "acme.com").mend == ""

"""Digests TikTok can match, and none of what is nobody's."""

from __future__ import annotations

import hashlib
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.normalise import (
    EMPTY_SHA256,
    hash_email,
    hash_external_id,
    hash_name,
    hash_phone,
    hash_zip,
    is_digest,
    to_city,
    to_country,
    to_public_ip,
    to_state,
)

ALICE = "848a771458438fc2ec420560d769fb9b9b86851ee338ec56517baabd79d3bb4f"
PHONE = "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd"
USER_123 = "80fba0ae1c48e3978e43e4efc365e14e12ea0c830ba8ba5b9a2dafc7e3f2ab8b"

HASHES = (
    hash_email,
    hash_external_id,
    hash_name,
    lambda raw: hash_phone(raw, None),
    lambda raw: hash_phone(raw, "US"),
    lambda raw: hash_zip(raw, None),
    lambda raw: hash_zip(raw, "US"),
)
hashes = pytest.mark.parametrize("hash_it", HASHES)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_digests_tiktok_publishes_come_out():
    assert hash_email(" ALICE_abc@gmail.com ") == ALICE
    assert hash_phone("(+1)2133734253", None) == PHONE
    assert hash_external_id(" user_123\n") == USER_123


@hashes
@pytest.mark.parametrize("nothing", [None, "", " ", "\t\r\n", "\u00a0", "\u3000", EMPTY_SHA256, EMPTY_SHA256.upper()])
def test_nothing_is_never_hashed(hash_it, nothing):
    assert hash_it(nothing) is None


@hashes
def test_a_digest_passes_through_in_lower_case(hash_it):
    assert hash_it(ALICE) == ALICE
    assert hash_it(f" {ALICE.upper()} ") == ALICE


@hashes
@settings(max_examples=50)
@given(raw=st.text() | st.text(alphabet=string.hexdigits, min_size=63, max_size=65))
def test_whatever_comes_in_a_digest_or_nothing_comes_out(hash_it, raw):
    digest = hash_it(raw)
    assert digest is None or is_digest(digest)


@hashes
@settings(max_examples=50)
@given(raw=st.text(alphabet="0123456789+-() abc@.'"))
def test_a_value_hashed_by_the_shop_and_by_us_is_the_same(hash_it, raw):
    once = hash_it(raw)
    assert hash_it(once) == once


@hashes
def test_half_a_surrogate_pair_does_no_harm(hash_it):
    assert hash_it("a@b\ud800") is None or is_digest(hash_it("a@b\ud800"))


def test_an_email_keeps_its_dots_and_tags():
    assert hash_email("A.B+c@Gmail.com") == sha256("a.b+c@gmail.com")


@pytest.mark.parametrize("word", ["undefined", "null", "n/a", "@", "alice@", "@example.com"])
def test_a_word_in_the_email_field_is_nobody(word):
    assert hash_email(word) is None


@pytest.mark.parametrize(
    ("raw", "country", "e164"),
    [
        ("+4915112345678", None, "+4915112345678"),
        ("+49 (0)151 / 123-456 78", None, "+4915112345678"),
        ("0049 151 12345678", None, "+4915112345678"),
        ("0049 151 12345678", "DE", "+4915112345678"),
        ("0049 151 12345678", "US", "+4915112345678"),
        ("0151 12345678", "de", "+4915112345678"),
        ("4915112345678", "DE", "+4915112345678"),
        ("(213) 373-4253", "US", "+12133734253"),
        ("12133734253", "US", "+12133734253"),
        ("07911 123456", "GB", "+447911123456"),
        ("138 0013 8000", "CN", "+8613800138000"),
        ("+33 6 12 34 56 78", "DE", "+33612345678"),
        ("+1 213 373 4253 ext. 5", None, "+12133734253"),
        ("+1 (555) 123-4567", None, "+15551234567"),
        ("555-123-4567", "US", "+15551234567"),
    ],
)
def test_a_phone_number_is_hashed_as_e164(raw, country, e164):
    assert hash_phone(raw, country) == sha256(e164)


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("0151 12345678", None),
        ("4915112345678", None),
        ("2133734253", None),
        ("2133734253", "XX"),
        ("373-4253", "US"),
        ("000 000 0000", "US"),
        ("1111111111", "US"),
        ("00", None),
        ("0049", None),
        ("+", "DE"),
        ("call me", "US"),
    ],
)
def test_a_phone_number_of_no_known_country_is_dropped(raw, country):
    assert hash_phone(raw, country) is None


def test_an_external_id_keeps_its_case():
    assert hash_external_id("User_123") == sha256("User_123") != hash_external_id("user_123")


@pytest.mark.parametrize(
    ("raw", "normalised"),
    [
        (" O'Brien-Smith, Jr. ", "obriensmith jr"),
        ("«Élodie»", "élodie"),
        ("D\u2019Angelo", "dangelo"),
        ("李。", "李"),
        ("Anna Maria", "anna maria"),
        ("- Bob", "bob"),
    ],
)
def test_a_name_is_hashed_without_punctuation(raw, normalised):
    assert hash_name(raw) == sha256(normalised)


def test_a_name_of_nothing_but_punctuation_is_none():
    assert hash_name(" .-\u2019 ") is None


@pytest.mark.parametrize(
    ("raw", "country", "normalised"),
    [
        ("94103-1234", "US", "94103"),
        ("94103 1234", "us", "94103"),
        ("SW1A 1AA", "GB", "sw1a1aa"),
        ("00-950", "PL", "00950"),
        ("94103-1234", None, "941031234"),
        ("100\u20130001", "JP", "1000001"),
    ],
)
def test_a_zip_code_is_hashed_without_spaces_and_hyphens(raw, country, normalised):
    assert hash_zip(raw, country) == sha256(normalised)


def test_a_city_is_plain_lower_case_letters_of_any_script():
    assert to_city(" São Paulo! ") == "sãopaulo"
    assert to_city("Sa\u0303o Paulo") == "sãopaulo"
    assert to_city("मुंबई") == "मुंबई"
    assert to_state("N.Y.") == "ny"
    assert to_city(" - ") is None
    assert to_city(None) is None


@pytest.mark.parametrize(("raw", "code"), [("DE", "de"), (" us ", "us"), ("Germany", None), ("", None), ("12", None)])
def test_a_country_is_its_two_letter_code(raw, code):
    assert to_country(raw) == code


@settings(max_examples=50)
@given(st.text())
def test_a_city_never_holds_spaces_or_capitals(raw):
    city = to_city(raw)
    assert city is None or not re.search(r"[\sA-Z.,'-]", city)


@pytest.mark.parametrize(
    ("raw", "ip"),
    [
        ("8.8.8.8", "8.8.8.8"),
        (" 203.0.113.9 ", "203.0.113.9"),
        ("198.51.100.7", "198.51.100.7"),
        ("2001:0db8:0000::0001", "2001:db8::1"),
        ("2a00:1450:4001:81b::200e", "2a00:1450:4001:81b::200e"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ('2001:4860:4860::8888%"],["x', "2001:4860:4860::8888"),
    ],
)
def test_public_and_documentation_addresses_are_kept(raw, ip):
    assert to_public_ip(raw) == ip


LOCAL = "127.0.0.1 10.1.2.3 192.168.0.1 172.16.0.1 169.254.1.1 100.64.0.1 0.0.0.0 224.0.0.1 240.0.0.1 255.255.255.255"
LOCAL_6 = "::1 :: fe80::1 fe80::1%eth0 fc00::1 ff02::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1"


@pytest.mark.parametrize("raw", [*LOCAL.split(), *LOCAL_6.split(), "", "unknown", "8.8.8.8:443", None])
def test_no_other_address_is_public(raw):
    assert to_public_ip(raw) is None

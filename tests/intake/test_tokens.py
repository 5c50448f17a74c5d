"""Signed ids: what was not signed here, for this store and this purpose, names nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.tokens import Tokens, VisitorToken
from gateway.store.receipt import AnchorKind

KEY, OTHER_KEY = "k" * 32, "o" * 32
VISITOR = VisitorToken("0190000000007000800000000000000a", 1_767_225_600_123)


def test_what_was_signed_reads_back():
    tokens = Tokens([KEY])
    assert tokens.read_visitor("acme", tokens.sign_visitor("acme", VISITOR)) == VISITOR
    assert tokens.read_companion("acme", tokens.sign_companion("acme", VISITOR.visitor_id)) == VISITOR.visitor_id


def test_each_value_is_good_for_its_own_store_and_purpose_only():
    tokens = Tokens([KEY])
    cookie, companion = tokens.sign_visitor("acme", VISITOR), tokens.sign_companion("acme", VISITOR.visitor_id)
    assert tokens.read_visitor("bolt", cookie) is None
    assert tokens.read_companion("bolt", companion) is None
    assert tokens.read_visitor("acme", companion) is None
    assert tokens.read_companion("acme", cookie) is None


def test_one_store_cannot_speak_for_another_whose_name_begins_alike():
    tokens = Tokens([KEY])
    companion = tokens.sign_companion("acme", VISITOR.visitor_id)
    assert tokens.read_companion("acm", "e:" + companion) is None


def test_the_newest_key_signs_and_all_verify():
    old, both, new = Tokens([OTHER_KEY]), Tokens([KEY, OTHER_KEY]), Tokens([KEY])
    assert both.read_visitor("acme", old.sign_visitor("acme", VISITOR)) == VISITOR
    assert both.sign_visitor("acme", VISITOR) == new.sign_visitor("acme", VISITOR)
    assert new.read_visitor("acme", old.sign_visitor("acme", VISITOR)) is None


@given(st.text(st.characters(codec="utf-8")))
def test_rubbish_names_nobody(text: str):
    tokens = Tokens([KEY])
    assert tokens.read_visitor("acme", text) is None
    assert tokens.read_companion("acme", text) is None


@given(st.integers(0, 90), st.characters(codec="latin-1"))
def test_one_changed_character_is_one_too_many(position: int, character: str):
    tokens = Tokens([KEY])
    value = tokens.sign_visitor("acme", VISITOR)
    changed = value[:position] + character + value[position + 1 :]
    assert tokens.read_visitor("acme", changed) == (VISITOR if changed == value else None)


def test_an_anchor_has_one_digest_for_each_key_the_newest_first():
    both = Tokens([KEY, OTHER_KEY]).anchors("acme", AnchorKind.CART, "c1")
    assert both == (
        *Tokens([KEY]).anchors("acme", AnchorKind.CART, "c1"),
        *Tokens([OTHER_KEY]).anchors("acme", AnchorKind.CART, "c1"),
    )
    assert len({anchor.digest for anchor in both}) == 2


def test_an_anchor_differs_by_store_kind_and_value():
    tokens = Tokens([KEY])
    said = [
        ("acme", AnchorKind.CART, "c1"),
        ("bolt", AnchorKind.CART, "c1"),
        ("acme", AnchorKind.CLIENT, "c1"),
        ("acme", AnchorKind.CART, "c2"),
    ]
    assert len({tokens.anchors(*each)[0].digest for each in said}) == 4
    assert tokens.anchors("acme", AnchorKind.CART, "") == tokens.anchors("acme", AnchorKind.CART, None) == ()

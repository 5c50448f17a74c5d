"""Whether a choice lets the gateway keep and send events: all of the table, mode by mode (contract 4.5)."""

from __future__ import annotations

import pytest

from gateway.model.consent import Consent, ConsentMode, is_allowed

YES, NO, UNSAID = Consent(marketing=True), Consent(marketing=False), Consent(analytics=True, sale_of_data=True)

ALLOWED = [
    (ConsentMode.GRANTED, YES, True),
    (ConsentMode.GRANTED, UNSAID, True),
    (ConsentMode.GRANTED, None, True),
    (ConsentMode.GRANTED, NO, False),
    (ConsentMode.REQUIRED, YES, True),
    (ConsentMode.REQUIRED, UNSAID, False),
    (ConsentMode.REQUIRED, None, False),
    (ConsentMode.REQUIRED, NO, False),
    (ConsentMode.SHOPIFY, YES, True),
    (ConsentMode.SHOPIFY, UNSAID, False),
    (ConsentMode.SHOPIFY, None, False),
    (ConsentMode.SHOPIFY, NO, False),
]


@pytest.mark.parametrize(("mode", "consent", "is_yes"), ALLOWED)
def test_a_choice_means_what_its_mode_says(mode, consent, is_yes):
    assert is_allowed(mode, consent) is is_yes


def test_the_table_has_every_mode():
    assert {mode for mode, _, _ in ALLOWED} == set(ConsentMode)


@pytest.mark.parametrize("mode", ConsentMode)
@pytest.mark.parametrize("sale_of_data", [True, False, None])
@pytest.mark.parametrize("analytics", [True, False, None])
def test_marketing_alone_decides(mode, sale_of_data, analytics):
    for marketing in (True, False, None):
        consent = Consent(marketing, analytics, sale_of_data)
        assert is_allowed(mode, consent) is is_allowed(mode, Consent(marketing))

"""The list is TikTok's, not the world's."""

from __future__ import annotations

import pytest

from gateway.tiktok.currencies import CURRENCIES


def test_there_are_62_and_all_look_like_currencies():
    assert len(CURRENCIES) == 62
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


@pytest.mark.parametrize("code", ["BGN", "RSD", "GEL", "XXX"])
def test_currencies_tiktok_does_not_name_are_not_in_it(code):
    assert code not in CURRENCIES

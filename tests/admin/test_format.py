"""Numbers, money and times in words."""

from __future__ import annotations

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from gateway.admin.format import THIN, to_ago, to_compact, to_count, to_moment, to_money, to_share

MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("number", "word"), [(0, "0"), (999, "999"), (1000, "1 000"), (1_234_567, "1 234 567"), (-1500, "-1 500")]
)
def test_counts_are_grouped(number: int, word: str):
    assert to_count(number) == word.replace(" ", THIN)


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (0, "0"), (0.25, "0.25"), (7.5, "7.5"), (999, "999"), (1200, "1 200"), (9_994, "9 994"), (12_345, "12.3 k"),
        (999_999, "1 M"), (1_234_567, "1.23 M"), (2_000_000_000, "2 B"),
    ],
)  # fmt: skip
def test_large_numbers_have_three_figures(number: float, word: str):
    assert to_compact(number) == word.replace(" ", THIN)


@pytest.mark.parametrize(
    ("amount", "currency", "word"),
    [
        ("1234.5", "EUR", "1 234.50~EUR"), ("1234.5", "JPY", "1 235~JPY"), (Decimal("0.0005"), "KWD", "0.001~KWD"),
        (20.0, "USD", "20.00~USD"), ("-3", "CHF", "-3.00~CHF"), ("0.005", "EUR", "0.01~EUR"), ("7", "XYZ", "7.00~XYZ"),
    ],
)  # fmt: skip
def test_money_has_the_decimals_of_its_currency(amount: Decimal | str | float, currency: str, word: str):
    assert to_money(amount, currency) == word.replace(" ", THIN).replace("~", "\u00a0")


def test_no_amount_and_no_share_are_a_dash():
    assert to_money(None, "EUR") == to_share(1, 0) == "\u2013"
    assert to_share(1, 3) == f"33.3{THIN}%"


def test_a_moment_is_told_in_its_zone():
    moment = to_moment(1_793_404_800_000, ZoneInfo("Asia/Kolkata"))
    assert moment == ("2026-10-31T05:30:00+05:30", "2026-10-31", "05:30:00", "IST")


@pytest.mark.parametrize(
    ("minutes", "word"),
    [
        (0, "just now"),
        (1, "1 minute ago"),
        (59, "59 minutes ago"),
        (60, "1 hour ago"),
        (3000, "2 days ago"),
        (-5, "just now"),
    ],
)
def test_how_long_ago_is_told_in_the_largest_unit(minutes: int, word: str):
    assert to_ago(0, minutes * MINUTE_MS) == word

"""Rates, as an operator writes them."""

from __future__ import annotations

import pytest

from gateway.settings.rates import Rate, parse_rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("50/second", Rate(50, 1)),
        ("1000/minute", Rate(1000, 60)),
        ("5 per hour", Rate(5, 3600)),
        ("300/5 minutes", Rate(300, 300)),
        (" 7 / Days ", Rate(7, 86_400)),
    ],
)
def test_a_rate_is_read(text: str, rate: Rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "50",
        "/second",
        "0/second",
        "-1/second",
        "5/0 minutes",
        "5perhour",
        "5/\u017fecond",
        "1/second; 5/minute",
    ],
)
def test_what_says_no_rate_is_refused(text: str):
    with pytest.raises(ValueError, match="must be a rate such as 50/second"):
        parse_rate(text)

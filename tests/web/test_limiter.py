"""Who counts as one client."""

from __future__ import annotations

import time

import pytest

from gateway.errors import TooMany
from gateway.web.limiter import Limiter, to_network


def test_addresses_of_one_64_share_a_limit():
    limiter = Limiter("1/minute")
    limiter.check("2001:db8:1:2::1")
    with pytest.raises(TooMany):
        limiter.check("2001:db8:1:2:ffff::9")


def test_addresses_of_different_64s_do_not():
    limiter = Limiter("1/minute")
    for client in ("2001:db8:1:2::1", "2001:db8:1:3::1", "203.0.113.7", "203.0.113.8"):
        limiter.check(client)


def test_the_refusal_says_when_to_come_back():
    limiter = Limiter("1/minute")
    limiter.check("203.0.113.7")
    with pytest.raises(TooMany) as refused:
        limiter.check("203.0.113.7")
    assert 1 <= refused.value.retry_after_s <= 61


def test_a_clock_set_back_refuses_nobody_for_longer(monkeypatch: pytest.MonkeyPatch):
    limiter, now = Limiter("1/minute"), time.time()
    limiter.check("203.0.113.7")
    monkeypatch.setattr(time, "time", lambda: now - 86_400)
    with pytest.raises(TooMany) as refused:
        limiter.check("203.0.113.7")
    assert refused.value.retry_after_s <= 61


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:0db8:0000:0000"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("", ""),
        ("unix:", "unix:"),
        ("rubbish" * 50, ("rubbish" * 50)[:64]),
    ],
)
def test_a_client_counts_as_its_network(client: str, network: str):
    assert to_network(client) == network

"""The soak of `make soak` in a few seconds: whatever strikes, every acknowledged event is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import misfortune, shoppers
from bench.soak import judge, settle, soak
from tests.ports import free_port


async def test_every_acknowledged_event_is_delivered_or_ledgered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shoppers, "WITHDRAW", 0.1)
    monkeypatch.setattr(misfortune, "find_port", free_port)  # for all its lives
    soaked = await soak(tmp_path, minutes=0.1, rate=60, seed=4)
    assert soaked.account.is_whole, soaked
    assert soaked.account.delivered
    assert soaked.account.ledgered
    assert soaked.struck.total() >= 2


@pytest.mark.parametrize(
    ("fate", "counted", "told"),
    [
        ("accepted", 1, "delivered"),
        ("rejected", 0, "ledgered"),
        (None, 0, "lost"),
        (None, 1, "delivered without a fate"),
        ("accepted", 0, "told as accepted, and TikTok has never seen it"),
        ("expired", 1, "told as expired, and TikTok has it"),
        ("accepted", 2, "counted twice"),
    ],
)
def test_the_database_and_tiktok_must_agree(fate: str | None, counted: int, told: str):
    assert judge(fate, counted) == told


def test_an_account_with_a_lost_event_is_not_whole():
    account = settle({"told", "lost"}, {"told": "accepted"}, {"told": 1})
    assert not account.is_whole
    assert account.wrong == {"lost": 1}

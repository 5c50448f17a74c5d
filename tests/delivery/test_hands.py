"""What one process holds of claimed events is bounded, and what is shared is given back to the last."""

from __future__ import annotations

import random

import pytest

from gateway.delivery import hands
from gateway.delivery.hands import FEW, SHARED, Hands
from gateway.delivery.lane import BATCH, IN_FLIGHT


def test_four_pixels_may_fill_every_batch():
    held = Hands()
    assert [held.reach(BATCH) for _ in range(4 * IN_FLIGHT)] == [BATCH] * 4 * IN_FLIGHT


def test_whoever_comes_late_may_have_a_few():
    held = Hands()
    taken = [held.reach(BATCH) for _ in range(400)]
    assert sum(taken) == SHARED + 400 * FEW
    assert min(taken) == taken[-1] == FEW
    assert held.reach(1) == 1


def test_what_is_let_go_another_may_have():
    held = Hands()
    taken = [held.reach(BATCH) for _ in range(400)]
    held.let_go(taken[0])
    assert held.reach(BATCH) == BATCH
    assert held.reach(BATCH) == FEW


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_of_what_is_shared(monkeypatch: pytest.MonkeyPatch, seed: int):
    monkeypatch.setattr(hands, "SHARED", 500)
    chance, held, taken = random.Random(seed), Hands(), []
    for _ in range(1000):
        if taken and chance.random() < 0.5:
            held.let_go(taken.pop(chance.randrange(len(taken))))
        else:
            reached = held.reach(chance.choice((1, FEW, 200, BATCH)))
            kept = chance.randint(0, reached)
            held.let_go(reached, kept=kept)
            taken.append(kept)
        assert sum(max(0, one - FEW) for one in taken) <= 500
    for one in taken:
        held.let_go(one)
    assert held.reach(BATCH) == min(BATCH, FEW + 500)

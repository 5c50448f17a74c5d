"""The pieces whose instructions are counted do what a gateway does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.pieces import BEACONS, PIECES, Shop, build_body


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_runs_round_by_round(piece: str, tmp_path: Path):
    run = PIECES[piece](tmp_path)
    for turn in range(2):
        run(turn)


def test_a_beacon_is_answered_as_stored_and_with_its_cookies(tmp_path: Path):
    start, end = Shop(tmp_path).answer(build_body(1, first="somebody"))
    assert start["status"] == 204
    assert {value.partition(b"=")[0] for name, value in start["headers"] if name == b"set-cookie"} >= {b"_tgv", b"_tgc"}
    assert end["type"] == "http.response.body"


def test_a_delivered_round_was_accepted(tmp_path: Path):
    PIECES["deliver"](tmp_path)(0)
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
        assert connection.execute("SELECT count(*) FROM events WHERE fate = 'accepted'").fetchone() == (BEACONS,)

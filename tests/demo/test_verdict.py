"""The verdict sees whatever TikTok got too little, too much, twice or changed, and whatever a refuser left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.demo.fake_tiktok import Recorded
from gateway.demo.verdict import Expected, find_differences, find_traces

KEYS = {"ttclid": "E.C.P.ada", "ip": "203.0.113.11", "user_agent": "Mozilla/5.0", "email": "d1"}
WANTED = Expected("Ada", "Purchase", "purchase_1", KEYS)


def make_record(event_id: str = "purchase_1", **user: Any) -> Recorded:
    """An accepted Purchase of Ada's; a match key of None is left out."""
    said = {key: value for key, value in (KEYS | user).items() if value is not None}
    raw = json.dumps({"event": "Purchase", "event_id": event_id, "user": said}).encode()
    return Recorded(("C0DEMO", "Purchase", event_id), "counted", 0.0, None, msgspec.Raw(raw))


def test_what_was_expected_and_came_once_is_no_difference():
    assert find_differences([WANTED], [make_record()]) == []


def test_one_digest_of_several_is_enough():
    assert find_differences([WANTED], [make_record(email=["d0", "d1"])]) == []


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([], "Ada's Purchase purchase_1 was not accepted"),
        ([make_record(), make_record()], "Ada's Purchase purchase_1 was accepted 2 times"),
        ([make_record(), make_record("purchase_2")], "Purchase purchase_2 was accepted, and nobody did that"),
        ([make_record(ttclid=None)], "Ada's Purchase purchase_1 came without the click id"),
        ([make_record(ttclid="E.C.P.ben")], "Ada's Purchase purchase_1 came with another value for the click id"),
        ([make_record(ip=None)], "Ada's Purchase purchase_1 came without the address"),
        ([make_record(user_agent="curl")], "Ada's Purchase purchase_1 came with another value for the user agent"),
        ([make_record(email=["d2", "d3"])], "Ada's Purchase purchase_1 came with another value for the email's digest"),
    ],
)
def test_each_difference_is_one_sentence(records: list[Recorded], sentence: str):
    assert find_differences([WANTED], records) == [sentence]


def test_a_trace_is_found_in_whatever_file_it_hides(tmp_path: Path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "demo.db-wal").write_bytes(b"\x00page\xffE.C.P.cleo\x00")
    (tmp_path / "demo.db").write_bytes(b"SQLite format 3")

    assert find_traces(tmp_path, ["E.C.P.cleo"]) == ["demo.db-wal holds what a visitor who refused had said"]
    assert find_traces(tmp_path, ["203.0.113.13"]) == []

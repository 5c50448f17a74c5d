"""Every code that delivery acts on is told in plain words, with what to do."""

from __future__ import annotations

import pytest

from gateway.tiktok.answers import _BY_CODE, Verdict
from gateway.tiktok.meanings import _UNKNOWN, explain_code


@pytest.mark.parametrize("code", _BY_CODE)
def test_every_code_delivery_knows_has_a_meaning(code: int):
    assert explain_code(code) is not _UNKNOWN


@pytest.mark.parametrize("code", [code for code, verdict in _BY_CODE.items() if verdict is not Verdict.ACCEPTED])
def test_whatever_is_not_accepted_has_a_mend(code: int):
    assert explain_code(code).mend


def test_a_code_nobody_knows_and_no_answer_are_told_apart():
    assert explain_code(99999).meaning == "TikTok answered something new"
    assert explain_code(None).meaning == "TikTok did not answer"

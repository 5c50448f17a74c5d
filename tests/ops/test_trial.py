"""A test event is labelled, counts for nothing, and its fate is told in one sentence with the mend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.cli import main
from gateway.demo.fake_tiktok import FakeTikTok
from gateway.demo.fake_tiktok.moods import Mood
from gateway.ops.trial import build_trial_event
from gateway.store.rows import from_event, to_raw_event
from gateway.tiktok.payload import check_event
from tests.servers import PIXEL, make_settings, write_config

SECOND = "C0SECONDPIXEL0000000"
BOTH = [{"code": PIXEL, "access_token": "token-of-a-test"}, {"code": SECOND, "access_token": "token-of-another"}]


@pytest_asyncio.fixture
async def tiktok() -> AsyncIterator[tuple[FakeTikTok, str]]:
    fake = FakeTikTok({PIXEL: "token-of-a-test", SECOND: "token-of-another"})
    async with fake.serve() as url:
        yield fake, url


async def send(folder: Path, url: str, *arguments: str, **settings: Any) -> int:
    config = write_config(folder, delivery={"api_base": url}, **settings)
    return await asyncio.to_thread(main, ["test-event", "--config", str(config), *arguments])


def list_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_each_pixel_takes_one_event_that_counts_for_nothing(
    tiktok: tuple[FakeTikTok, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fake, url = tiktok
    assert await send(tmp_path, url, "--code", "TEST123", pixels=BOTH) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [
        f"acme: TikTok accepted the test event of pixel {PIXEL}",
        f"acme: TikTok accepted the test event of pixel {SECOND}",
    ]
    assert out.splitlines()[2].startswith("Next: look at Events Manager > your pixel > Test Events")
    assert err == ""
    assert {seen.json["test_event_code"] for seen in fake.requests} == {"TEST123"}
    assert fake.counted == []
    assert {event["properties"]["description"] for event in fake.events} == {"tag-gateway test event"}
    assert list_names(tmp_path) == ["gateway.toml"]


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "the access token is wrong, revoked or has ended (code 40105"),
        ("token-of-another", "the access token is wrong, revoked or has ended (code 40105"),
    ],
)
async def test_a_refused_token_is_told_with_code_meaning_and_mend(
    tiktok: tuple[FakeTikTok, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], token: str | None, said: str
):
    fake, url = tiktok
    fake.pixels = {PIXEL: token}
    assert await send(tmp_path, url, "--code", "TEST123") == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"acme: TikTok refused the test event of pixel {PIXEL}: {said}")
    assert line.endswith("put it into access_token")
    assert "token-of-a-test" not in line


async def test_the_token_of_another_pixel_is_told(
    tiktok: tuple[FakeTikTok, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    swapped = [{"code": PIXEL, "access_token": "token-of-another"}]
    assert await send(tmp_path, tiktok[1], "--code", "TEST123", pixels=swapped) == 1
    assert "the token may not write to this pixel (code 40001" in capsys.readouterr().out


async def test_one_refusal_among_several_fails_the_command(
    tiktok: tuple[FakeTikTok, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tiktok[0].pixels[SECOND] = None
    assert await send(tmp_path, tiktok[1], "--code", "TEST123", pixels=BOTH) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert ("accepted" in first, "refused" in second) == (True, True)


async def test_no_answer_is_told_as_such(
    tiktok: tuple[FakeTikTok, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    tiktok[0].moods.add(Mood(drop=True))
    assert await send(tmp_path, tiktok[1], "--code", "TEST123") == 1
    assert "TikTok did not answer (no answer: " in capsys.readouterr().out


@pytest.mark.parametrize("code", ["", "TEST 1", "x" * 65, "TEST\n1"])
def test_what_is_no_code_is_refused_before_anything_is_sent(code: str, capsys: pytest.CaptureFixture[str]):
    assert main(["test-event", "--code", code]) == 2
    assert capsys.readouterr().err.startswith("--code: this is no test code; Events Manager")


def test_the_event_tells_nothing_of_anybody(tmp_path: Path):
    event = build_trial_event(make_settings(tmp_path).stores[0], 1_700_000_000_000)
    stored, ip = from_event(event)
    assert check_event(to_raw_event(stored), ip) is None
    assert (event.user.ip, event.user.email, event.user.ttclid) == (None, (), None)
    assert event.page.url == "https://www.acme.com/"

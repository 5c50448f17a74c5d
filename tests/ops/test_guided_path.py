"""From an empty folder to the first event that TikTok accepts: each command names the next one, and it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.demo.fake_tiktok import FakeTikTok
from tests.ops.doctor.nameserver import serve_names
from tests.servers import HOST, ORIGIN, PIXEL


def point_at(config: Path, url: str) -> None:
    """The installation sends to this TikTok, and listens where nobody else does."""
    text = config.read_text()
    for old, new in (("[delivery]", f'[delivery]\napi_base = "{url}"'), ("port = 8080", "port = 9")):
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)


async def test_each_command_leads_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = tmp_path / "gateway.toml"
    monkeypatch.setenv("GATEWAY_CONFIG", str(config))
    monkeypatch.setenv("TIKTOK_ACCESS_TOKEN", "token-of-a-test")

    async def run(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(main, arguments)
        return code, capsys.readouterr().out

    tiktok = FakeTikTok({PIXEL: "token-of-a-test"})
    async with tiktok.serve() as url, serve_names({}) as dns:
        code, told = await run("init", "--site", ORIGIN, "--host", HOST, "--pixel", PIXEL, "--out", str(config))
        assert (code, "then tag-gateway check" in told) == (0, True)
        point_at(config, url)
        code, told = await run("check")
        assert (code, "tag-gateway install tells what to paste where" in told) == (0, True)
        code, told = await run("install")
        assert (code, "tag-gateway test-event --code" in told) == (0, True)
        code, told = await run("test-event", "--code", "TEST123")
        assert (code, "Then: tag-gateway doctor" in told) == (0, True)
        assert [event["event"] for event in tiktok.events] == ["ViewContent"]
        code, told = await run("doctor", "--dns", dns, "--code", "TEST123")
        assert (code, "start it: tag-gateway serve" in told, "add an A record for t.acme.com" in told) == (
            1,
            True,
            True,
        )
        assert f"ok   acme: tiktok: TikTok accepted the test event of pixel {PIXEL}" in told

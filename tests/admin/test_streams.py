"""Streams end with the server, which waits for none of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from gateway import app
from gateway.admin import streams
from tests.admin.desk import running_dashboard

STOP_S = 30
"""The server waits so long for requests that do not end, and a busy machine needs less for all else."""


async def test_an_open_stream_ends_in_order_when_the_server_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "REQUESTS_STOP_S", STOP_S)
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as browser:
        async with running_dashboard(tmp_path) as reader:
            await reader.sign_in()
            headers = {"host": "localhost", "cookie": f"tag_gateway_session={reader.cookie}"}
            url = reader.gateway.base_url + "/admin/live/stream"
            answer = await browser.send(httpx.Request("GET", url, headers=headers), stream=True)
            assert answer.status_code == 200
            stopping_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping_s < STOP_S
        assert [line async for line in answer.aiter_lines()] == []


async def test_a_rest_is_cut_short_by_the_end():
    with streams.streaming() as ended:
        resting = asyncio.create_task(streams.rest(ended, 60))
        await asyncio.sleep(0)
        streams.end_streams()
        await asyncio.wait_for(resting, 60)
    assert not streams.is_full()


async def test_a_rest_lasts_as_long_as_it_should():
    with streams.streaming() as ended:
        await streams.rest(ended, 0.001)
        assert not ended.is_set()

"""Streams end with the server, which waits for none of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from gateway.admin import streams
from gateway.app import REQUESTS_STOP_S
from tests.admin.desk import running_dashboard


async def test_an_open_stream_ends_in_order_when_the_server_stops(tmp_path: Path):
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as browser:
        async with running_dashboard(tmp_path) as reader:
            await reader.sign_in()
            headers = {"host": "localhost", "cookie": f"tag_gateway_session={reader.cookie}"}
            url = reader.gateway.base_url + "/admin/live/stream"
            answer = await browser.send(httpx.Request("GET", url, headers=headers), stream=True)
            assert answer.status_code == 200
            stopping_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - stopping_s < REQUESTS_STOP_S
        assert [line async for line in answer.aiter_lines()] == []


async def test_a_rest_is_cut_short_by_the_end():
    with streams.streaming() as ended:
        resting = asyncio.create_task(streams.rest(ended, 60))
        await asyncio.sleep(0)
        streams.end_streams()
        await asyncio.wait_for(resting, 5)
    assert not streams.is_full()


async def test_a_rest_lasts_as_long_as_it_should():
    with streams.streaming() as ended:
        await streams.rest(ended, 0.001)
        assert not ended.is_set()

"""More than the gateway can take: it says so to those who must wait, keeps its memory, and serves the others."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx
import pytest

from gateway.store import writer
from tests.beacons import make_beacon
from tests.faults.test_disk import is_refusal
from tests.servers import make_settings, running_gateway
from tests.store.samples import at_commit

FLOODER = "198.51.100.66"


async def test_when_the_store_cannot_keep_up_the_rest_is_told_at_once_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    is_committing, may_commit = threading.Event(), threading.Event()

    def stall() -> None:
        is_committing.set()
        may_commit.wait(60)

    monkeypatch.setattr(writer, "QUEUE_LIMIT", 10)
    async with running_gateway(make_settings(tmp_path, consent="granted")) as gateway:
        with at_commit(stall):
            first = asyncio.create_task(gateway.beacon(make_beacon()))
            assert await asyncio.to_thread(is_committing.wait, 60)
            waiting = {asyncio.create_task(gateway.beacon(make_beacon())) for _ in range(30)}
            refused = set[asyncio.Task[httpx.Response]]()
            async with asyncio.timeout(60):
                while len(refused) < 20:
                    done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    refused |= done
            may_commit.set()
            answers = await asyncio.gather(first, *waiting)
        assert all(is_refusal(task.result()) for task in refused)
        assert [answer.status_code for answer in answers] == [204] * 11
        assert len(gateway.events) == 11
        assert (await gateway.beacon(make_beacon())).status_code == 204


async def test_a_flood_from_one_address_is_refused_and_everybody_else_is_served(tmp_path: Path):
    settings = make_settings(tmp_path, consent="granted", server={"rate_limit": "20/minute"})
    async with running_gateway(settings) as gateway:

        async def send(address: str) -> int:
            response = await gateway.beacon(make_beacon(), headers={"x-forwarded-for": address})
            assert response.status_code == 204 or int(response.headers["retry-after"]) >= 1
            return response.status_code

        flood = [asyncio.create_task(send(FLOODER)) for _ in range(200)]
        others = await asyncio.gather(*(send(f"203.0.113.{number}") for number in range(50)))
        flooded = await asyncio.gather(*flood)
    assert set(others) == {204}
    assert (flooded.count(204), flooded.count(429)) == (20, 180)

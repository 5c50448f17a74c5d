"""More than the gateway can take: it says so to those who must wait, keeps its memory, and serves the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest

from gateway.app import MOST_FILES, allow_files
from gateway.store import writer
from tests.beacons import make_beacon
from tests.faults.test_disk import is_refusal
from tests.servers import HOST, ORIGIN, USER_AGENT, Gateway, make_settings, running_gateway, running_process
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


CROWD = 1_500
"""Connections at once, each with a beacon that waits for its commit."""

MOST_BYTES = 32 * 1024
"""What one of them may cost at the most; half of it is usual."""


def find_peak_bytes(gateway: Gateway) -> int:
    """The most memory that the gateway's process has ever had."""
    assert gateway.process
    status = Path(f"/proc/{gateway.process.pid}/status").read_text("utf-8")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


async def post(gateway: Gateway, body: bytes) -> int:
    """The status of the answer to a beacon on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.base_url.rpartition(":")[2]))
    try:
        head = f"POST /a7/q HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {ORIGIN}\r\nUser-Agent: {USER_AGENT}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])
    finally:
        writer.close()


async def test_a_crowd_before_a_database_that_stalls_is_told_to_come_again_and_costs_little_memory(tmp_path: Path):
    allow_files()
    async with running_process(tmp_path, "--no-deliver", consent="granted") as gateway:
        assert (await gateway.beacon(make_beacon())).status_code == 204
        usual_bytes = find_peak_bytes(gateway)
        with contextlib.closing(sqlite3.connect(gateway.database, isolation_level=None)) as outsider:
            outsider.execute("BEGIN EXCLUSIVE")
            bodies = [json.dumps(make_beacon()).encode() for _ in range(CROWD)]
            crowd = [asyncio.create_task(post(gateway, body)) for body in bodies]
            assert (await gateway.request("GET", "/healthz")).status_code == 200
            assert not any(task.done() for task in crowd)
            assert set(await asyncio.gather(*crowd)) == {503}
        assert find_peak_bytes(gateway) - usual_bytes < CROWD * MOST_BYTES
        assert (await gateway.beacon(make_beacon())).status_code == 204


def test_so_many_may_wait_that_a_connection_is_left_to_refuse_the_next():
    assert writer.QUEUE_LIMIT < 0.75 * MOST_FILES

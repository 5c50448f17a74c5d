"""A gateway is restarted behind the real Caddy while browsers send: none of them hears of it, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from uuid_utils import uuid7

from gateway.demo.fake_tiktok import FakeTikTok
from tests.beacons import make_beacon, make_event
from tests.browser.caddy import adapt, move_to_loopback, run_caddy
from tests.faults.test_kill import end, find_answered, none_was_sent_twice
from tests.faults.test_nodes import make_folder, make_overrides
from tests.ports import free_port
from tests.postgres import Server
from tests.servers import HOST, ORIGIN, PIXEL, USER_AGENT, Gateway, running_process

BROWSERS = 8
PAUSE_S = 0.01
"""Between one browser's beacons: the machine has to start a gateway meanwhile."""


@pytest.fixture
def tiktok() -> Iterator[FakeTikTok]:
    fake = FakeTikTok({PIXEL: "token-of-a-test"})
    fake.url = fake.start()  # type: ignore[attr-defined]
    yield fake
    fake.stop()


class Crowd:
    """Browsers that send beacons through Caddy, each on a connection of its own; keeps what every one was answered."""

    def __init__(self, port: int, certificate: Path) -> None:
        self.acknowledged: set[str] = set()
        self.answers: Counter[int] = Counter()
        self._url = f"https://127.0.0.1:{port}/a7/q"
        self._trust = ssl.create_default_context(cafile=certificate)
        self._may_send = True
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator[Crowd]:
        """Beacons are sent while the block runs; afterwards each has been answered."""
        async with asyncio.TaskGroup() as browsers:
            for _ in range(BROWSERS):
                browsers.create_task(self._browse())
            try:
                yield self
            finally:
                self._may_send = False

    async def more(self, count: int = 100) -> None:
        """So many more beacons have been acknowledged."""
        enough = len(self.acknowledged) + count
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: len(self.acknowledged) >= enough)

    async def _browse(self) -> None:
        headers = {"host": HOST, "origin": ORIGIN, "user-agent": USER_AGENT, "content-type": "text/plain;charset=UTF-8"}
        async with httpx.AsyncClient(headers=headers, verify=self._trust, trust_env=False, timeout=30) as client:
            while self._may_send:
                event_id = str(uuid7())
                body = make_beacon(make_event(event_id=event_id))
                answer = await client.post(self._url, json=body, headers=headers, extensions={"sni_hostname": HOST})
                async with self._changed:
                    self.answers[answer.status_code] += 1
                    if answer.status_code == 204:
                        self.acknowledged.add(event_id)
                    self._changed.notify_all()
                await asyncio.sleep(PAUSE_S)


@contextlib.asynccontextmanager
async def open_door(folder: Path, *ports: int) -> AsyncIterator[Crowd]:
    """Caddy stands before the gateways on these ports."""
    port = free_port()
    config = move_to_loopback(adapt(HOST, " ".join(f"127.0.0.1:{one}" for one in ports)), port, folder)
    async with run_caddy(config, folder) as log:
        async with asyncio.timeout(60):
            while "certificate obtained successfully" not in log.read_text():  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.05)
        yield Crowd(port, folder / "pki" / "authorities" / "local" / "root.crt")


async def restart(stack: contextlib.AsyncExitStack, gateway: Gateway, folder: Path, **overrides: Any) -> Gateway:
    """The gateway has ended in order, and another serves in its place."""
    assert await end(gateway, signal.SIGTERM) == 0
    return await stack.enter_async_context(running_process(folder, **overrides))


async def delivered_once(tiktok: FakeTikTok, crowd: Crowd) -> None:
    """Whatever was acknowledged was sent once, and TikTok has it; no browser was answered anything but 204."""
    await tiktok.until(lambda: crowd.acknowledged <= find_answered(tiktok), timeout_s=60)
    assert set(tiktok.counts.values()) == {1}
    none_was_sent_twice(tiktok)
    assert set(crowd.answers) == {204}


async def test_no_browser_notices_that_the_only_gateway_is_restarted(tmp_path: Path, tiktok: FakeTikTok):
    port = free_port()
    delivery = {"api_base": tiktok.url, "linger_s": 0.05}  # type: ignore[attr-defined]
    overrides = {"consent": "granted", "delivery": delivery, "server": {"port": port, "rate_limit": "100000/second"}}
    async with contextlib.AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(running_process(tmp_path, **overrides))
        crowd = await stack.enter_async_context(open_door(tmp_path, port))
        async with crowd.sending():
            for _ in range(2):
                await crowd.more()
                gateway = await restart(stack, gateway, tmp_path, **overrides)
            await crowd.more()
        await delivered_once(tiktok, crowd)


async def test_no_browser_notices_that_two_nodes_are_restarted_in_turn(
    tmp_path: Path, postgres: Server, tiktok: FakeTikTok
):
    database = postgres.make_database("rolling_restart")
    ports = [free_port(), free_port()]
    overrides = [
        make_overrides(database, tiktok) | {"server": {"port": port, "rate_limit": "100000/second"}} for port in ports
    ]
    folders = [make_folder(tmp_path / name) for name in "ab"]
    async with contextlib.AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running_process(folder, **said))
            for folder, said in zip(folders, overrides, strict=True)
        ]
        crowd = await stack.enter_async_context(open_door(tmp_path, *ports))
        async with crowd.sending():
            for node, folder, said in zip(nodes, folders, overrides, strict=True):
                await crowd.more()
                await restart(stack, node, folder, **said)
            await crowd.more()
        await delivered_once(tiktok, crowd)

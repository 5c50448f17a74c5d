"""Browsers for the soak: each sends a beacon now and then, keeps it until it is acknowledged, and remembers its id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from typing import Any

from uuid_utils import uuid7

from bench.site import HOST, ORIGIN, USER_AGENT, build_beacon

BROWSERS = 64
CATCH_UP_S = 5.0
"""How much of what it could not send a browser makes up for; what is older is given up, as people go away."""

AGAIN_S = 0.2
"""How long a browser waits before it sends again what was not acknowledged."""

PATIENCE_S = 15.0
WITHDRAW = 1 / 100
"""The share of visitors who take their consent back at once: what has not left by then ends in the ledger."""


def plan(due_s: float, now_s: float, pause_s: float) -> float:
    """When the next beacon is due, so long after the last one was: however late that was answered, up to a limit."""
    return max(due_s, now_s - CATCH_UP_S) + pause_s


class Shoppers:
    """So many beacons a second from all browsers together.

    `acknowledged`: the ids of events answered with 204. `withdrawn`: of these, those of visitors who then took their
    consent back.
    """

    def __init__(self, port: int, rate: float, chance: random.Random) -> None:
        self.acknowledged: set[str] = set()
        self.withdrawn: set[str] = set()
        self.refused = 0
        """Beacons that had to be sent again."""
        self._port = port
        self._pause_s = BROWSERS / rate
        self._chance = chance
        self._is_over = asyncio.Event()

    async def shop(self) -> None:
        """Returns after `leave`, when every beacon has been acknowledged."""
        async with asyncio.TaskGroup() as browsers:
            for _ in range(BROWSERS):
                browsers.create_task(self._browse())

    def leave(self) -> None:
        """No browser begins another beacon."""
        self._is_over.set()

    async def _browse(self) -> None:
        connection, due_s = _Connection(self._port), time.monotonic()
        while True:
            due_s = plan(due_s, time.monotonic(), self._chance.expovariate(1 / self._pause_s))
            if await self._rest(due_s - time.monotonic()):
                break
            event_id, person = str(uuid7()), f"soak-{self._chance.randrange(5000)}"
            withdraws = self._chance.random() < WITHDRAW
            person = f"{person}-{event_id}" if withdraws else person
            await self._insist(connection, build_beacon(event_id, first=person))
            self.acknowledged.add(event_id)
            if withdraws:
                await self._insist(connection, build_beacon(first=person, consent={"marketing": False}))
                self.withdrawn.add(event_id)
        connection.close()

    async def _insist(self, connection: _Connection, beacon: dict[str, Any]) -> None:
        """The beacon has been acknowledged."""
        request = _to_request(beacon)
        while await connection.post(request) != 204:
            self.refused += 1
            await asyncio.sleep(AGAIN_S)

    async def _rest(self, seconds: float) -> bool:
        """Whether it is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_over.wait(), seconds)
        return self._is_over.is_set()


def _to_request(beacon: dict[str, Any]) -> bytes:
    body = json.dumps(beacon).encode()
    head = (
        f"POST /a7/q HTTP/1.1\r\nhost: {HOST}\r\norigin: {ORIGIN}\r\nuser-agent: {USER_AGENT}\r\n"
        f"content-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection:
    """Kept alive until it breaks, and opened again by the next request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def post(self, request: bytes) -> int:
        """The answer's status; 0 when there was none."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._exchange(request)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return 0

    async def _exchange(self, request: bytes) -> int:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        _, has_length, rest = head.partition("content-length:")
        if has_length:
            await self._reader.readexactly(int(rest.split("\r\n")[0]))
        return int(head.split()[1])

    def close(self) -> None:
        """No connection is open."""
        if self._writer:
            self._writer.close()
        self._reader = self._writer = None

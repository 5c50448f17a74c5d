"""A delivery to FakeTikTok that a test can watch and steer: its clock is turned by hand, its store can be broken."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from gateway.delivery.worker import Deliverer
from gateway.demo.fake_tiktok import FakeTikTok, Seen
from gateway.errors import StoreUnavailable
from gateway.model.consent import ConsentMode
from gateway.model.event import Event, Page, Source
from gateway.model.visitor import Sighting
from gateway.store import Claimed, Lane, Receipt, Settlement, Store
from gateway.store.receipt import Queued
from gateway.store.tables import attempts, events, outbox
from gateway.tiktok.answers import Answer
from gateway.tiktok.client import TikTokClient
from tests.servers import make_settings

START_MS = 1_790_000_000_000
HOUR_S = 3600.0
STORE, PIXEL, OTHER = "acme", "C0ABCDEFGHIJKLMNOPQR", "C0OTHERPIXEL00000000"
TOKENS = {PIXEL: "token-of-the-first", OTHER: "token-of-the-other"}
PATIENCE_S = 60.0


class Clock:
    """Stands still until it is turned. Units: called, it gives Unix milliseconds."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms

    def read_s(self) -> float:
        return self.ms / 1000

    def turn(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


class WatchedStore(Store):
    """The real store, which notes what delivery does with it, and refuses everything while `is_broken`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.is_broken = False
        self.looks = self.renewals = 0
        self.refusals: Counter[str] = Counter()
        self.claims: list[list[Claimed]] = []
        self.settled: list[Settlement] = []
        self.changed = asyncio.Condition()

    async def claim(self, lane: Lane, lease: str, now_ms: int, limit: int) -> list[Claimed]:
        await self._refuse_if_broken("claim")
        claimed = await super().claim(lane, lease, now_ms, limit)
        async with self._changes():
            self.claims += [claimed] if claimed else []
        return claimed

    async def renew(self, lane: Lane, lease: str, ids: Sequence[str], now_ms: int) -> set[str]:
        await self._refuse_if_broken("renew")
        held = await super().renew(lane, lease, ids, now_ms)
        async with self._changes():
            self.renewals += 1
        return held

    async def settle(self, store_id: str, lease: str, settlements: Sequence[Settlement]) -> None:
        await self._refuse_if_broken("settle")
        await super().settle(store_id, lease, settlements)
        async with self._changes():
            self.settled += settlements

    async def due_lanes(self, lanes: Sequence[Lane], now_ms: int) -> list[Lane]:
        await self._refuse_if_broken("look")
        found = await super().due_lanes(lanes, now_ms)
        async with self._changes():
            self.looks += 1
        return found

    async def until(self, condition: Callable[[], object]) -> None:
        """The condition, looked at after everything delivery has done, is true."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: bool(condition()))

    async def _refuse_if_broken(self, act: str) -> None:
        if self.is_broken:
            async with self._changes():
                self.refusals[act] += 1
            raise StoreUnavailable("broken by a test")

    @contextlib.asynccontextmanager
    async def _changes(self) -> AsyncIterator[None]:
        async with self.changed:
            yield
            self.changed.notify_all()


class Delivery:
    """One store's events on their way from a database to FakeTikTok."""

    def __init__(self, store: WatchedStore, tiktok: FakeTikTok, clock: Clock, folder: Path, url: str) -> None:
        self.store, self.tiktok, self.clock = store, tiktok, clock
        self._folder, self._url = folder, url
        self.client = TikTokClient(url, timeout_s=PATIENCE_S)
        self.deliverer: Deliverer | None = None
        self.running: asyncio.Task[None] | None = None

    def build(self, pixels: Sequence[dict[str, Any]] = (), linger_s: float = 0, seed: int = 1) -> Deliverer:
        """A deliverer for these pixels, the first one alone if none is said."""
        given = [{"access_token": TOKENS[pixel["code"]], **pixel} for pixel in pixels or [{"code": PIXEL}]]
        delivery = {"api_base": self._url, "linger_s": linger_s}
        settings = make_settings(self._folder, delivery=delivery, pixels=given)
        self.deliverer = Deliverer(settings, self.store, self.client, self.clock, random.Random(seed))
        return self.deliverer

    def start(self, *pixels: dict[str, Any], **said: Any) -> None:
        """It delivers from now on."""
        self.running = asyncio.create_task(self.build(pixels, **said).run())

    async def stop(self) -> None:
        """It has stopped in order."""
        assert self.deliverer
        assert self.running
        self.deliverer.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self.running

    async def crash(self) -> None:
        """It is gone in the middle of whatever it did, as after a kill."""
        if self.running:
            self.running.cancel()
            await asyncio.wait([self.running])

    def hold_answers(self, first: int = sys.maxsize) -> asyncio.Event:
        """The first so many answers of TikTok are withheld until this is set."""
        send, may_pass, held = self.client.send, asyncio.Event(), itertools.count()

        async def send_and_wait(token: str, body: bytes) -> Answer:
            number, answer = next(held), await send(token, body)
            if number < first:
                await may_pass.wait()
            return answer

        self.client.send = send_and_wait  # type: ignore[method-assign]
        return may_pass

    async def queue(self, *told: Event, pixel: str = PIXEL, expires_s: float = 168 * HOUR_S) -> None:
        """These events wait to be sent, one visitor's."""
        queued = tuple(Queued(pixel, event, self.clock.ms + round(expires_s * 1000)) for event in told)
        sighting = Sighting(at_ms=self.clock.ms)
        await self.store.record(Receipt(STORE, ConsentMode.GRANTED, "a" * 32, sighting, "a" * 32, events=queued))

    def make_events(self, count: int, **said: Any) -> list[Event]:
        """So many events of now, their ids numbered."""
        usual = {"occurred_ms": self.clock.ms, "received_ms": self.clock.ms, "source": Source.BEACON}
        usual |= {"event": "ViewContent", "page": Page("https://www.acme.com/")}
        return [Event(**{"event_id": f"e-{number}"} | usual | said) for number in range(count)]

    async def settle_all(self, count: int) -> None:
        """So many settlements, fates or not, have been written since the start."""
        await self.store.until(lambda: len(self.store.settled) >= count)

    async def look_thrice(self) -> None:
        """Delivery had every chance to do something: it looked three more times for what is due."""
        seen = self.store.looks
        await self.store.until(lambda: self.store.looks >= seen + 3)

    async def read(self, table: Any = events) -> list[dict[str, Any]]:
        """The rows of a table, in the order of their ids."""
        query = select(table).order_by(table.c.id)
        return await self.store.read(lambda connection: [dict(row._mapping) for row in connection.execute(query)])

    async def read_outbox(self) -> list[dict[str, Any]]:
        return await self.read(outbox)

    async def read_attempts(self) -> list[dict[str, Any]]:
        return await self.read(attempts)

    async def read_fates(self) -> dict[str, str | None]:
        """Each event's fate by its event id."""
        return {row["event_id"]: row["fate"] for row in await self.read()}

    @property
    def requests(self) -> list[Seen]:
        """Every request that reached TikTok."""
        return list(self.tiktok.requests)

    @property
    def sizes(self) -> list[int]:
        """How many events each request had."""
        return [len(request.json["data"]) for request in self.requests]

    def arrived(self, pixel: str = PIXEL) -> list[str]:
        """The event ids that TikTok took, as often as it took them."""
        return [record.key[2] for record in self.tiktok.records if record.key[0] == pixel]


BAD_PAGE = Page("ftp://what-tiktok-refuses.example/")

"""What intake counts beside what it stores: events that are dropped, and cookies that come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from gateway.intake.identify import Cookies, Hit
from gateway.intake.receive import Intake, Received
from gateway.intake.tokens import Tokens, VisitorToken
from gateway.model.event import Source
from gateway.settings import DeliverySettings
from gateway.store import Store
from gateway.store.tables import cookie_hours, drop_hours
from tests.beacons import REFUSAL, make_beacon, make_event
from tests.servers import USER_AGENT, make_settings

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


class Shop:
    """An intake of one store, on a database of its own."""

    def __init__(self, store: Store, tmp_path: Path) -> None:
        self.store = store
        self.settings = make_settings(tmp_path).stores[0]
        self.tokens = Tokens(["a-secret-of-these-tests-0123456789abcdef"])
        self._intake = Intake(self.tokens, store, DeliverySettings())

    async def take(
        self,
        body: Any,
        *,
        days: int = 0,
        agent: str = USER_AGENT,
        cookie: str | None = None,
        source: Source = Source.BEACON,
    ) -> Received:
        hit = Hit(NOW_MS + days * DAY_MS, "203.0.113.9", agent, cookies=Cookies(visitor=cookie))
        return await self._intake.receive(msgspec.json.encode(body), hit, self.settings, source)

    def cookie(self, received: Received) -> str:
        """The visitor cookie that this answer sets."""
        assert received.visitor
        return self.tokens.sign_visitor(self.settings.id, VisitorToken(received.visitor.id, received.first_ms))

    async def read(self, table: Any) -> list[Any]:
        return await self.store.read(lambda connection: connection.execute(select(table)).mappings().all())


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    store = Store(f"sqlite:///{tmp_path / 'gateway.db'}")
    await store.start(NOW_MS)
    yield Shop(store, tmp_path)
    await store.stop()


async def test_events_that_are_dropped_are_counted_by_their_reason(shop: Shop):
    await shop.take(make_beacon(make_event(), make_event()), agent=GOOGLEBOT)
    await shop.take(make_beacon(make_event(), {"event": "Pageview", "event_id": "pv-1", "pixel": "fired"}))
    await shop.take(make_beacon(make_event(), consent=REFUSAL), source=Source.PIXEL)
    await shop.store._drops.flush()
    counted = {(row["source"], row["reason"]): row["events"] for row in await shop.read(drop_hours)}
    assert counted == {("beacon", "bot"): 2, ("beacon", "page_view"): 1, ("pixel", "consent"): 1}


async def test_a_beacon_tells_the_age_of_its_cookie(shop: Shop):
    cookie = shop.cookie(await shop.take(make_beacon()))
    for days in (0, 3, 3):
        await shop.take(make_beacon(), days=days, cookie=cookie)
    [counted] = await shop.read(cookie_hours)
    assert (counted["browser"], counted["d3"], counted["d0"]) == ("chrome", 1, 0)


async def test_a_sandbox_that_sends_no_cookie_has_lost_none(shop: Shop):
    known = await shop.take(make_beacon())
    assert known.visitor
    companion = {"companion": shop.tokens.sign_companion(shop.settings.id, known.visitor.id)}
    await shop.take(make_beacon(ids=companion), days=3, source=Source.PIXEL)
    assert await shop.read(cookie_hours) == []
    await shop.take(make_beacon(ids=companion), days=3)
    assert [row["by_companion"] for row in await shop.read(cookie_hours)] == [1]

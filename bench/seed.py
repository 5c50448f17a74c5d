"""Fills a database with a shop's life, quickly and the same each time: for the bench, and for tests of pages.

Rows are inserted in bulk; the hours are counted from them by the very functions that recording and settling use, so
figures and events agree. `python -m bench.seed URL` seeds by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import time
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import Engine

from gateway.model.browser import Browser
from gateway.model.outcome import Dropped, Fate
from gateway.model.visitor import Sighting
from gateway.store.database import begin, migrate, open_engine
from gateway.store.endings import recount_ends
from gateway.store.receipt import FoundBy, Settlement
from gateway.store.rollups import HOUR_MS, Tally, add_drops, count_failures
from gateway.store.sql import EVENT, Cursor
from gateway.store.traits import BITS
from gateway.store.visits import note_visits

DAY_MS = 86_400_000
AT_ONCE = 5_000
FIRST_ORDER = 5_000_000_000_000
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS = {
    Browser.SAFARI_IOS: f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1",
    Browser.CHROME: f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36",
    Browser.TIKTOK: f"{IPHONE} Mobile/22B83 musical_ly_36.5.0 BytedanceWebview/d8a21c6",
    Browser.META: f"{IPHONE} Mobile/15E148 Instagram 300.0.0",
    Browser.SAFARI: f"{MAC} Version/18.1 Safari/605.1.15",
    Browser.EDGE: f"{WINDOWS} Chrome/131.0.0.0 Safari/537.36 Edg/131.0",
    Browser.FIREFOX: "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    Browser.SAMSUNG: f"{ANDROID} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
}
BROWSERS = tuple(AGENTS)
BROWSER_WEIGHTS = tuple(accumulate((34, 30, 14, 6, 7, 3, 4, 2)))
NAMES = ("Pageview", "ViewContent", "Search", "AddToCart", "InitiateCheckout", "AddPaymentInfo", "SizeGuideOpened")
NAME_WEIGHTS = tuple(accumulate((26, 40, 5, 14, 8, 5, 2)))
PIXEL_STATES = ("fired", "blocked", "absent", None)
PIXEL_WEIGHTS = tuple(accumulate((66, 22, 5, 7)))
FATES = (Fate.ACCEPTED, Fate.REJECTED, Fate.EXPIRED, Fate.WITHDRAWN)
FATE_WEIGHTS = tuple(accumulate((970, 12, 6, 12)))
GAPS = ("from_tiktok", "landing_unseen", "no_click", "unknown")
DELAYS_MS = (900, 1_400, 2_600, 9_000, 47_000, 52_000, 400_000, 9_000_000)
DELAY_WEIGHTS = tuple(accumulate((38, 36, 10, 5, 7, 2, 1, 1)))
NOT_TOLD = ("not_the_trigger", "zero_value", "test_order", "no_consent", "order_source", "cancelled")
NOT_TOLD_SHARE = 0.14
TROUBLES = (("retry", 200, 50002, "System error"), ("retry", 0, None, "no answer"), ("snooze", 200, 40100, "Throttled"))
ACCEPTED = ("accepted", 200, 0, "OK")
REJECTED = ("reject", 200, 40002, "Invalid value for properties.currency")

INSERT_EVENT = f"INSERT INTO events ({', '.join(EVENT)}) VALUES ({', '.join('?' * len(EVENT))})"
INSERT_VISITOR = """
    INSERT INTO visitors (store_id, id, first_seen_ms, last_seen_ms, ttclid, click_ms, email, marketing, consent_source,
        consent_ms, ip, user_agent, landing, cookie_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_ORDER = """
    INSERT INTO orders (store_id, id, name, visitor_id, placed_ms, heard_ms, value, currency, reason, fate)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_ATTEMPT = """
    INSERT INTO attempts (store_id, id, attempted_ms, verdict, http_status, code, message, request_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_OUTBOX = "INSERT INTO outbox (store_id, id, pixel_code, due_ms, attempts) VALUES (?, ?, ?, ?, 0)"


class Shop(NamedTuple):
    """Whose life it is. Units: `until_ms` is its now, Unix milliseconds; what came in its last minute still waits."""

    store_id: str
    pixel_code: str
    until_ms: int
    days: int = 30
    currencies: tuple[str, ...] = ("EUR", "EUR", "EUR", "USD")


class Person(NamedTuple):
    """One visitor. `email` is what the ledger can be searched for."""

    id: str
    browser: Browser
    first_ms: int
    ttclid: str | None
    email: str | None


class Seeded(NamedTuple):
    """How much is in the database now."""

    events: int
    orders: int
    visitors: int


def seed(engine: Engine, shop: Shop, *, events: int, orders: int = 0, number: int = 1) -> Seeded:
    """The migrated database holds so many events, and so many orders whose Purchases are among them.

    The same `number` gives the same shop. Orders are `#1000` and up, visitors' emails `shopper0@example.com` and up.
    """
    life = _Life(shop, events, orders, random.Random(number))
    for start in range(0, events, AT_ONCE):
        connection = engine.raw_connection()
        life.write(begin(engine, connection), range(start, min(start + AT_ONCE, events)))
        connection.commit()
        connection.close()
    return Seeded(events, orders, len(life.people))


class _Life:
    """Makes rows in the order of time."""

    def __init__(self, shop: Shop, events: int, orders: int, chance: random.Random) -> None:
        self.shop = shop
        self.people: list[Person] = []
        self._events = events
        self._every = max(1, events // orders) if orders else events + 1
        self._orders = orders
        self._told = 0
        self._chance = chance

    def write(self, cursor: Cursor, numbers: range) -> None:
        """The events of these numbers are stored and counted, with all that belongs to them."""
        known = len(self.people)
        made = [self._make(number) for number in numbers]
        rows = [row for row, _, _ in made]
        tally = Tally()
        tally.count_events(rows, "received")
        self._count_returns(tally, rows)
        cursor.executemany(INSERT_EVENT, rows)
        note_visits(cursor, ((row[0], row[5], row[1]) for row in rows))
        tally.write(cursor)
        recount_ends(cursor, self.shop.store_id, json.dumps([row[1] for row in rows]))
        tries = [one for _, tried, _ in made for one in tried]
        cursor.executemany(INSERT_ATTEMPT, [_to_attempt(self.shop.store_id, one) for one in tries])
        count_failures(cursor, self.shop.store_id, tries)
        for statement, few in (
            (INSERT_ORDER, [order for _, _, order in made if order]),
            (INSERT_OUTBOX, [(*row[:3], row[9]) for row in rows if row[14] is None]),
            (INSERT_VISITOR, [self._to_visitor(person) for person in self.people[known:]]),
        ):
            if few:
                cursor.executemany(statement, few)
        add_drops(cursor, self._drop(rows))

    def _make(self, number: int) -> tuple[tuple[Any, ...], list[Settlement], tuple[Any, ...] | None]:
        """An event's row, how it was sent, and the row of the order that it tells or that nobody told."""
        chance, shop = self._chance, self.shop
        at_ms = self._time(number)
        person = self._meet(at_ms, number)
        id_ = f"{at_ms:012x}7{number:019x}"
        order = self._order(person, at_ms) if number % self._every == 0 and self._told < self._orders else None
        name = "Purchase" if order and not order[8] else chance.choices(NAMES, cum_weights=NAME_WEIGHTS)[0]
        is_told_by_shop = name == "Purchase" and chance.random() < 0.25
        pixel = None if is_told_by_shop else chance.choices(PIXEL_STATES, cum_weights=PIXEL_WEIGHTS)[0]
        fate, settled_ms = self._end(at_ms)
        traits = self._traits(person, is_told_by_shop)
        worth = order if name == "Purchase" else None
        event_id = f"purchase_{worth[1]}" if worth else f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-8{id_[17:20]}-{id_[20:]}"
        source = "webhook" if is_told_by_shop else "beacon"
        row = {
            "store_id": shop.store_id, "id": id_, "pixel_code": shop.pixel_code, "event": name,
            "event_id": event_id, "visitor_id": person.id, "source": source, "pixel": pixel,
            "occurred_ms": at_ms - 300, "received_ms": at_ms, "expires_ms": at_ms + 7 * DAY_MS, "duplicates": 0,
            "ip": "203.0.113.9", "body": _body(person, name, event_id, at_ms, pixel, worth), "fate": fate,
            "reason": "as seeded" if fate and fate is not Fate.ACCEPTED else None, "settled_ms": settled_ms,
            "browser": person.browser, "traits": traits, "currency": worth[7] if worth else None,
            "worth_e4": int(worth[6].replace(".", "")) * 100 if worth else None,
            "found_by": FoundBy.SIGNED, "consent_source": "shopify",
        }  # fmt: skip
        if worth:
            order = (*worth[:9], fate)
        return tuple(map(row.get, EVENT)), self._try(id_, fate, settled_ms), order

    def _time(self, number: int) -> int:
        """Later numbers happen later; by day more than by night."""
        day, share = divmod(number / self._events * self.shop.days, 1)
        bent = share - math.sin(2 * math.pi * share) * 0.12
        return self.shop.until_ms - int((self.shop.days - day - bent) * DAY_MS)

    def _meet(self, at_ms: int, number: int) -> Person:
        """Somebody new in one of twelve events, else somebody of late."""
        chance = self._chance
        if self.people and number % 12:
            return self.people[max(0, len(self.people) - 1 - int(chance.expovariate(1 / 400)))]
        count = len(self.people)
        person = Person(
            id=f"{at_ms:012x}7{count:019x}",
            browser=chance.choices(BROWSERS, cum_weights=BROWSER_WEIGHTS)[0],
            first_ms=at_ms,
            ttclid=f"E.C.P.{count:08x}{chance.getrandbits(120):030x}" if chance.random() < 0.55 else None,
            email=f"shopper{count}@example.com" if chance.random() < 0.3 else None,
        )
        self.people.append(person)
        return person

    def _order(self, person: Person, at_ms: int) -> tuple[Any, ...]:
        chance, number = self._chance, self._told
        self._told += 1
        reason = chance.choice(NOT_TOLD) if chance.random() < NOT_TOLD_SHARE else None
        value = f"{chance.randint(9, 249)}.{chance.choice(('00', '50', '90', '99'))}"
        return (
            self.shop.store_id, str(FIRST_ORDER + number), f"#{1000 + number}", person.id, at_ms - 2_000, at_ms, value,
            chance.choice(self.shop.currencies), reason, None,
        )  # fmt: skip

    def _end(self, at_ms: int) -> tuple[Fate | None, int | None]:
        if at_ms > self.shop.until_ms - 60_000:
            return None, None
        settled_ms = at_ms + self._chance.choices(DELAYS_MS, cum_weights=DELAY_WEIGHTS)[0]
        return self._chance.choices(FATES, cum_weights=FATE_WEIGHTS)[0], min(settled_ms, self.shop.until_ms)

    def _traits(self, person: Person, is_told_by_shop: bool) -> int:
        chance = self._chance
        traits = BITS["external_id"] | BITS["ip"] | BITS["user_agent"]
        traits |= BITS["ttp"] if chance.random() < 0.8 else 0
        traits |= BITS["email"] if person.email else 0
        traits |= BITS["phone"] if person.email and chance.random() < 0.4 else 0
        traits |= 0 if is_told_by_shop else BITS["browser"]
        return traits | BITS["ttclid" if person.ttclid else "no_browser" if is_told_by_shop else chance.choice(GAPS)]

    def _try(self, id_: str, fate: Fate | None, settled_ms: int | None) -> list[Settlement]:
        """One attempt for most; a few were tried in vain before."""
        if settled_ms is None or fate not in (Fate.ACCEPTED, Fate.REJECTED):
            return []
        last = _answer(id_, settled_ms, *(REJECTED if fate is Fate.REJECTED else ACCEPTED))
        if self._chance.random() > 0.01:
            return [last]
        return [_answer(id_, settled_ms - 500, *self._chance.choice(TROUBLES)), last]

    def _to_visitor(self, person: Person) -> tuple[Any, ...]:
        return (
            self.shop.store_id, person.id, person.first_ms, person.first_ms, person.ttclid,
            person.first_ms if person.ttclid else None, _hash(person.email) if person.email else None, True, "shopify",
            person.first_ms, "203.0.113.9", AGENTS[person.browser], "outside", person.first_ms,
        )  # fmt: skip

    def _count_returns(self, tally: Tally, rows: Sequence[tuple[Any, ...]]) -> None:
        """One of nine events begins a visit of somebody who was here before; Safari keeps cookies for a week."""
        chance = self._chance
        for row in rows[::9]:
            browser = chance.choices(BROWSERS, cum_weights=BROWSER_WEIGHTS)[0]
            days = int(chance.expovariate(1 / (3 if "safari" in browser else 12)))
            is_lost = chance.random() < (0.2 if "safari" in browser else 0.04)
            first_ms = 0 if is_lost else row[9] - min(days, 7 if "safari" in browser else 399) * DAY_MS
            seen = Sighting(row[9], user_agent=AGENTS[browser], cookie_first_ms=first_ms)
            tally.count_return(self.shop.store_id, chance.choice((FoundBy.SIGNED, FoundBy.CART)), seen)

    def _drop(self, rows: Sequence[tuple[Any, ...]]) -> dict[tuple[str, int, str, str], int]:
        hours = sorted({row[9] - row[9] % HOUR_MS for row in rows})
        weights = {Dropped.CONSENT: 60, Dropped.BOT: 12, Dropped.PAGE_VIEW: 200}
        return {
            (self.shop.store_id, hour_ms, "beacon", reason.value): self._chance.randint(weight // 2, weight)
            for hour_ms in hours
            for reason, weight in weights.items()
        }


def _answer(id_: str, at_ms: int, verdict: str, status: int, code: int | None, message: str) -> Settlement:
    request_id = f"2026{id_[:12]}010{id_[-6:]}"
    return Settlement(
        id_, at_ms, verdict=verdict, http_status=status, code=code, message=message, request_id=request_id
    )


def _to_attempt(store_id: str, one: Settlement) -> tuple[Any, ...]:
    return (store_id, one.id, one.at_ms, one.verdict, one.http_status, one.code, one.message, one.request_id)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _body(person: Person, name: str, id_: str, at_ms: int, pixel: str | None, order: tuple[Any, ...] | None) -> str:
    """The event as JSON, as the store keeps it."""
    click = f'"ttclid": "{person.ttclid}", ' if person.ttclid else ""
    email = f'"email": ["{_hash(person.email)}"], ' if person.email else ""
    worth = f'"value": "{order[6]}", "currency": "{order[7]}", "order_id": "{order[1]}"' if order else ""
    state = f'"{pixel}"' if pixel else "null"
    return (
        f'{{"event": "{name}", "event_id": "{id_}", "occurred_ms": {at_ms - 300}, "received_ms": {at_ms}, '
        f'"source": "{"beacon" if pixel else "webhook"}", "page": {{"url": "https://www.acme.com/products/tee"}}, '
        f'"user": {{{click}{email}"external_id": ["{_hash(person.id)}"], "user_agent": "{AGENTS[person.browser]}"}}, '
        f'"properties": {{{worth}}}, "pixel": {state}}}'
    )


def main() -> None:
    """Seeds the database that the command line names."""
    parser = argparse.ArgumentParser(description="fill a database with a shop's life")
    parser.add_argument("url")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--store", default="acme")
    parser.add_argument("--pixel", default="C0ABCDEFGHIJKLMNOPQR")
    said = parser.parse_args()
    engine = open_engine(said.url)
    migrate(engine)
    started = time.perf_counter()
    shop = Shop(said.store, said.pixel, time.time_ns() // 1_000_000, said.days)
    seeded = seed(engine, shop, events=said.events, orders=said.orders)
    engine.dispose()
    seconds = time.perf_counter() - started
    print(f"{seeded.events} events, {seeded.orders} orders, {seeded.visitors} visitors in {seconds:.0f} s")


if __name__ == "__main__":
    main()

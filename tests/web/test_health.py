"""GET /healthz and /readyz: for load balancers, under any name."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
from starlette.requests import Request

from gateway.errors import StoreUnavailable
from gateway.store import Store
from gateway.web import health
from gateway.web.health import Readyz
from tests.servers import Gateway


@pytest.fixture(autouse=True)
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks gets an answer of their own."""
    monkeypatch.setattr(health, "SHARED_S", 0.0)


HOSTS = ["t.acme.com", "10.0.0.7:8080", "evil.example", ""]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_gateway_that_lives_says_so_on_any_host(gateway: Gateway, host: str):
    response = await gateway.request("GET", "/healthz", headers={"host": host})
    assert (response.status_code, response.text) == (200, "ok\n")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", HOSTS)
async def test_a_gateway_that_can_store_is_ready_on_any_host(gateway: Gateway, host: str):
    response = await gateway.request("GET", "/readyz", headers={"host": host})
    assert response.status_code == 200
    assert response.json() == {"ready": True, "oldest_pending_s": 0, "paused_pixels": 0, "troubles": []}


async def test_a_gateway_that_cannot_store_is_alive_and_not_ready_and_says_why(gateway: Gateway, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("database or disk is full")

    monkeypatch.setattr(Store, "check", refuse)
    ready = await gateway.request("GET", "/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "reason": "database or disk is full"}
    assert (await gateway.request("GET", "/healthz")).status_code == 200


async def test_a_gateway_that_stores_is_ready_though_nobody_knows_how_delivery_does(gateway: Gateway, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("unable to open database file")

    monkeypatch.setattr(Store, "read", refuse)
    response = await gateway.request("GET", "/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "oldest_pending_s": None, "paused_pixels": None, "troubles": None}


async def test_a_gateway_that_stores_is_ready_though_the_look_at_delivery_never_ends(gateway: Gateway, monkeypatch):
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Store, "read", hang)
    monkeypatch.setattr(health, "LOOK_S", 0.01)
    response = await gateway.request("GET", "/readyz")
    assert (response.status_code, response.json()["ready"], response.json()["troubles"]) == (200, True, None)


async def test_many_who_ask_within_a_second_cost_one_write(gateway: Gateway, monkeypatch):
    asked, check = [], Store.check

    async def count(store: Store) -> None:
        asked.append(store)
        await check(store)

    monkeypatch.setattr(Store, "check", count)
    assert (await gateway.request("GET", "/readyz")).status_code == 200
    monkeypatch.setattr(health, "SHARED_S", 60.0)
    answers = await asyncio.gather(*(gateway.request("GET", "/readyz") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) == 1


async def test_many_who_ask_at_once_cost_one_write(tmp_path: Path, monkeypatch):
    asked, may_answer = [], asyncio.Event()

    async def count(store: Store) -> None:
        asked.append(store)
        await may_answer.wait()

    monkeypatch.setattr(Store, "check", count)
    store = Store(f"sqlite:///{tmp_path}/gateway.db")
    readyz, request = Readyz(store, ["acme"]), Request({"type": "http"})
    asking = [asyncio.create_task(readyz.answer(request)) for _ in range(20)]
    await asyncio.sleep(0)
    may_answer.set()
    assert {answer.status_code for answer in await asyncio.gather(*asking)} == {200}
    assert len(asked) == 1
    await store.stop()


async def test_a_gateway_that_stores_again_says_so_when_the_answer_is_out_of_date(gateway: Gateway, monkeypatch):
    async def refuse(*_: object) -> None:
        raise StoreUnavailable("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr(Store, "check", refuse)
        assert (await gateway.request("GET", "/readyz")).status_code == 503
    assert (await gateway.request("GET", "/readyz")).status_code == 200


async def test_trouble_with_delivery_is_told_without_names_and_takes_nothing_out_of_rotation(gateway: Gateway):
    hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    with contextlib.closing(sqlite3.connect(gateway.database)) as connection, connection:
        connection.executescript(
            f"""INSERT INTO alerts (store_id, cause, seen_ms, due_ms) VALUES
                ('acme', 'credentials C0ABCDEFGHIJKLMNOPQR', 1, 0), ('acme', 'credentials C1', 1, 0),
                ('', 'disk', 1, 0);
            INSERT INTO outbox (store_id, id, pixel_code, due_ms, attempts) VALUES ('acme', 'x', 'C1', 1, 0);
            INSERT INTO events (store_id, id, pixel_code, event, event_id, source,
                occurred_ms, received_ms, expires_ms, duplicates, body)
            VALUES ('acme', 'x', 'C1', 'E', 'e', 'beacon', 7, {hour_ago_ms}, 9, 0, '')"""
        )
    response = await gateway.request("GET", "/readyz")
    told = response.json()
    assert response.status_code == 200
    assert 3600 <= told.pop("oldest_pending_s") < 3700
    assert told == {"ready": True, "paused_pixels": 2, "troubles": ["credentials", "disk"]}

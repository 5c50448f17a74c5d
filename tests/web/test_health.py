"""GET /healthz and /readyz: for load balancers, under any name."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest

from gateway.errors import StoreUnavailable
from gateway.store import Store
from tests.servers import Gateway

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

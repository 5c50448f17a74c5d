"""GET /healthz and /readyz: for load balancers, under any name."""

from __future__ import annotations

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

"""One port, two names: the gateway under its own, the store under every other; and the guest's address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.demo.browser import Browser, Persona
from gateway.demo.stage import GUEST_IP, Stage, open_stage, take_port
from gateway.demo.tap import Exchange

YOU = Persona("you", "", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "absent", "")


@pytest.fixture
async def on_stage(tmp_path: Path) -> AsyncIterator[tuple[Stage, list[Exchange], list[Exchange]]]:
    """A stage, and what its two taps have overheard."""
    at_gateway: list[Exchange] = []
    at_tiktok: list[Exchange] = []
    with take_port(0) as sock:
        async with open_stage(sock, tmp_path, at_gateway.append, at_tiktok.append) as stage:
            yield stage, at_gateway, at_tiktok


async def get(stage: Stage, host: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"http://127.0.0.1:{stage.site.port}{path}", headers={"host": host})


@pytest.mark.parametrize("host", ["www.acme.localhost", "localhost", "127.0.0.1"])
async def test_every_other_name_is_the_store(on_stage: tuple[Stage, list[Exchange], list[Exchange]], host: str):
    stage, at_gateway, _ = on_stage
    page = await get(stage, f"{host}:{stage.site.port}", "/")

    assert page.status_code == 200
    assert "demo store" in page.text
    assert not at_gateway


async def test_the_gateways_name_is_the_gateway(on_stage: tuple[Stage, list[Exchange], list[Exchange]]):
    stage, at_gateway, _ = on_stage
    answer = await get(stage, f"T.ACME.localhost:{stage.site.port}", "/readyz")

    assert answer.json() == {"ready": True}
    assert [(one.path, one.status, one.answer) for one in at_gateway] == [("/readyz", 200, answer.content)]


async def test_a_guest_on_this_machine_has_an_address_that_tiktok_takes(
    on_stage: tuple[Stage, list[Exchange], list[Exchange]],
):
    stage, at_gateway, at_tiktok = on_stage
    async with httpx.AsyncClient(trust_env=False) as http:
        browser = Browser(http, stage.site, YOU)
        await browser.go(stage.site.store_url)
        answer = await browser.beacon(browser.make_event("Search", {"search_string": "mug"}))
    await stage.tiktok.until(lambda: stage.tiktok.events)

    assert answer.status_code == 204
    assert at_gateway[-1].client == GUEST_IP
    assert stage.tiktok.events[0]["user"]["ip"] == GUEST_IP
    assert b"Search" in at_tiktok[0].body

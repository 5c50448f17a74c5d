"""One port, two names: the gateway under its own, the store under every other; and the guest's address."""

from __future__ import annotations

import httpx
import pytest

from gateway.demo.browser import Browser, Persona
from gateway.demo.page_scripts import PageScripts
from gateway.demo.stage import GUEST_IP, Stage
from tests.demo.conftest import OnStage

YOU = Persona("you", "", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "absent", "")


async def get(stage: Stage, host: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.get(f"http://127.0.0.1:{stage.site.port}{path}", headers={"host": host})


@pytest.mark.parametrize("host", ["www.acme.localhost", "localhost", "127.0.0.1"])
async def test_every_other_name_is_the_store(on_stage: OnStage, host: str):
    page = await get(on_stage.stage, f"{host}:{on_stage.stage.site.port}", "/")

    assert page.status_code == 200
    assert "demo store" in page.text
    assert not on_stage.at_gateway


async def test_the_gateways_name_is_the_gateway(on_stage: OnStage):
    answer = await get(on_stage.stage, f"T.ACME.localhost:{on_stage.stage.site.port}", "/readyz")

    assert answer.json()["ready"] is True
    assert [(one.path, one.status, one.answer) for one in on_stage.at_gateway] == [("/readyz", 200, answer.content)]


async def test_a_guest_on_this_machine_has_an_address_that_tiktok_takes(on_stage: OnStage):
    stage = on_stage.stage
    async with httpx.AsyncClient(trust_env=False) as http:
        browser = Browser(http, YOU)
        scripts = PageScripts(browser, stage.site)
        await browser.go(stage.site.store_url)
        answer = await scripts.tell(scripts.make_event("Search", {"search_string": "mug"}))
    await stage.tiktok.until(lambda: stage.tiktok.events)

    assert answer.status_code == 204
    assert on_stage.at_gateway[-1].client == GUEST_IP
    assert stage.tiktok.events[0]["user"]["ip"] == GUEST_IP
    assert b"Search" in on_stage.at_tiktok[0].body


async def test_the_dashboard_opens_with_the_password_of_this_time(on_stage: OnStage):
    stage = on_stage.stage
    async with httpx.AsyncClient(trust_env=False, headers={"host": f"t.acme.localhost:{stage.site.port}"}) as http:
        url = f"http://127.0.0.1:{stage.site.port}/admin/sign-in"
        assert (await http.post(url, data={"password": "guess"})).status_code == 401
        assert (await http.post(url, data={"password": stage.password})).status_code == 303

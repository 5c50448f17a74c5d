"""The mirror shows who holds the key how its request arrived, and is not there for anybody else."""

from __future__ import annotations

import httpx
import pytest

from gateway.ops.seal import CONTROL_PATH, MIRROR_PATH, Seal
from tests.servers import CLIENT_IP, Gateway

BODY = b"something drawn at random"


async def ask(gateway: Gateway, seal: str | None = None, body: bytes = BODY, **headers: str | None) -> httpx.Response:
    """The mirror's answer."""
    given = Seal(gateway.settings, MIRROR_PATH).sign(body) if seal is None else seal
    sent = {"authorization": f"Bearer {given}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await gateway.request("POST", MIRROR_PATH, content=body, headers=sent)


async def test_a_client_behind_a_trusted_proxy_is_seen(gateway: Gateway):
    answer = await ask(gateway)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {"client": CLIENT_IP, "is_forwarded": True, "is_believed": True}


async def test_without_a_proxy_the_connection_is_seen(gateway: Gateway):
    answer = await ask(gateway, x_forwarded_for=None)
    assert answer.json() == {"client": "127.0.0.1", "is_forwarded": False, "is_believed": False}


async def test_a_seal_made_for_errands_opens_nothing_here_and_none_of_ours_there(gateway: Gateway):
    assert (await ask(gateway, Seal(gateway.settings, CONTROL_PATH).sign(BODY))).status_code == 404
    headers = {"authorization": f"Bearer {Seal(gateway.settings, MIRROR_PATH).sign(BODY)}", "x-forwarded-for": None}
    assert (await gateway.request("POST", CONTROL_PATH, content=BODY, headers=headers)).status_code == 401


@pytest.mark.parametrize("authorization", [None, "Bearer guessed", "Bearer a.b.c", "Basic YTpi"])
async def test_nobody_else_finds_it(gateway: Gateway, authorization: str | None):
    answer = await ask(gateway, authorization=authorization)
    assert (answer.status_code, answer.json()) == (404, {"error": "not found"})
    assert CLIENT_IP not in answer.text


async def test_a_seal_fits_its_own_body_alone(gateway: Gateway):
    assert (await ask(gateway, Seal(gateway.settings, MIRROR_PATH).sign(b"another"))).status_code == 404


async def test_a_large_body_is_refused_before_it_is_looked_at(gateway: Gateway):
    assert (await ask(gateway, body=b"x" * 2000)).status_code == 413


async def test_it_answers_on_the_stores_names_alone(gateway: Gateway):
    assert (await ask(gateway, host="elsewhere.com")).status_code == 404

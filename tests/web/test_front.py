"""Which store a request is for, and that nothing is served under a name that is nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.web.front import read_host
from tests.beacons import make_beacon
from tests.servers import Gateway, make_settings, running_gateway

EVERY_PATH = ["/a7/w.js", "/a7/q", "/a7/q/px", "/go?to=/x", "/", "/webhooks/shopify", "/admin", "/admin/", "/nothing"]


@pytest.mark.parametrize(
    "host", ["evil.example", "acme.com", "www.acme.com", "t.acme.com.evil.example", "127.0.0.1", ""]
)
@pytest.mark.parametrize("path", EVERY_PATH)
async def test_an_unknown_host_is_answered_404(gateway: Gateway, host: str, path: str):
    for method in ("GET", "POST", "OPTIONS"):
        response = await gateway.request(method, path, headers={"host": host, "origin": "https://www.acme.com"})
        assert response.status_code == 404
        assert "set-cookie" not in response.headers
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("host", ["t.acme.com", "T.ACME.COM", "t.acme.com:8443", "t.acme.com.", "t.acme.com.:443"])
async def test_a_host_is_known_whatever_its_case_port_and_dot(gateway: Gateway, host: str):
    assert (await gateway.beacon(make_beacon(), headers={"host": host})).status_code == 204
    assert (await gateway.go("to=/x", headers={"host": host})).status_code == 302


@pytest.mark.parametrize(
    ("host", "name"),
    [(b"t.acme.com", "t.acme.com"), (b"[::1]:80", "[::1]"), (b"[::1]", "[::1]"), (b"", ""), (b"\xff", "\xff")],
)
def test_the_name_in_a_host_header(host: bytes, name: str):
    assert read_host({"headers": [(b"host", host)]}) == name


def test_without_a_host_header_there_is_no_name():
    assert read_host({"headers": []}) == ""


async def test_two_stores_have_their_paths_on_their_own_hosts(tmp_path: Path):
    settings = make_settings(tmp_path)
    other = settings.stores[0].model_copy(
        update={
            "id": "bolt",
            "hosts": ("t.bolt.com", "m.bolt.com"),
            "origins": ("https://bolt.com",),
            "cookie_domain": "bolt.com",
            "collect_path": "/b2/q",
        }
    )
    bolt = {"host": "m.bolt.com", "origin": "https://bolt.com"}
    async with running_gateway(settings.model_copy(update={"stores": (*settings.stores, other)})) as gateway:
        assert (await gateway.request("POST", "/b2/q", json=make_beacon(), headers=bolt)).status_code == 204
        assert (await gateway.beacon(make_beacon(), headers=bolt)).status_code == 404
        assert (await gateway.beacon(make_beacon(), headers={"origin": "https://bolt.com"})).status_code == 403
        crossed = await gateway.request(
            "POST", "/b2/q", json=make_beacon(), headers=bolt | {"origin": "https://acme.com"}
        )
        assert crossed.status_code == 403
        assert [event["store_id"] for event in gateway.events] == ["bolt"]
        assert (await gateway.go("to=/x", headers=bolt)).headers["location"] == "https://bolt.com/x"

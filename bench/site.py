"""One small installation for a bench: its gateway.toml, and the processes it is made of, each on a free port.

Every measure builds what it needs from these; all of it is on loopback, and gone when its block ends.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bench.processes import CLIENT_CORE, HTTP, SERVER_CORE, Process, running
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN

STORE, HOST, ORIGIN = "acme", "t.acme.test", "https://www.acme.test"
PIXEL = DEMO_PIXEL
PRODUCT = "44012345678901"
SECRET = "a-secret-of-the-bench-0123456789abcdef"
SQLITE = "sqlite:///gateway.db"
TTCLID = "E.C.P.v3fQ2RHacdksKfofPmlyuStIIHJ4Af1tKYxF9zz2c2PLx1Oaw15oHpcfl5AH"
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)

CONFIG = """
[server]
port = {port}
rate_limit = "1000000/second"
[storage]
url = "{storage}"
[security]
secret_keys = ["{secret}"]
[delivery]
api_base = "{tiktok}"
[[stores]]
id = "{store}"
host = "{host}"
origins = ["{origin}"]
cookie_domain = "acme.test"
script_path = "/a7/w.js"
collect_path = "/a7/q"
consent = "required"
[[stores.pixels]]
code = "{pixel}"
access_token = "{token}"
"""


class Server(NamedTuple):
    """A process that answers HTTP at `url`."""

    process: Process
    url: str


def write_config(folder: Path, port: int, tiktok: str, storage: str = SQLITE) -> Path:
    """A gateway.toml in this folder, which exists afterwards."""
    folder.mkdir(exist_ok=True)
    path = folder / "gateway.toml"
    said = {"store": STORE, "host": HOST, "origin": ORIGIN, "pixel": PIXEL, "token": DEMO_TOKEN, "secret": SECRET}
    path.write_text(CONFIG.format(port=port, storage=storage, tiktok=tiktok, **said))
    return path


@contextlib.contextmanager
def running_gateway(
    folder: Path, tiktok: str, *arguments: str, storage: str = SQLITE, core: int = SERVER_CORE
) -> Iterator[Server]:
    """`tag-gateway serve`, its database in this folder unless `storage` names another."""
    port = find_port()
    config = write_config(folder, port, tiktok, storage)
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config), *arguments]
    url = f"http://127.0.0.1:{port}"
    with running(command, core, f"{url}/healthz", folder / "gateway.log") as process:
        yield Server(process, url)


@contextlib.contextmanager
def running_bare(folder: Path) -> Iterator[Server]:
    """The baseline: a bare ASGI app under the same uvicorn, on the gateway's core."""
    port = find_port()
    command = [sys.executable, "-m", "uvicorn", "bench.bare:app", "--port", str(port), "--no-access-log"]
    url = f"http://127.0.0.1:{port}"
    with running([*command, "--no-server-header"], SERVER_CORE, url, folder / "bare.log") as process:
        yield Server(process, url)


@contextlib.contextmanager
def running_tiktok(folder: Path) -> Iterator[Server]:
    """The fake that enforces TikTok's rules, on the client's core."""
    port = find_port()
    command = [sys.executable, "-m", "gateway.demo.fake_tiktok", "--port", str(port), "--keep", "20000"]
    url = f"http://127.0.0.1:{port}"
    with running(command, CLIENT_CORE, f"{url}/_moods", folder / "tiktok.log") as process:
        yield Server(process, url)


def build_beacon(*event_ids: str, first: str | None = None, **changes: Any) -> dict[str, Any]:
    """A beacon that looks at a product once for each of these ids."""
    properties = {
        "content_type": "product", "currency": "EUR", "value": 20.0,
        "contents": [{"content_id": PRODUCT, "content_name": "Cotton tee", "price": 20.0, "quantity": 1}],
    }  # fmt: skip
    events = [
        {"event": "ViewContent", "event_id": one, "pixel": "fired", "properties": properties} for one in event_ids
    ]
    return {
        "v": 1,
        "page": {"url": f"{ORIGIN}/products/organic-cotton-tee?ttclid={TTCLID}"},
        "consent": {"marketing": True},
        "ids": {"ttp": "01JABCDEFGHJKMNPQRSTVWXYZ0_.tt.1", **({"first": first} if first else {})},
        "events": events,
        **changes,
    }


def post_beacon(gateway: Server, beacon: dict[str, Any]) -> httpx.Response:
    """The gateway's answer. Raises: httpx.HTTPStatusError when it is none of the good ones."""
    headers = {"host": HOST, "origin": ORIGIN, "user-agent": USER_AGENT}
    return HTTP.post(f"{gateway.url}/a7/q", json=beacon, headers=headers).raise_for_status()


def write_cookies(gateway: Server, path: Path, visitors: int = 200) -> Path:
    """A file with the Cookie headers of so many new visitors, from the answers to real first beacons."""
    answers = (post_beacon(gateway, build_beacon(first=f"bench-{number}")) for number in range(visitors))
    path.write_text("\n".join("; ".join(f"{name}={value}" for name, value in read_cookies(one)) for one in answers))
    return path


def read_cookies(answer: httpx.Response) -> list[tuple[str, str]]:
    """The names and values of the cookies that an answer sets."""
    pairs = (header.partition(";")[0].partition("=") for header in answer.headers.get_list("set-cookie"))
    return [(name, value) for name, _, value in pairs]


def find_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port

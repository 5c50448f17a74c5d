"""A flood of webhooks: thousands at the same instant, repeated and forged ones among them, at a gateway that delivers.

How long Shopify waits for its answers; it gives each delivery five seconds (Shopify spec 1.1). Every time is counted
from the instant of the flood, as if all had been posted in it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from bench.processes import SERVER_CORE, running
from bench.site import find_port, running_tiktok
from bench.table import Measured, Plot, Row, progress, run_alone
from gateway.demo.fake_tiktok import DEMO_PIXEL, DEMO_TOKEN

PATIENCE_S = 5.0
CONNECTIONS = 250
PERCENTILES = (5, 25, 50, 75, 95, 99)
HOST, SHOP, SECRET = "t.acme.test", "acme.myshopify.com", "a-webhook-secret-of-the-bench"

CONFIG = """
[server]
port = {port}
[storage]
url = "sqlite:///gateway.db"
[security]
secret_keys = ["a-secret-of-the-bench-0123456789abcdef"]
[delivery]
api_base = "{tiktok}"
purchase_hold_s = 1
[[stores]]
id = "acme"
host = "{host}"
origins = ["https://www.acme.test"]
cookie_domain = "acme.test"
script_path = "/a7/w.js"
collect_path = "/a7/q"
consent = "granted"
[[stores.pixels]]
code = "{pixel}"
access_token = "{token}"
[stores.shopify]
shop = "{shop}"
webhook_secrets = ["{secret}"]
"""


class Told(NamedTuple):
    """One webhook, and the status that is right for it. `order_id` is None when nothing of it may be stored."""

    body: bytes
    signature: str
    webhook_id: str
    status: int
    order_id: int | None = None


class Answered(NamedTuple):
    """What a webhook was answered with, and how long after the flood began."""

    told: Told
    status: int
    after_s: float


def measure(quick: bool) -> Measured:
    """A flood of Shopify's webhooks: how long until the last is answered."""
    flood = build_flood(500 if quick else 2000)
    with tempfile.TemporaryDirectory(prefix="tag-gateway-bench-") as temporary, serving(Path(temporary)) as port:
        progress(f"{len(flood):,} webhooks at once")
        answered = asyncio.run(fire(port, flood))
        return report(flood, answered, count_orders(Path(temporary) / "gateway.db"))


def build_flood(count: int, seed: int = 1) -> list[Told]:
    """So many webhooks in any order: of ten, seven orders, one of them again, one forged, one signed and malformed."""
    good = [_build_good(number) for number in range(count * 7 // 10)]
    chance = random.Random(seed)
    again = [_repeat(told, chance) for told in chance.sample(good, count // 10)]
    forged = [
        told._replace(signature=sign(b"x"), status=401, order_id=None) for told in chance.sample(good, count // 10)
    ]
    rest = count - len(good) - len(again) - len(forged)
    malformed = [Told(body := b'{"id": %d}' % n, sign(body), f"m-{n}", 400) for n in range(rest)]
    flood = good + again + forged + malformed
    chance.shuffle(flood)
    return flood


def _build_good(number: int) -> Told:
    body = json.dumps(build_order(number)).encode()
    return Told(body, sign(body), f"w-{number}", 200, number)


def _repeat(told: Told, chance: random.Random) -> Told:
    """The same delivery once more, or the same order under another delivery's id."""
    return told if chance.random() < 0.5 else told._replace(webhook_id=f"{told.webhook_id}-again")


def sign(body: bytes) -> str:
    """What Shopify would put into X-Shopify-Hmac-Sha256."""
    return base64.b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode()


def build_order(number: int) -> dict[str, Any]:
    """A paid order of a buyer of its own, with all that costs time to read."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    address = {
        "first_name": "Zoe", "last_name": "O'Neil", "city": "San José", "zip": "95112", "country_code": "US",
        "province_code": "CA", "phone": f"(408) 555-{number % 10_000:04}",
    }  # fmt: skip
    line = {"variant_id": 40_537_120_407_634, "sku": "TEE-L", "title": "Tee", "quantity": 2, "price": "15.95"}
    return {
        "id": number, "order_number": number, "name": f"#{number}", "source_name": "web", "financial_status": "paid",
        "created_at": now, "processed_at": now, "currency": "USD", "total_price": "31.90", "test": False,
        "email": f"buyer{number}@example.com", "phone": None, "cart_token": f"cart{number}",
        "checkout_token": f"checkout{number}", "landing_site": f"/?ttclid=E.C.P.click{number}", "note_attributes": [],
        "browser_ip": "203.0.113.9", "client_details": {"user_agent": "Mozilla/5.0"},
        "customer": {"id": 10**12 + number, "email": f"buyer{number}@example.com", "default_address": address},
        "billing_address": address, "shipping_address": address, "line_items": [line] * 3,
    }  # fmt: skip


async def fire(port: int, flood: Sequence[Told], host: str = HOST, shop: str = SHOP) -> list[Answered]:
    """Every webhook has been posted and answered."""
    waiting, answered, began_s = iter(flood), list[Answered](), time.monotonic()

    async def post_on_one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for told in waiting:
            writer.write(_build_request(told, host, shop))
            status = await _read_status(reader)
            answered.append(Answered(told, status, time.monotonic() - began_s))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(post_on_one_connection() for _ in range(min(CONNECTIONS, len(flood)))))
    return answered


def _build_request(told: Told, host: str, shop: str) -> bytes:
    head = (
        f"POST /webhooks/shopify HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(told.body)}\r\n"
        f"x-shopify-topic: orders/paid\r\nx-shopify-shop-domain: {shop}\r\n"
        f"x-shopify-webhook-id: {told.webhook_id}\r\nx-shopify-hmac-sha256: {told.signature}\r\n\r\n"
    )
    return head.encode() + told.body


async def _read_status(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length:")[2].split("\r\n")[0]))
    return int(head.split()[1])


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """A gateway and the fake TikTok it delivers to are up; the gateway's port."""
    port, config = find_port(), folder / "gateway.toml"
    said = {"host": HOST, "shop": SHOP, "secret": SECRET, "pixel": DEMO_PIXEL, "token": DEMO_TOKEN}
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with running_tiktok(folder) as tiktok:
        config.write_text(CONFIG.format(port=port, tiktok=tiktok.url, **said))
        with running(command, SERVER_CORE, f"http://127.0.0.1:{port}/healthz", folder / "gateway.log"):
            yield port


def count_orders(database: Path) -> int:
    """How many orders have a Purchase."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        [count] = connection.execute("SELECT count(*) FROM events WHERE event = 'Purchase'").fetchone()
    return int(count)


def report(flood: Sequence[Told], answered: Sequence[Answered], stored: int) -> Measured:
    """The figures of one flood."""
    times_s = sorted(one.after_s for one in answered)
    hundredths, slowest_s = quantiles(times_s, n=100), times_s[-1]
    p50_s, p99_s = hundredths[49], hundredths[98]
    expected = len({told.order_id for told in flood if told.order_id is not None})
    right = sum(one.status == one.told.status for one in answered)
    is_right = right == len(flood) and stored == expected
    rows = [
        Row(
            f"{len(flood):,} webhooks at the same instant, until the last is answered",
            f"{slowest_s:.2f} s (p50 {p50_s:.2f}, p99 {p99_s:.2f})", f"≤ {PATIENCE_S:g} s", slowest_s <= PATIENCE_S,
        ),
        Row(
            "rightly taken or refused, of these; orders stored, of those told",
            f"{right:,} of {len(flood):,}; {stored:,} of {expected:,}", "all", is_right,
        ),
    ]  # fmt: skip
    labels = [f"p{number}" for number in PERCENTILES]
    values = [hundredths[number - 1] for number in PERCENTILES]
    plot = Plot("Answers to webhooks that came at the same instant", "s", labels, {"seconds": values})
    return Measured("webhooks", rows, {"slowest_s": slowest_s, "p50_s": p50_s, "p99_s": p99_s}, plot)


if __name__ == "__main__":
    run_alone(measure)

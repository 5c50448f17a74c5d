"""One thing is broken at a time: the ledger, on the terminal and on its page, and the page it concerns say which.

The doctor says it, of the same breakages, in `tests.ops.doctor.test_breakages`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.delivery import alerts
from gateway.delivery.troubles import Cause, tell_cause
from gateway.model.words import PIXEL_REFUSED, WEBHOOKS_REFUSED
from gateway.ops import forecast
from gateway.ops.cookie_life import Name
from gateway.store import drops
from tests.admin.desk import Reader, make_security
from tests.admin.figures import read_tile, read_words
from tests.beacons import make_beacon, make_event
from tests.ops.stand import SECRET, SHOP, Stand, open_stand, place, tell, visit
from tests.servers import HOST, PIXEL, Gateway

DAY_S = 86_400
SAFARI_IOS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1"
)


@dataclass
class Merchant:
    """Somebody who wants to know what is wrong, with a terminal and the dashboard before them."""

    stand: Stand
    gateway: Gateway
    reader: Reader

    async def read(self, page: str) -> str:
        """What a page says."""
        return read_words((await self.reader.get(f"/admin/{page}")).text)

    async def until_told(self, page: str, sentence: str) -> None:
        """The page says it, as soon as the gateway has noticed."""
        async with asyncio.timeout(60):
            while sentence not in (said := await self.read(page)):
                assert "Sign in" not in said
                await asyncio.sleep(0.05)

    async def look_up(self, what: str) -> list[str]:
        """The account of something, from the terminal and from the page."""
        _, out, err = await self.stand.run("events", "show", what)
        page = await self.reader.post("/admin/ledger", {"q": what})
        return [out + err, read_words(page.text)]


@pytest.fixture
async def stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stand]:
    monkeypatch.setattr(drops, "FLUSH_S", 0.0)
    monkeypatch.setattr(alerts, "LOOK_S", 0.05)
    async with open_stand(tmp_path, capsys, security=make_security()) as opened:
        yield opened


@contextlib.asynccontextmanager
async def asking(stand: Stand) -> AsyncIterator[Merchant]:
    """The gateway runs, and the merchant has signed in."""
    async with stand.serving() as gateway:
        reader = Reader(gateway)
        await reader.sign_in()
        yield Merchant(stand, gateway, reader)


async def test_a_wrong_token(stand: Stand):
    stand.tiktok.pixels[PIXEL] = "another-token"
    async with asking(stand) as merchant:
        first, later = make_event(), make_event()
        await merchant.gateway.beacon(make_beacon(first))
        paused = tell_cause(f"{Cause.CREDENTIALS} {PIXEL}")
        await merchant.until_told("overview", paused)
        assert "Delivery is paused" in await merchant.read("overview")
        failures = await merchant.read("failures")
        assert "the access token is wrong, revoked or has ended" in failures
        assert "What to do: generate a new one in Events Manager" in failures
        await merchant.gateway.beacon(make_beacon(later))
        for said in await merchant.look_up(first["event_id"]):
            assert PIXEL_REFUSED in said
        for said in await merchant.look_up(later["event_id"]):
            assert paused in said


async def send_webhook(gateway: Gateway) -> int:
    """The status of one that the shop has signed."""
    body = json.dumps(place(1)).encode()
    headers = {
        "x-shopify-topic": "orders/paid",
        "x-shopify-hmac-sha256": b64encode(hmac.digest(SECRET.encode(), body, "sha256")).decode(),
        "x-shopify-shop-domain": SHOP["shop"],
        "x-shopify-webhook-id": "1",
    }
    return (await gateway.request("POST", "/webhooks/shopify", content=body, headers=headers)).status_code


async def test_a_wrong_webhook_secret(stand: Stand):
    stand.change(shopify=stand.overrides["shopify"] | {"webhook_secrets": ["not-the-shops"]})
    async with asking(stand) as merchant:
        assert await send_webhook(merchant.gateway) == 401
        await merchant.until_told("install", WEBHOOKS_REFUSED)
        overview = await merchant.read("overview")
        assert WEBHOOKS_REFUSED in overview
        assert "A webhook's signature fits none of `webhook_secrets` 1" in overview
        for said in await merchant.look_up("1"):
            assert WEBHOOKS_REFUSED in said
    stand.change(shopify=stand.overrides["shopify"] | {"webhook_secrets": SHOP["webhook_secrets"]})
    async with asking(stand) as merchant:
        assert await send_webhook(merchant.gateway) == 200
        assert WEBHOOKS_REFUSED not in await merchant.read("install")
        assert WEBHOOKS_REFUSED not in "".join(await merchant.look_up("1"))


async def test_a_stranger_who_forges_webhooks_changes_nothing(stand: Stand):
    async with asking(stand) as merchant:
        forged = {"x-shopify-topic": "orders/paid", "x-shopify-hmac-sha256": "x"}
        answer = await merchant.gateway.request("POST", "/webhooks/shopify", content=b"{}", headers=forged)
        assert answer.status_code == 401
    assert merchant.gateway.rows("SELECT * FROM drop_hours") == []


async def test_missing_consent(stand: Stand):
    async with asking(stand) as merchant:
        answer = await merchant.gateway.beacon(make_beacon(consent=None))
        assert answer.headers["x-dropped"] == "consent"
        await merchant.until_told("overview", "No consent was given, or it was refused 1")
        await tell(merchant.gateway, place(1))
        for said in await merchant.look_up("1"):
            assert "Not sent, because its visitor is not known, or did not allow it." in said
        assert "1 no consent" in await merchant.read("orders")


async def test_a_blocked_pixel(stand: Stand):
    async with asking(stand) as merchant:
        event = make_event(pixel="blocked")
        await merchant.gateway.beacon(make_beacon(event))
        await merchant.gateway.drained()
        for said in await merchant.look_up(event["event_id"]):
            assert "The browser's Pixel was blocked, so only the gateway reported it." in said
        page = (await merchant.reader.get("/admin/recovered")).text
        assert read_tile(page, "Events recovered") == "1"
        assert "The Pixel was blocked" in read_words(page)


async def test_a_forgotten_test_code(stand: Stand):
    until = datetime.now(UTC) + timedelta(days=30)
    coded = {"test_event_code": "TEST9", "test_event_code_until": until.isoformat()}
    stand.change(pixels=[{"code": PIXEL, "access_token": "token-of-a-test", **coded}])
    async with asking(stand) as merchant:
        order = place(1)
        await visit(merchant.gateway, order)
        await tell(merchant.gateway, order)
        await merchant.gateway.drained()
        for said in await merchant.look_up("1"):
            assert "TikTok accepted it as a test event, which does not count." in said
        sentence = f"Nothing of pixel {PIXEL} counts before {until:%Y-%m-%d %H:%M}: a test_event_code is set."
        assert sentence in await merchant.read("overview")
    assert stand.count_sent() == {}


@pytest.mark.parametrize("ahead_s", [DAY_S, -DAY_S])
async def test_a_clock_off_by_a_day(stand: Stand, monkeypatch: pytest.MonkeyPatch, ahead_s: int):
    """Ours is ahead, and TikTok refuses what has yet to happen; or behind, and all of it is a day old."""
    monkeypatch.setattr(stand.tiktok, "_clock", lambda: time.time() - ahead_s)
    async with asking(stand) as merchant:
        event = make_event()
        await merchant.gateway.beacon(make_beacon(event))
        await merchant.gateway.drained()
        sentence = tell_cause(Cause.CLOCK).partition(" ")[2]
        await merchant.until_told("overview", sentence)
        for said in await merchant.look_up(event["event_id"]):
            assert sentence in said
            assert ("event_time: Not a time in the past" in said) is (ahead_s > 0)


async def test_a_cname_to_a_foreign_host(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    zone = {
        HOST: Name(HOST, ("lb.host.net",), ("192.0.2.9",)),
        "www.acme.com": Name("www.acme.com", ("shops.myshopify.com",), ("23.227.38.74",)),
    }

    class Network:
        async def look_up(self, host: str) -> Name:
            return zone[host]

    monkeypatch.setattr(forecast, "Network", Network)
    async with asking(stand) as merchant:
        said = await merchant.read("cookies")
        on_safari, elsewhere = make_event(), make_event()
        await merchant.gateway.beacon(make_beacon(on_safari), headers={"user-agent": SAFARI_IOS})
        await merchant.gateway.beacon(make_beacon(elsewhere))
        sentence = (
            "Safari keeps what the gateway sets from a page for 7 days after a visit, as "
            f"{HOST} is a CNAME to lb.host.net, a name of another domain, which Safari takes for a disguise."
        )
        for account in await merchant.look_up(on_safari["event_id"]):
            assert sentence in account
        for account in await merchant.look_up(elsewhere["event_id"]):
            assert "Safari" not in account
    assert "Safari keeps them for 7 days" in said
    assert f"Because {HOST} is a CNAME to lb.host.net, a name of another domain" in said
    assert "What would lengthen it:" in said

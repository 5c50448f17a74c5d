"""A dashboard with something to see: events of every outcome, one of them told by somebody who means harm.

`running_seeded(tmp_path)` gives the reader and the fake TikTok that has answered.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gateway.demo.fake_tiktok import FakeTikTok
from gateway.demo.fake_tiktok.moods import Mood
from tests.admin.desk import Reader, make_security
from tests.beacons import make_beacon, make_event
from tests.servers import CLIENT_IP, PIXEL, make_settings, running_gateway

EMAIL = "kim.private@example.org"
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
"""Where it may stand in a page it is text, and nothing else."""


@contextlib.asynccontextmanager
async def running_seeded(folder: Path, **overrides: Any) -> AsyncIterator[tuple[Reader, FakeTikTok]]:
    """The reader has not signed in yet; everything that can be settled is."""
    tiktok = FakeTikTok({PIXEL: "token-of-a-test"})
    security = make_security(**overrides.pop("security", {}))
    async with tiktok.serve() as api_base:
        settings = make_settings(folder, security=security, delivery={"api_base": api_base}, **overrides)
        async with running_gateway(settings, deliver=True) as gateway:
            reader = Reader(gateway)
            await tell_a_day(reader, tiktok)
            yield reader, tiktok


async def tell_a_day(reader: Reader, tiktok: FakeTikTok) -> None:
    """Some are accepted, one is refused, and one had no consent."""
    gateway = reader.gateway
    for name in ("ViewContent", "AddToCart", "Purchase"):
        await gateway.beacon(make_beacon(make_event(name), user={"email": EMAIL}))
    await gateway.px(make_beacon(make_event("InitiateCheckout")))
    await gateway.drained()
    tiktok.moods.add(Mood(code=40002, message=f"contents of {HOSTILE} is no array"))
    await gateway.beacon(make_hostile())
    await gateway.drained()
    await gateway.beacon(make_beacon(consent={"marketing": False}))


def make_hostile() -> dict[str, Any]:
    """A beacon whose every text wants to be a script."""
    product = {"content_id": HOSTILE, "content_name": HOSTILE, "price": 1.0, "quantity": 1}
    properties = {"contents": [product], "currency": "EUR", "value": 12.5, "description": HOSTILE}
    event = make_event(HOSTILE, event_id=HOSTILE, properties=properties)
    page = {"url": f"https://www.acme.com/{HOSTILE}", "title": HOSTILE, "referrer": HOSTILE}
    return make_beacon(event, page=page, user={"email": EMAIL, "external_id": HOSTILE})


PERSONAL = (EMAIL, CLIENT_IP)
"""What no page may show."""

"""Sends one labelled event to TikTok's Test Events tab, past the database: it counts for nothing and is kept nowhere.

Called by `tag-gateway test-event` and by the doctor; TikTok's answer is put into words here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct
from uuid_utils import uuid7

from gateway.errors import CommandError
from gateway.model.event import Content, Event, Page, Properties, Source, User
from gateway.model.normalise import hash_external_id
from gateway.settings import PixelSettings, StoreSettings
from gateway.store.rows import from_event, to_raw_event
from gateway.tiktok.answers import Answer, Verdict
from gateway.tiktok.client import TikTokClient
from gateway.tiktok.meanings import explain_code
from gateway.tiktok.payload import build_event, build_request

LABEL = "tag-gateway test event"
WHERE = "Events Manager > your pixel > Test Events"

_CODE = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Trial(Struct, frozen=True):
    """What TikTok said to one pixel's test event, in one sentence, and what to do if it was refused."""

    pixel_code: str
    is_accepted: bool
    sentence: str
    mend: str = ""


def check_code(code: str) -> str:
    """The code as it is shown in Events Manager. Raises: CommandError when it cannot be one."""
    if not _CODE.fullmatch(code):
        raise CommandError(f"--code: this is no test code; {WHERE} shows it, such as TEST12345")
    return code


async def send_trials(api_base: str, shops: Sequence[StoreSettings], code: str, now_ms: int) -> list[tuple[str, Trial]]:
    """Each pixel's trial with its store's id; all are sent at once."""
    client = TikTokClient(api_base)
    pairs = [(shop, pixel) for shop in shops for pixel in shop.pixels]
    try:
        trials = await asyncio.gather(*(send_trial(client, shop, pixel, code, now_ms) for shop, pixel in pairs))
    finally:
        await client.aclose()
    return [(shop.id, trial) for (shop, _), trial in zip(pairs, trials, strict=True)]


async def send_trial(client: TikTokClient, shop: StoreSettings, pixel: PixelSettings, code: str, now_ms: int) -> Trial:
    """One test event was sent to this pixel. Nothing is raised; being refused is an answer too."""
    stored, ip = from_event(build_trial_event(shop, now_ms))
    body = build_request(pixel.code, [build_event(to_raw_event(stored), ip)], code)
    answer = await client.send(pixel.access_token.get_secret_value(), body)
    return describe(pixel.code, answer)


def build_trial_event(shop: StoreSettings, now_ms: int) -> Event:
    """A ViewContent of nobody, which says in every field that it is a test."""
    product = Content(content_id="tag-gateway-test", content_name=LABEL, price=Decimal(1), quantity=Decimal(1))
    return Event(
        event="ViewContent",
        event_id=f"test_{uuid7().hex}",
        occurred_ms=now_ms,
        received_ms=now_ms,
        source=Source.TEST,
        page=Page(f"{shop.origins[0]}/"),
        user=User(external_id=tuple(filter(None, [hash_external_id(LABEL)]))),
        properties=Properties(contents=(product,), content_type="product", description=LABEL),
    )


def describe(pixel_code: str, answer: Answer) -> Trial:
    """The answer in a sentence."""
    if answer.verdict is Verdict.ACCEPTED:
        return Trial(pixel_code, True, f"TikTok accepted the test event of pixel {pixel_code}")
    meaning = explain_code(answer.code)
    said = answer.message if answer.code is None else f"code {answer.code}, {answer.message}"
    return Trial(
        pixel_code,
        False,
        f"TikTok refused the test event of pixel {pixel_code}: {meaning.meaning} ({said})",
        meaning.mend,
    )

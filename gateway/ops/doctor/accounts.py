"""What TikTok and Shopify say to the credentials, and whether this machine's clock agrees with theirs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx

from gateway.errors import GatewayError
from gateway.model.words import NOTHING_COUNTS
from gateway.ops.doctor.findings import Finding, fail, ok, tell_duration, warn
from gateway.ops.doctor.network import Unreachable, exchange
from gateway.ops.reconcile import has_admin_api
from gateway.ops.trial import WHERE, send_trial
from gateway.settings import PixelSettings, StoreSettings
from gateway.shopify.admin_api import AdminApi
from gateway.shopify.admin_orders import ORDERS_QUERY, build_search
from gateway.tiktok.client import TikTokClient

LONGEST_TEST = timedelta(days=1)
"""A test takes an hour; a code that hides events for longer than this was forgotten."""
SKEW_WARN_S, SKEW_FAIL_S = 30, 300


async def check_pixel(
    client: TikTokClient, shop: StoreSettings, pixel: PixelSettings, code: str | None, now_ms: int
) -> Finding:
    """Whether TikTok takes an event of this pixel: a test event, for which there must be a test code."""
    code = code or pixel.test_code_at(_to_time(now_ms))
    if code is None:
        mend = f"run it with --code and the code that {WHERE} shows"
        return warn("tiktok", f"the token of pixel {pixel.code} is not tried: that takes a test code", mend)
    trial = await send_trial(client, shop, pixel, code, now_ms)
    return ok("tiktok", trial.sentence) if trial.is_accepted else fail("tiktok", trial.sentence, trial.mend)


def check_test_code(pixel: PixelSettings, now_ms: int) -> Finding | None:
    """Whether a test code keeps conversions from counting; None where there is no code."""
    until, now = pixel.test_event_code_until, _to_time(now_ms)
    if not pixel.test_event_code or until is None:
        return None
    told = f"{until:%Y-%m-%d %H:%M %Z}".strip()
    mend = "take test_event_code and test_event_code_until out of the file, then restart"
    if until <= now:
        return warn("test code", f"that of pixel {pixel.code} ended at {told}, and is left out since", mend)
    sentence = NOTHING_COUNTS.format(pixel.code, told)
    if until - now > LONGEST_TEST:
        return fail("test code", f"{sentence}, which was probably forgotten", mend)
    return warn("test code", sentence, mend)


async def check_admin_api(http: httpx.AsyncClient, shop: StoreSettings, now_ms: int) -> Finding:
    """Whether Shopify shows orders to us."""
    if shop.shopify is None or not has_admin_api(shop):
        return warn(
            "shopify",
            "orders lost in an outage are not found again: there are no credentials for the Admin API",
            "set client_id and client_secret, or admin_token, in [stores.shopify]",
        )
    asked = {"first": 1, "after": None, "query": build_search(_to_time(now_ms))}
    try:
        await AdminApi(shop.shopify, http).ask(ORDERS_QUERY, asked)
    except GatewayError as error:
        sentence, _, mend = str(error).partition(": ")
        return fail("shopify", sentence, mend or "try again later")
    return ok("shopify", f"{shop.shopify.shop} shows its orders")


async def check_clock(http: httpx.AsyncClient, urls: list[str], now_ms: int) -> Finding:
    """Whether this machine's clock is that of the first of these servers that tells the time."""
    for url in urls:
        start_s = time.monotonic()
        try:
            answer = await exchange(http, http.build_request("HEAD", url))
            told = parsedate_to_datetime(answer.headers["date"])
        except (Unreachable, KeyError, ValueError):
            continue
        half_way_s = (time.monotonic() - start_s) / 2
        return _judge_skew(told.timestamp() - now_ms / 1000 - half_way_s)
    return warn("clock", "nobody told the time", "see that this server reaches delivery.api_base")


def _judge_skew(skew_s: float) -> Finding:
    """A Date header is a second coarse, and half the exchange went by before it was written."""
    way = "behind" if skew_s > 0 else "ahead"
    sentence = f"this machine's clock is {tell_duration(abs(skew_s))} {way}"
    mend = "let it follow a time server (timedatectl set-ntp true): TikTok drops events of the wrong time"
    if abs(skew_s) > SKEW_FAIL_S:
        return fail("clock", sentence, mend)
    return warn("clock", sentence, mend) if abs(skew_s) > SKEW_WARN_S else ok("clock", "it is right")


def _to_time(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)

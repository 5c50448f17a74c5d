"""The order of the checks: first what all stores share, then each store, whose checks run at the same time.

A check whose ground is missing is left out: with no gateway running, that alone is told, and not ten times over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import httpx
from msgspec import Struct, structs

from gateway.ops.cookie_life import Name
from gateway.ops.doctor import accounts, door, names, shoppers, visits, webhooks
from gateway.ops.doctor.findings import Finding, Status, fail, ok, tell_duration, warn
from gateway.ops.doctor.inside import Inside, check_disk, check_running, look_inside
from gateway.ops.doctor.network import TIMEOUT_S, Network
from gateway.settings import Settings, StoreSettings
from gateway.settings.values import host_of
from gateway.store.vitals import Vitals
from gateway.tiktok.client import TikTokClient

CHECK_S = 20.0
"""A check that takes longer has failed."""

QUEUE_WARN_S, QUEUE_FAIL_S = 900, 7200
"""Retries take minutes; what has waited for hours does not come through."""

_MEND_NAME = "where its domain's DNS is managed, add an A record for {host} with the address of the server"

Clock = Callable[[], int]


class Tools(Struct, frozen=True):
    """What the checks of every store share. Units: `clock` gives Unix milliseconds."""

    settings: Settings
    network: Network
    inside: Inside
    http: httpx.AsyncClient
    tiktok: TikTokClient
    clock: Clock
    code: str | None


async def examine(
    settings: Settings, shops: Sequence[StoreSettings], network: Network, clock: Clock, code: str | None = None
) -> AsyncIterator[Finding]:
    """Every finding, in a fixed order, each as soon as it and those before it are there."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(_build_http(network))
        inside = await stack.enter_async_context(Inside(settings))
        client = TikTokClient(settings.delivery.api_base, http)
        tools = Tools(settings, network, inside, http, client, clock, code)
        running = await check_running(inside, shops[0].hosts[0])
        yield running
        database, looked = await look_inside(settings, tuple(shop.id for shop in shops), clock)
        yield database
        if disk := check_disk(settings):
            yield disk
        yield await accounts.check_clock(http, _list_clocks(settings, shops), clock())
        for shop in shops:
            vitals = looked[shop.id].vitals if shop.id in looked else None
            async for finding in _examine_store(tools, shop, vitals, is_running=running.status is Status.OK):
                yield structs.replace(finding, store_id=shop.id)


async def _examine_store(
    tools: Tools, shop: StoreSettings, vitals: Vitals | None, *, is_running: bool
) -> AsyncIterator[Finding]:
    page, hosts, found = await _look_up(tools.network, shop)
    for finding in found:
        yield finding
    if page:
        for host in hosts:
            yield names.check_cookie_life(host, page, shop.cookie_domain)
    visits_of = [_examine_host(tools, shop, host, vitals or Vitals(), is_running=is_running) for host in hosts]
    for several in await asyncio.gather(*visits_of, _examine_accounts(tools, shop)):
        for finding in several:
            yield finding
    for finding in _judge_vitals(shop, vitals, tools.clock()) if vitals else []:
        yield finding


async def _look_up(network: Network, shop: StoreSettings) -> tuple[Name | None, list[Name], list[Finding]]:
    """What DNS says of the store's pages and of the gateway's names, those that are missing left out."""
    page_host = host_of(shop.origins[0])
    page, *hosts = await asyncio.gather(
        names.check_name(network, page_host, f"see where the DNS of {page_host} is managed"),
        *(names.check_name(network, host, _MEND_NAME.format(host=host)) for host in shop.hosts),
    )
    return page[1], [name for _, name in hosts if name], [finding for finding, _ in (page, *hosts)]


async def _examine_host(
    tools: Tools, shop: StoreSettings, name: Name, vitals: Vitals, *, is_running: bool
) -> list[Finding]:
    """What visitors meet at this name. Without a good certificate they meet nothing."""
    async with tools.network.open(name) as way:
        certificate = await door.check_certificate(tools.network, name, tools.clock())
        if certificate.status is Status.FAIL or not is_running:
            return [certificate]
        checks = {
            "script": door.check_script(way, tools.inside, shop.script_path),
            "cookies": visits.check_cookies(tools.settings, shop, way, tools.clock),
            "client address": visits.check_client(tools.settings, way, vitals),
            "webhooks": webhooks.check_webhooks(way, shop.shopify),
        }
        return [certificate, *await _run(list(checks.items()))]


async def _examine_accounts(tools: Tools, shop: StoreSettings) -> list[Finding]:
    """What TikTok and Shopify say to this store's credentials."""
    now_ms = tools.clock()
    tried = [("tiktok", accounts.check_pixel(tools.tiktok, shop, one, tools.code, now_ms)) for one in shop.pixels]
    found = await _run([*tried, ("shopify", accounts.check_admin_api(tools.http, shop, now_ms))])
    coded = [accounts.check_test_code(pixel, now_ms) for pixel in shop.pixels]
    return [*found, *(finding for finding in coded if finding)]


async def _run(checks: Sequence[tuple[str, Awaitable[Finding]]]) -> list[Finding]:
    """What the checks found, in their order; all run at once."""
    return await asyncio.gather(*(_bound(name, check) for name, check in checks))


async def _bound(name: str, check: Awaitable[Finding]) -> Finding:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check
    except TimeoutError:
        return fail(name, f"nobody knows: the check came to no end within {CHECK_S:g} s", "run the doctor again")


def _judge_vitals(shop: StoreSettings, vitals: Vitals, now_ms: int) -> list[Finding]:
    """What the database says of this store."""
    of_shoppers = (shoppers.check_consent(vitals, shop), shoppers.check_pixel(vitals))
    found = [_check_queue(vitals, now_ms), *filter(None, of_shoppers)]
    if shop.shopify:
        found += [webhooks.check_deliveries(vitals, now_ms), webhooks.check_sources(vitals, shop.shopify)]
    return found


def _check_queue(vitals: Vitals, now_ms: int) -> Finding:
    """Whether events leave soon after they came."""
    if vitals.oldest_ms is None:
        return ok("queue", "nothing waits to be sent")
    age_s = max(0, now_ms - vitals.oldest_ms) / 1000
    sentence = f"the oldest event has waited for {tell_duration(age_s)} to be sent"
    mend = "try the token with `tag-gateway test-event`, and read the gateway's log"
    if age_s > QUEUE_FAIL_S:
        return fail("queue", sentence, mend)
    return warn("queue", sentence, mend) if age_s > QUEUE_WARN_S else ok("queue", sentence)


def _list_clocks(settings: Settings, shops: Sequence[StoreSettings]) -> list[str]:
    """Servers that tell the time: TikTok's, then the shops'."""
    return [settings.delivery.api_base, *(shop.shopify.api_base for shop in shops if shop.shopify)]


def _build_http(network: Network) -> httpx.AsyncClient:
    """A client for TikTok and Shopify, which reaches this machine without a proxy."""
    local = {"all://127.0.0.1": None, "all://localhost": None}
    return httpx.AsyncClient(verify=network.tls, timeout=TIMEOUT_S, mounts=local)

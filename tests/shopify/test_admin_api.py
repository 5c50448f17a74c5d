"""The Admin API is asked politely, and every refusal says what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.demo.fake_admin import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, FakeAdmin
from gateway.demo.fake_tiktok import serving
from gateway.errors import CommandError
from gateway.model.conversion import Conversion
from gateway.shopify.admin_api import PAGE_SIZE, AdminApi, TooCostly
from gateway.shopify.admin_orders import build_search
from gateway.shopify.admin_token import AdminUnavailable, MissingScope, ShopNotFound, WrongToken
from gateway.shopify.orders import to_purchase
from gateway.shopify.resources import Order
from gateway.shopify.webhook import parse_webhook
from tests.ports import free_port
from tests.shopify.payloads import NOW_MS, ORIGIN, encode, line, money_set, shop, web_order

SINCE = datetime(2026, 9, 1, tzinfo=UTC)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admin(clock: Clock) -> FakeAdmin:
    return FakeAdmin(clock=clock)


@pytest.fixture
async def url(admin: FakeAdmin) -> AsyncIterator[str]:
    async with admin.serve() as base:
        yield base


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5, verify=False) as client:
        yield client


def api(url: str, http: httpx.AsyncClient, clock: Clock, **changes: Any) -> AdminApi:
    credentials = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET} | changes
    return AdminApi(shop(api_base=url, **credentials), http, clock, clock.sleep)


async def fetch(api: AdminApi) -> list[Order]:
    return [order async for order in api.orders_since(SINCE)]


def numbered(count: int) -> list[dict[str, Any]]:
    return [web_order(id=number, updated_at=f"2026-09-21T07:{number % 60:02}:00Z") for number in range(1, count + 1)]


# Orders


async def test_every_order_comes_once_through_all_pages(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = numbered(2 * PAGE_SIZE + 1)
    found = await fetch(api(url, http, clock))
    assert sorted(order.id for order in found) == list(range(1, 2 * PAGE_SIZE + 2))
    assert len(admin.queries) == 3
    assert len(admin.granted) == 1


async def test_orders_are_searched_by_their_last_change(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = [
        web_order(id=1, updated_at="2026-08-31T23:59:59Z"),
        web_order(id=2, updated_at="2026-09-01T00:00:00Z"),
    ]
    assert [order.id for order in await fetch(api(url, http, clock))] == [2]
    assert admin.queries[0]["query"] == "updated_at:>='2026-09-01T00:00:00Z' AND status:any"


def test_search_is_in_utc() -> None:
    since = datetime(2026, 9, 1, 2, 30, tzinfo=timezone(timedelta(hours=2)))
    assert build_search(since) == "updated_at:>='2026-09-01T00:30:00Z' AND status:any"


async def test_shop_without_orders_gives_none(url: str, http: httpx.AsyncClient, clock: Clock) -> None:
    assert await fetch(api(url, http, clock)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"customer": None, "phone": "(408) 555-0111", "note_attributes": []},
        {
            "total_price": "41.00",
            "total_price_set": money_set("41.00", "38.50"),
            "line_items": [
                line(price="17.00", price_set=money_set("17.00", "15.95")),
                line(variant_id=None, quantity=1),
                line(variant_id=None, product_id=None, sku=None, title="Tip"),
            ],
        },
    ],
)
async def test_order_is_the_same_purchase_by_webhook_and_by_lookup(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock, changes: dict[str, Any]
) -> None:
    body = web_order(**changes)
    admin.orders = [body]
    (looked_up,) = await fetch(api(url, http, clock))
    told = parse_webhook("orders/paid", encode(body)).resource
    assert isinstance(told, Order)
    by_webhook = to_purchase(told, "orders/paid", shop(), ORIGIN, NOW_MS)
    by_lookup = to_purchase(looked_up, None, shop(), ORIGIN, NOW_MS)
    assert isinstance(by_webhook, Conversion)
    assert isinstance(by_lookup, Conversion)
    assert by_lookup.event.event_id == by_webhook.event.event_id
    assert by_lookup.event.occurred_ms == by_webhook.event.occurred_ms
    assert by_lookup.event.properties == by_webhook.event.properties
    assert by_lookup.event.page == by_webhook.event.page
    assert by_lookup.event.user == by_webhook.event.user
    assert by_lookup.ids == by_webhook.ids
    assert by_lookup.fallback.ip == by_webhook.fallback.ip


async def test_states_of_an_order_come_as_in_webhooks(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = [
        web_order(
            financial_status="partially_refunded", cancelled_at="2026-09-21T08:00:00Z", test=True, source_name="pos"
        )
    ]
    (order,) = await fetch(api(url, http, clock))
    assert (order.financial_status, order.test, order.source_name) == ("partially_refunded", True, "pos")
    assert order.cancelled_at == datetime(2026, 9, 21, 8, tzinfo=UTC)


async def test_place_among_the_customers_orders_tells_the_returning_from_the_new(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = [web_order(customer={"id": 1, "orders_count": 3})]
    (order,) = await fetch(api(url, http, clock))
    assert order.customer is not None
    assert order.customer.orders_count == 3


# Cost


async def test_throttled_query_waits_until_the_bucket_has_what_it_costs(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = numbered(1)
    admin.cost_per_order, admin.restore_rate = 20, 100
    admin.drain()
    assert len(await fetch(api(url, http, clock))) == 1
    assert clock.slept == [PAGE_SIZE * 20 / 100]


async def test_bucket_that_never_fills_ends_in_an_error(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.restore_rate = 0
    admin.drain()
    with pytest.raises(AdminUnavailable, match="put off 8 requests in a row"):
        await fetch(api(url, http, clock))
    assert clock.slept == [30.0] * 8


async def test_page_shrinks_until_a_query_may_be_asked(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = numbered(15)
    admin.cost_per_order, admin.restore_rate = 100, 1000
    assert len(await fetch(api(url, http, clock))) == 15
    asked = [query["first"] for query in admin.queries]
    assert asked[:3] == [25, 12, 6]
    assert set(asked[3:]) == {6}


async def test_single_order_that_costs_too_much_is_an_error(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.cost_per_order = 1001
    with pytest.raises(TooCostly):
        await fetch(api(url, http, clock))


# Tokens


async def test_token_is_kept_until_shortly_before_its_end(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    client = api(url, http, clock)
    await fetch(client)
    clock.now_s += 86_399 - 61
    await fetch(client)
    assert len(admin.granted) == 1
    clock.now_s += 1
    await fetch(client)
    assert len(admin.granted) == 2


async def test_refused_token_is_asked_for_once_more(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.orders = numbered(1)
    client = api(url, http, clock)
    await fetch(client)
    admin.end_tokens()
    assert len(await fetch(client)) == 1
    assert len(admin.granted) == 2


async def test_token_of_the_settings_is_used_as_it_is(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock
) -> None:
    admin.tokens.add("shpat_mine")
    admin.orders = numbered(1)
    client = api(url, http, clock, client_id="", client_secret="", admin_token="shpat_mine")
    assert len(await fetch(client)) == 1
    assert admin.granted == {}


# Refusals


async def test_wrong_token_of_the_settings_is_told(url: str, http: httpx.AsyncClient, clock: Clock) -> None:
    client = api(url, http, clock, client_id="", client_secret="", admin_token="shpat_wrong")
    with pytest.raises(WrongToken, match=r"acme\.myshopify\.com refuses the Admin API token") as failed:
        await fetch(client)
    assert "shpat_wrong" not in str(failed.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"client_secret": "guessed"}, "client_id and client_secret do not belong together"),
        ({"client_id": "unknown"}, "no app has this client_id"),
    ],
)
async def test_wrong_credentials_are_told(
    url: str, http: httpx.AsyncClient, clock: Clock, changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(WrongToken, match=sentence) as failed:
        await fetch(api(url, http, clock, **changes))
    assert "guessed" not in str(failed.value)


async def test_no_credentials_at_all_are_told_before_asking(url: str, http: httpx.AsyncClient, clock: Clock) -> None:
    with pytest.raises(WrongToken, match="set client_id and client_secret, or admin_token"):
        await fetch(api(url, http, clock, client_id="", client_secret=""))


@pytest.mark.parametrize("scope", ["read_orders", "read_customers"])
async def test_missing_scope_is_named(
    admin: FakeAdmin, url: str, http: httpx.AsyncClient, clock: Clock, scope: str
) -> None:
    admin.scopes.discard(scope)
    with pytest.raises(MissingScope, match=f"give it the scope {scope}"):
        await fetch(api(url, http, clock))


async def test_unreachable_shop_is_told(http: httpx.AsyncClient, clock: Clock) -> None:
    with pytest.raises(AdminUnavailable, match="does not answer: ConnectError"):
        await fetch(api(f"http://127.0.0.1:{free_port()}", http, clock))


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (404, '{"errors":"Not Found"}', ShopNotFound, r"no open shop of Shopify \(HTTP 404\)"),
        (402, "", ShopNotFound, "HTTP 402"),
        (423, "", ShopNotFound, "HTTP 423"),
        (301, "", ShopNotFound, "HTTP 301"),
        (403, "secret words", MissingScope, "read_orders"),
        (418, "secret words", AdminUnavailable, "answers HTTP 418"),
        (200, "secret words", AdminUnavailable, "answers in an unknown way"),
        (200, '{"data": {"orders": 1}}', AdminUnavailable, "answers in an unknown way"),
        (200, '{"data": null, "errors": [{"message": "secret words"}]}', AdminUnavailable, r"\(unknown\)"),
        (
            200,
            '{"errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}',
            AdminUnavailable,
            "INTERNAL",
        ),
    ],
)
async def test_every_other_answer_is_one_clear_error(
    http: httpx.AsyncClient, clock: Clock, status: int, body: str, error: type[CommandError], sentence: str
) -> None:
    async with serve_always(Response(body, status)) as url:
        with pytest.raises(error, match=sentence) as failed:
            await fetch(api(url, http, clock, client_id="", client_secret="", admin_token="shpat_mine"))
    assert issubclass(error, CommandError)
    assert "secret words" not in str(failed.value)


@pytest.mark.parametrize(
    ("headers", "wait_s"), [({"Retry-After": "3.5"}, 3.5), ({}, 2.0), ({"Retry-After": "soon"}, 2.0)]
)
async def test_overloaded_shop_is_asked_again_after_the_time_it_tells(
    http: httpx.AsyncClient, clock: Clock, headers: dict[str, str], wait_s: float
) -> None:
    async with serve_always(PlainTextResponse("busy", 429, headers)) as url:
        with pytest.raises(AdminUnavailable, match="put off"):
            await fetch(api(url, http, clock, client_id="", client_secret="", admin_token="shpat_mine"))
    assert clock.slept == [wait_s] * 8


@pytest.mark.parametrize(
    ("status", "body", "error", "sentence"),
    [
        (400, "Oauth error app_not_installed: no", WrongToken, "the app is not installed on acme.myshopify.com"),
        (400, '{"error":"shop_not_permitted"}', WrongToken, "different organisations"),
        (400, "something new", WrongToken, r"refuses client_id and client_secret \(HTTP 400\)"),
        (503, "", AdminUnavailable, "gives no token now"),
        (200, "<html>", AdminUnavailable, "not with a token"),
        (404, "", ShopNotFound, "no open shop"),
    ],
)
async def test_refused_grant_says_what_to_do(
    http: httpx.AsyncClient, clock: Clock, status: int, body: str, error: type[CommandError], sentence: str
) -> None:
    async with serve_always(Response(body, status)) as url:
        with pytest.raises(error, match=sentence):
            await fetch(api(url, http, clock))


@asynccontextmanager
async def serve_always(answer: Response) -> AsyncIterator[str]:
    """A server that has one answer to everything."""

    async def respond(_: Request) -> Response:
        return answer

    sock, url = serving.bind()
    async with serving.serve(Starlette(routes=[Route("/{path:path}", respond, methods=["POST"])]), sock):
        yield url

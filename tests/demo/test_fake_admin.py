"""The fake Admin API refuses what Shopify refuses, and answers only what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from gateway.demo.fake_admin import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, FakeAdmin
from gateway.demo.fake_admin.graphql import Field, QueryError, parse_query, select

TOKEN_PATH = "/admin/oauth/access_token"
GRAPHQL_PATH = "/admin/api/2026-10/graphql.json"
QUERY = """query($first: Int!) {
  orders(first: $first) { pageInfo { hasNextPage endCursor } nodes { id created: createdAt } }
}"""


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def order(id_: int, day: int = 1) -> dict[str, Any]:
    return {"id": id_, "created_at": f"2026-09-{day:02}T00:00:00Z", "updated_at": f"2026-09-{day:02}T12:00:00+02:00"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admin(clock: Clock) -> FakeAdmin:
    fake = FakeAdmin(clock=clock)
    fake.tokens.add("shpat_permanent")
    return fake


@pytest.fixture
async def http(admin: FakeAdmin) -> AsyncIterator[httpx.AsyncClient]:
    async with admin.serve() as url, httpx.AsyncClient(base_url=url, verify=False) as client:
        yield client


async def ask(
    http: httpx.AsyncClient, graphql: str = QUERY, token: str = "shpat_permanent", **variables: Any
) -> httpx.Response:
    body = {"query": graphql, "variables": {"first": 2, "query": "status:any"} | variables}
    return await http.post(GRAPHQL_PATH, json=body, headers={"X-Shopify-Access-Token": token})


async def grant(http: httpx.AsyncClient, **changes: str) -> httpx.Response:
    form = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET, "grant_type": "client_credentials"}
    return await http.post(TOKEN_PATH, data=form | changes)


async def test_credentials_give_a_token_that_ends(admin: FakeAdmin, clock: Clock, http: httpx.AsyncClient) -> None:
    granted = (await grant(http)).json()
    assert granted["expires_in"] == 86_399
    assert granted["scope"] == "read_customers,read_orders"
    assert (await ask(http, token=granted["access_token"])).status_code == 200
    clock.now_s += 86_400
    assert (await ask(http, token=granted["access_token"])).status_code == 401


async def test_credentials_may_come_as_json(http: httpx.AsyncClient) -> None:
    body = {"client_id": DEMO_CLIENT_ID, "client_secret": DEMO_CLIENT_SECRET, "grant_type": "client_credentials"}
    assert (await http.post(TOKEN_PATH, json=body)).json()["access_token"].startswith("shpat_")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "wrong"}, "application_cannot_be_found"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
async def test_wrong_credentials_are_refused(http: httpx.AsyncClient, changes: dict[str, str], word: str) -> None:
    refused = await grant(http, **changes)
    assert refused.status_code == 400
    assert word in refused.text


async def test_tokens_can_be_ended_before_their_time(admin: FakeAdmin, http: httpx.AsyncClient) -> None:
    token = (await grant(http)).json()["access_token"]
    admin.end_tokens()
    assert (await ask(http, token=token)).status_code == 401
    assert (await ask(http)).status_code == 200


async def test_unknown_version_is_not_found(http: httpx.AsyncClient) -> None:
    headers = {"X-Shopify-Access-Token": "shpat_permanent"}
    answer = await http.post("/admin/api/2026-11/graphql.json", json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (404, {"errors": "Not Found"})


async def test_orders_come_in_pages_by_their_last_change(admin: FakeAdmin, http: httpx.AsyncClient) -> None:
    admin.orders = [order(5, day=3), order(9, day=1), order(7, day=2), order(8, day=2)]
    first = (await ask(http)).json()["data"]["orders"]
    assert [node["id"][-1] for node in first["nodes"]] == ["9", "7"]
    assert first["nodes"][0]["created"] == "2026-09-01T00:00:00Z"
    assert first["pageInfo"]["hasNextPage"]
    second = (await ask(http, after=first["pageInfo"]["endCursor"])).json()["data"]["orders"]
    assert [node["id"][-1] for node in second["nodes"]] == ["8", "5"]
    assert not second["pageInfo"]["hasNextPage"]


async def test_search_leaves_out_what_has_not_changed_since(admin: FakeAdmin, http: httpx.AsyncClient) -> None:
    admin.orders = [order(1, day=1), order(2, day=2)]
    found = (await ask(http, query="updated_at:>='2026-09-02T10:00:00Z' AND status:any")).json()
    (node,) = found["data"]["orders"]["nodes"]
    assert node["id"] == "gid://shopify/Order/2"


async def test_query_of_a_missing_scope_is_denied(admin: FakeAdmin, http: httpx.AsyncClient) -> None:
    admin.scopes = {"read_customers"}
    answer = await ask(http)
    assert answer.status_code == 200
    assert answer.json()["data"] is None
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "ACCESS_DENIED"
    assert "read_orders" in error["message"]


async def test_empty_bucket_throttles_until_time_has_filled_it(
    admin: FakeAdmin, clock: Clock, http: httpx.AsyncClient
) -> None:
    admin.cost_per_order = 100
    admin.drain()
    throttled = (await ask(http)).json()
    assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
    cost = throttled["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["throttleStatus"]["currentlyAvailable"]) == (200, 0)
    clock.now_s += 2
    assert (await ask(http)).json()["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 0
    assert "errors" in (await ask(http)).json()


async def test_query_over_the_limit_is_refused_even_with_a_full_bucket(
    admin: FakeAdmin, http: httpx.AsyncClient
) -> None:
    admin.cost_per_order = 501
    assert (await ask(http)).json()["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"


async def test_unknown_field_is_refused_by_name(admin: FakeAdmin, http: httpx.AsyncClient) -> None:
    admin.orders = [order(1)]
    answer = await ask(http, graphql="{ orders { nodes { id total_price } } }")
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "undefinedField"
    assert "total_price" in error["message"]


def test_fake_runs_in_a_thread_for_callers_without_an_event_loop(admin: FakeAdmin) -> None:
    url = admin.start()
    try:
        assert httpx.post(f"{url}{TOKEN_PATH}", json={}).status_code == 400
    finally:
        admin.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.post(f"{url}{TOKEN_PATH}", json={})


def test_selection_knows_arguments_and_aliases() -> None:
    assert parse_query('query A($x: Int = 1) { a: b(first: $x, query: "c:d") { e } f }') == (
        Field("b", "a", (Field("e", "e"),)),
        Field("f", "f"),
    )


@pytest.mark.parametrize("query", ["", "{ a", "{ a(x: 1", "query"])
def test_broken_query_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        parse_query(query)


@pytest.mark.parametrize(("value", "fields"), [({"a": {"b": 1}}, "{ a }"), ({"a": 1}, "{ a { b } }")])
def test_objects_need_fields_and_values_have_none(value: dict[str, Any], fields: str) -> None:
    with pytest.raises(QueryError):
        select(value, parse_query(fields))

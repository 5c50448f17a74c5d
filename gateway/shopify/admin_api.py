"""A shop's Admin API: asks for orders, and waits when Shopify says so. Used by `gateway.ops` to reconcile.

Called with an httpx client of the caller's, which sets the timeouts. Every failure is an AdminError whose message an
operator can act on; what Shopify wrote itself is quoted only where it can hold no secret.

Source: Shopify, "GraphQL Admin API rate limits" and "response status codes" (spec 7, read 2026-11).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar

import httpx
import msgspec
from msgspec import Struct

from gateway.settings import ShopifySettings
from gateway.shopify.admin_orders import ORDERS_QUERY, build_search, parse_orders
from gateway.shopify.admin_token import AdminError, AdminToken, AdminUnavailable, MissingScope, WrongToken, post
from gateway.shopify.resources import Order

API_VERSION = "2026-10"
"""Each version is supported for at least 12 months; a retired one is answered as the oldest that is left."""

PAGE_SIZE = 25
"""Orders asked for at once, to begin with."""
_MAX_TRIES = 8
_MAX_WAIT_S = 30.0
_SCOPE = re.compile(r"\b(?:read|write)_[a-z_]+\b")

T = TypeVar("T")


class TooCostly(AdminError):
    """The query costs more than any query may: ask for less at once."""


class _Throttle(Struct, frozen=True, rename="camel"):
    currently_available: float = 0.0
    restore_rate: float = 50.0


class _Cost(Struct, frozen=True, rename="camel"):
    requested_query_cost: float = 0.0
    throttle_status: _Throttle = _Throttle()


class _Extensions(Struct, frozen=True):
    cost: _Cost | None = None


class _ErrorExtensions(Struct, frozen=True):
    code: str = ""


class _Error(Struct, frozen=True):
    message: str = ""
    extensions: _ErrorExtensions = _ErrorExtensions()


class _Answer(Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: tuple[_Error, ...] = ()
    extensions: _Extensions = _Extensions()

    @property
    def code(self) -> str:
        """The code of the first error; empty when all went well, `unknown` for an error without one."""
        return (self.errors[0].extensions.code or "unknown") if self.errors else ""


class AdminApi:
    """One shop's Admin API. Units: `clock` gives seconds of any origin, `sleep` takes seconds."""

    def __init__(
        self,
        shop: ShopifySettings,
        http: httpx.AsyncClient,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._shop = shop
        self._http = http
        self._token = AdminToken(shop, http, clock)
        self._sleep = sleep

    async def orders_since(self, since: datetime) -> AsyncIterator[Order]:
        """Every order changed since then (aware), the longest unchanged first.

        One that changes meanwhile may come twice; none is missed. The page shrinks as long as it costs too much.
        Raises: AdminError.
        """
        search, cursor, size = build_search(since), None, PAGE_SIZE
        while True:
            try:
                data = await self.ask(ORDERS_QUERY, {"first": size, "after": cursor, "query": search})
            except TooCostly:
                if size == 1:
                    raise
                size //= 2
                continue
            page = self._read(parse_orders, data)
            for order in page.orders:
                yield order
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    async def ask(self, query: str, variables: Mapping[str, object]) -> bytes:
        """The `data` of the answer, as JSON. Throttled, it waits as long as Shopify says and asks again, a few times.

        Raises: AdminError.
        """
        body = msgspec.json.encode({"query": query, "variables": variables})
        for _ in range(_MAX_TRIES):
            response = await self._post(body)
            if (wait_s := _find_wait(response)) is None:
                answer = self._parse(response)
                if answer.code != "THROTTLED":
                    return self._check(answer)
                wait_s = _find_restore(answer.extensions.cost)
            await self._sleep(min(wait_s, _MAX_WAIT_S))
        raise AdminUnavailable(f"{self._shop.shop} put off {_MAX_TRIES} requests in a row; try again later")

    async def _post(self, body: bytes) -> httpx.Response:
        """The answer to this body. A token refused before its time is asked for once more."""
        response = await self._post_once(body)
        if response.status_code == 401 and self._token.is_renewable:
            self._token.forget()
            response = await self._post_once(body)
        return response

    async def _post_once(self, body: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json", "X-Shopify-Access-Token": await self._token.get()}
        return await post(
            self._http, self._shop, f"/admin/api/{API_VERSION}/graphql.json", content=body, headers=headers
        )

    def _parse(self, response: httpx.Response) -> _Answer:
        if response.status_code == 401:
            raise WrongToken(f"{self._shop.shop} refuses the Admin API token: make a new one, or use client_id")
        if response.status_code == 403:
            raise MissingScope(
                f"{self._shop.shop} forbids the request: give the app the scopes read_orders, read_customers"
            )
        if not response.is_success:
            raise AdminUnavailable(f"{self._shop.shop} answers HTTP {response.status_code}; try again later")
        return self._read(_decoder.decode, response.content)

    def _check(self, answer: _Answer) -> bytes:
        """The data of an answer without errors: half an order would be sent as if it were whole."""
        if not answer.errors:
            return bytes(answer.data)
        if answer.code == "ACCESS_DENIED":
            scope = _SCOPE.search(answer.errors[0].message)
            raise MissingScope(f"the app may not read this: give it the scope {scope[0] if scope else 'it lacks'}")
        if answer.code == "MAX_COST_EXCEEDED":
            raise TooCostly("a single order costs more than a query may")
        raise AdminUnavailable(f"{self._shop.shop} cannot answer the query ({answer.code}); try again later")

    def _read(self, decode: Callable[[bytes], T], data: bytes) -> T:
        try:
            return decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AdminUnavailable(f"{self._shop.api_base} answers in an unknown way: {error}") from None


_decoder = msgspec.json.Decoder(_Answer)


def _find_wait(response: httpx.Response) -> float | None:
    """Seconds to wait after an answer that only puts off, None after any other."""
    if response.status_code not in (429, 500, 502, 503, 504):
        return None
    told = response.headers.get("Retry-After", "")
    return float(told) if re.fullmatch(r"\d+(\.\d+)?", told) else 2.0


def _find_restore(cost: _Cost | None) -> float:
    """Seconds until the bucket holds what the query costs."""
    cost = cost or _Cost()
    missing = cost.requested_query_cost - cost.throttle_status.currently_available
    return max(1.0, missing / max(1.0, cost.throttle_status.restore_rate))

"""FakeAdmin: tokens and orders of one shop on loopback. Started by `gateway.demo` and by tests.

What it takes and refuses is what Shopify was reported to: HTTP 401 for a token that has ended, HTTP 200 with an error
code when throttled, too costly, or without the scope (spec 7).
"""

from __future__ import annotations

import base64
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gateway.demo.fake_admin.graphql import QueryError, parse_query, select
from gateway.demo.fake_admin.orders import build_node, find_updated
from gateway.demo.fake_tiktok import serving

DEMO_CLIENT_ID = "demo-client-id"
DEMO_CLIENT_SECRET = "demo-client-secret"
_SEARCH = re.compile(r"updated_at:>='([^']+)'")
_BUCKET = 1000.0
"""What a bucket holds, which is also the most that one query may cost."""


class Refusal(Exception):
    """An error in GraphQL's way: HTTP 200 with a code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeAdmin:
    """An Admin API with these orders (webhook-shaped), which may change at any time. Units: `clock` gives seconds.

    `tokens` never end; those granted for the client's credentials do, after `token_life_s`. A query costs
    `cost_per_order` for each order it asks for, of a bucket that fills at `restore_rate` a second.
    """

    def __init__(self, orders: Iterable[Mapping[str, Any]] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self.orders = list(orders)
        self.clients = {DEMO_CLIENT_ID: DEMO_CLIENT_SECRET}
        self.tokens: set[str] = set()
        self.scopes = {"read_orders", "read_customers"}
        self.token_life_s = 86_399.0
        self.cost_per_order = 10.0
        self.restore_rate = 100.0
        self.queries: list[dict[str, Any]] = []
        self.granted: dict[str, float] = {}
        self._clock = clock
        self._level, self._level_s = _BUCKET, clock()
        self._thread: serving.ServerThread | None = None
        self.app = Starlette(
            routes=[
                Route("/admin/oauth/access_token", self._grant, methods=["POST"]),
                Route("/admin/api/{version}/graphql.json", self._answer, methods=["POST"]),
            ]
        )

    # Its bad days

    def end_tokens(self) -> None:
        """Every granted token has ended before its time."""
        self.granted = dict.fromkeys(self.granted, 0.0)

    def drain(self) -> None:
        """The bucket is empty: the next query is throttled, until time has filled it."""
        self._level, self._level_s = 0.0, self._clock()

    # Running it

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[str]:
        """Serves in this event loop while the block runs; gives the base URL."""
        sock, url = serving.bind(port)
        async with serving.serve(self.app, sock):
            yield url

    def start(self, port: int = 0) -> str:
        """Serves in a thread until `stop`, and gives the base URL."""
        sock, url = serving.bind(port)
        self._thread = serving.ServerThread(self.app, sock)
        return url

    def stop(self) -> None:
        """Nothing serves any more."""
        if self._thread:
            self._thread.stop()
            self._thread = None

    # Tokens

    async def _grant(self, request: Request) -> Response:
        asked = await _read_form(request)
        if asked.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if asked.get("client_id") not in self.clients:
            return _refuse_client("application_cannot_be_found")
        if self.clients[asked["client_id"]] != asked.get("client_secret"):
            return _refuse_client("invalid_client")
        token = f"shpat_{secrets.token_hex(16)}"
        self.granted[token] = self._clock() + self.token_life_s
        scope = ",".join(sorted(self.scopes))
        return JSONResponse({"access_token": token, "scope": scope, "expires_in": int(self.token_life_s)})

    def _is_good(self, token: str) -> bool:
        return token in self.tokens or self._clock() < self.granted.get(token, 0.0)

    # Orders

    async def _answer(self, request: Request) -> Response:
        if not re.fullmatch(r"\d{4}-(?:01|04|07|10)", request.path_params["version"]):
            return JSONResponse({"errors": "Not Found"}, 404)
        if not self._is_good(request.headers.get("x-shopify-access-token", "")):
            return JSONResponse({"errors": "[API] Invalid API key or access token"}, 401)
        asked = await request.json()
        self.queries.append(dict(asked["variables"]))
        cost = self.cost_per_order * asked["variables"]["first"]
        try:
            self._pay(cost)
            fields = parse_query(asked["query"])
            self._check_scopes()
            data = select({"orders": self._find_page(**asked["variables"])}, fields)
        except Refusal as refusal:
            return self._fail(cost, refusal.code, str(refusal))
        except QueryError as error:
            return self._fail(cost, "undefinedField", str(error))
        return JSONResponse({"data": data, "extensions": self._tell_cost(cost)})

    def _pay(self, cost: float) -> None:
        now_s = self._clock()
        self._level = min(_BUCKET, self._level + (now_s - self._level_s) * self.restore_rate)
        self._level_s = now_s
        if cost > _BUCKET:
            raise Refusal("MAX_COST_EXCEEDED", f"Query cost is {cost:.0f}, over the limit of {_BUCKET:.0f}")
        if cost > self._level:
            raise Refusal("THROTTLED", "Throttled")
        self._level -= cost

    def _check_scopes(self) -> None:
        for field, scope in (("orders", "read_orders"), ("customer", "read_customers")):
            if scope not in self.scopes:
                needed = f"Required access: `{scope}` access scope."
                raise Refusal("ACCESS_DENIED", f"Access denied for {field} field. {needed}")

    def _find_page(self, first: int, query: str, after: str | None = None) -> dict[str, Any]:
        """The orders the search finds, by their last change, from the one after the cursor on."""
        since = _SEARCH.search(query)
        found = [(find_updated(order), order["id"], order) for order in self.orders]
        found.sort(key=lambda one: one[:2])
        if since:
            found = [one for one in found if one[0] >= datetime.fromisoformat(since[1])]
        if after:
            found = [one for one in found if _to_cursor(*one[:2]) > base64.b64decode(after).decode()]
        page = found[:first]
        end = base64.b64encode(_to_cursor(*page[-1][:2]).encode()).decode() if page else None
        return {
            "pageInfo": {"hasNextPage": len(found) > first, "endCursor": end},
            "nodes": [build_node(order) for _, _, order in page],
        }

    def _fail(self, cost: float, code: str, message: str) -> Response:
        error = {"message": message, "extensions": {"code": code}}
        return JSONResponse({"data": None, "errors": [error], "extensions": self._tell_cost(cost)})

    def _tell_cost(self, cost: float) -> dict[str, Any]:
        status = {"maximumAvailable": _BUCKET, "currentlyAvailable": self._level, "restoreRate": self.restore_rate}
        return {"cost": {"requestedQueryCost": cost, "actualQueryCost": cost, "throttleStatus": status}}


def _to_cursor(updated_at: datetime, order_id: int) -> str:
    """Sorts as text the way the orders do."""
    return f"{updated_at.timestamp():020.6f}-{order_id:020d}"


async def _read_form(request: Request) -> Mapping[str, Any]:
    """The fields of a body in JSON, or else of a form without files."""
    if request.headers.get("content-type", "").startswith("application/json"):
        return dict(await request.json())
    return dict(parse_qsl((await request.body()).decode()))


def _refuse_client(word: str) -> Response:
    return HTMLResponse(f"<html><body><h1>Oauth error {word}: see the documentation</h1></body></html>", 400)

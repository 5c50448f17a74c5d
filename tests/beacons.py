"""Beacons as the snippet sends them, and the browser that sends them: it keeps the cookies it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from uuid_utils import uuid7

from tests.servers import Gateway

PAGE = {"url": "https://www.acme.com/products/tee", "referrer": "https://www.tiktok.com/", "title": "Tee"}
CONSENT = {"marketing": True, "analytics": True, "sale_of_data": True, "source": "shopify"}
REFUSAL = {"marketing": False, "analytics": False, "sale_of_data": False, "source": "shopify"}
PRODUCT = {
    "content_type": "product",
    "contents": [{"content_id": "44", "price": 20.0, "quantity": 1}],
    "currency": "EUR",
    "value": 20.0,
}


def make_event(name: str = "ViewContent", **changes: Any) -> dict[str, Any]:
    """One event with an id of its own."""
    return {"event": name, "event_id": str(uuid7()), "properties": PRODUCT, **changes}


def make_beacon(*events: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A beacon with consent; one product view when no event is named; a change of None leaves the part out."""
    beacon = {"v": 1, "page": PAGE, "consent": CONSENT, "events": list(events) or [make_event()], **changes}
    return {key: value for key, value in beacon.items() if value is not None}


@dataclass(frozen=True)
class SetCookie:
    """One Set-Cookie header; attribute names in lower case, those without a value as empty text."""

    value: str
    attributes: dict[str, str]


def read_set_cookies(response: httpx.Response) -> dict[str, SetCookie]:
    """The cookies that an answer sets, by name; an answer never sets one twice."""
    found: dict[str, SetCookie] = {}
    for header in response.headers.get_list("set-cookie"):
        pair, *rest = header.split("; ")
        name, _, value = pair.partition("=")
        attributes = {part.partition("=")[0].lower(): part.partition("=")[2] for part in rest}
        assert name not in found, f"{name} is set twice"
        found[name] = SetCookie(value, attributes)
    return found


@dataclass
class Browser:
    """A browser on the store's pages: sends its cookies along and keeps what it is given."""

    gateway: Gateway
    cookies: dict[str, str] = field(default_factory=dict)

    async def beacon(
        self, *events: dict[str, Any], headers: Mapping[str, Any] | None = None, **changes: Any
    ) -> httpx.Response:
        """The answer to a beacon, its cookies kept."""
        return self.keep(
            await self.gateway.beacon(make_beacon(*events, **changes), headers=headers, cookies=self.cookies)
        )

    async def go(self, query: str) -> httpx.Response:
        """The answer to an ad click, its cookies kept."""
        return self.keep(await self.gateway.go(query, cookies=self.cookies))

    def keep(self, response: httpx.Response) -> httpx.Response:
        for name, cookie in read_set_cookies(response).items():
            if cookie.attributes["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie.value
        return response

    @property
    def visitor_id(self) -> str:
        """Whom the visitor cookie names."""
        return self.cookies["_tgv"].split(".")[1]

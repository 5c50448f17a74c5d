"""A browser without a screen: keeps cookies, follows redirects, and speaks what the snippet speaks.

Driven by `shopper`. Its requests really go out; names are resolved to loopback, which not every system does by itself.
Cookies are kept here and not by httpx, which would withhold Secure ones over http; browsers make an exception for
loopback.
"""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx
from msgspec import Struct, field
from uuid_utils import uuid7

from gateway.demo.site import Site

_SNIPPET = re.compile(r'<script async src="([^"]+)"></script>')
_CALLS = re.compile(r'<script type="application/json" id="page-calls">(.*?)</script>', re.DOTALL)
_COLLECT = re.compile(r'"collect":"([^"]+)"')


class Cookie(Struct, frozen=True):
    """A cookie and the hosts that get it: those under `domain`, or exactly that one."""

    value: str
    domain: str
    is_host_only: bool

    def goes_to(self, host: str) -> bool:
        """Whether a request to this host carries it."""
        return host == self.domain or (not self.is_host_only and host.endswith("." + self.domain))


class Page(Struct, frozen=True):
    """A page as it was loaded: what the snippet reads off it, and the calls its theme makes to TikTok's Pixel."""

    url: str
    referrer: str
    text: str
    calls: list[tuple[str, dict[str, Any], dict[str, str]]]


class Persona(Struct, frozen=True):
    """Who browses, from where, with what. `pixel` is what becomes of TikTok's library in this browser."""

    name: str
    ip: str
    user_agent: str
    pixel: str
    about: str


class Browser(Struct):
    """One browser. `page` is what it shows now; `first` and `user` are what the snippet holds in memory."""

    http: httpx.AsyncClient
    site: Site
    persona: Persona
    cookies: dict[str, Cookie] = field(default_factory=dict)
    page: Page = Page("", "", "", [])
    collect_url: str = ""
    first: str = ""
    user: dict[str, str] | None = None

    async def go(self, url: str) -> Page:
        """The page at the end of this link is loaded, its snippet too. Raises: httpx.HTTPStatusError."""
        return await self._arrive(await self.request("GET", url), url)

    async def submit(self, path: str, fields: dict[str, str] | None = None) -> Page:
        """The page that a form leads to is loaded."""
        url = urljoin(self.page.url, path)
        return await self._arrive(await self.request("POST", url, data=fields or {}), url)

    async def call(self, path: str, said: dict[str, Any]) -> Any:
        """What the store answers to a script of its page. Raises: httpx.HTTPStatusError."""
        answer = await self.request("POST", urljoin(self.page.url, path), json=said)
        answer.raise_for_status()
        return answer.json()

    async def request(self, method: str, url: str, headers: dict[str, str] | None = None, **how: Any) -> httpx.Response:
        """The answer to one request, its cookies kept."""
        target = urlsplit(url)
        host = target.hostname or ""
        sent = {"host": target.netloc, "user-agent": self.persona.user_agent, "x-forwarded-for": self.persona.ip}
        sent |= {"accept-language": "en-GB,en;q=0.8", **(headers or {})}
        if told := "; ".join(f"{name}={cookie.value}" for name, cookie in self.cookies.items() if cookie.goes_to(host)):
            sent["cookie"] = told
        where = f"http://127.0.0.1:{target.port}{target.path or '/'}" + (f"?{target.query}" if target.query else "")
        answer = await self.http.request(method, where, headers=sent, **how)
        for header in answer.headers.get_list("set-cookie"):
            self._keep(header, host)
        return answer

    async def beacon(self, *events: dict[str, Any], marketing: bool = True) -> httpx.Response:
        """The gateway's answer to a beacon as the snippet writes it (contract 4.1)."""
        said = {
            "v": 1,
            "sent_at": now_ms(),
            "page": {"url": self.page.url, "referrer": self.page.referrer},
            "consent": dict.fromkeys(("marketing", "analytics", "sale_of_data"), marketing) | {"source": "banner"},
            "ids": self._ids(),
            "events": list(events),
        }
        if self.user:
            said["user"] = self.user
        headers = {"content-type": "text/plain;charset=UTF-8", "origin": self.site.store_url}
        return await self.request("POST", self.collect_url, headers, content=json.dumps(said))

    def make_event(self, name: str, properties: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
        """One event as the snippet writes it, with an id of its own unless the page gave one."""
        at = {"event_id": event_id or str(uuid7()), "at": now_ms()}
        return {"pixel": self.persona.pixel, "event": name, **at, "properties": properties}

    def _ids(self) -> dict[str, str]:
        """What the snippet finds in the address and the readable cookies; before the first answer, an id of its own."""
        names = {"companion": "_tgc", "ttclid": "ttclid", "ttp": "_ttp"}
        ids = {name: self.cookies[cookie].value for name, cookie in names.items() if cookie in self.cookies}
        for url in (self.page.referrer, self.page.url):
            ids |= {name: value for name, value in parse_qsl(urlsplit(url).query) if name == "ttclid"}
        if "companion" not in ids:
            self.first = self.first or str(uuid7())
            ids["first"] = self.first
        return ids

    async def _arrive(self, answer: httpx.Response, url: str) -> Page:
        referrer = self.page.url
        while answer.has_redirect_location:
            url = urljoin(url, answer.headers["location"])
            answer = await self.request("GET", url)
        answer.raise_for_status()
        self.page = Page(url, referrer, answer.text, read_calls(answer.text))
        await self._load_snippet()
        return self.page

    async def _load_snippet(self) -> None:
        """The snippet that the page's tag names tells where beacons go."""
        tag = _SNIPPET.search(self.page.text)
        if tag is None:
            return
        url = html.unescape(tag[1])
        answer = await self.request("GET", url)
        answer.raise_for_status()
        self.collect_url = urljoin(url, _COLLECT.findall(answer.text)[0])

    def _keep(self, header: str, host: str) -> None:
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        said = {key.lower(): text for key, _, text in (attribute.partition("=") for attribute in attributes)}
        self.cookies.pop(name, None)
        if said.get("max-age") != "0":
            self.cookies[name] = Cookie(value, said.get("domain", host), "domain" not in said)


def read_calls(text: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """The calls that the page's theme makes to TikTok's Pixel."""
    found = _CALLS.search(text)
    return [tuple(call) for call in json.loads(found[1])] if found else []


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000

"""A browser without a screen: keeps cookies, follows redirects, and reads off a page what its scripts would read.

Driven by `shopper`; `page_scripts` speak through it. Its requests really go out; names are resolved to loopback, which
not every system does by itself. Cookies are kept here and not by httpx, which would withhold Secure ones over http;
browsers make an exception for loopback.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from msgspec import Struct, field

_SCRIPT = re.compile(r'<script async src="([^"]+)"></script>')
_DATA = re.compile(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', re.DOTALL)


class Persona(Struct, frozen=True):
    """Who browses, from where, with what. `pixel` is what becomes of TikTok's library in this browser.

    An ad blocker that stops it stops custom pixels too: filter lists know Shopify's address of them (browsers A5).
    """

    name: str
    ip: str
    user_agent: str
    pixel: str
    about: str


class Cookie(Struct, frozen=True):
    """A cookie and the hosts that get it: those under `domain`, or exactly that one."""

    value: str
    domain: str
    is_host_only: bool

    def goes_to(self, host: str) -> bool:
        """Whether a request to this host carries it."""
        return host == self.domain or (not self.is_host_only and host.endswith("." + self.domain))


class Page(Struct, frozen=True):
    """A page as it was loaded. `data` are the JSON scripts in it, by id."""

    url: str = ""
    referrer: str = ""
    text: str = ""
    data: dict[str, Any] = {}

    @property
    def script_url(self) -> str | None:
        """Where the gateway's snippet comes from; None on a page without theme code."""
        found = _SCRIPT.search(self.text)
        return found[1] if found else None

    @property
    def calls(self) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
        """The calls that the theme makes to TikTok's Pixel: event, properties, options."""
        return [(event, properties, options) for event, properties, options in self.data.get("page-calls", [])]

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """The data of the standard events that Shopify tells its pixels, by name."""
        return dict(self.data.get("wpm-events", []))


class Browser(Struct):
    """One browser, and the page it shows now."""

    http: httpx.AsyncClient
    persona: Persona
    cookies: dict[str, Cookie] = field(default_factory=dict)
    page: Page = Page()

    async def go(self, url: str) -> Page:
        """The page at the end of this link is loaded. Raises: httpx.HTTPStatusError."""
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

    async def request(
        self, method: str, url: str, headers: dict[str, str] | None = None, *, with_cookies: bool = True, **how: Any
    ) -> httpx.Response:
        """The answer to one request, its cookies kept; without cookies, none are sent or kept."""
        target = urlsplit(url)
        host = target.hostname or ""
        sent = {"host": target.netloc, "user-agent": self.persona.user_agent, "x-forwarded-for": self.persona.ip}
        sent |= {"accept-language": "en-GB,en;q=0.8", **(headers or {})}
        told = "; ".join(f"{name}={cookie.value}" for name, cookie in self.cookies.items() if cookie.goes_to(host))
        if with_cookies and told:
            sent["cookie"] = told
        where = f"http://127.0.0.1:{target.port}{target.path or '/'}" + (f"?{target.query}" if target.query else "")
        answer = await self.http.request(method, where, headers=sent, **how)
        if with_cookies:
            for header in answer.headers.get_list("set-cookie"):
                self._keep(header, host)
        return answer

    async def _arrive(self, answer: httpx.Response, url: str) -> Page:
        referrer = self.page.url
        while answer.has_redirect_location:
            url = urljoin(url, answer.headers["location"])
            answer = await self.request("GET", url, {"referer": referrer} if referrer else None)
        answer.raise_for_status()
        self.page = Page(url, referrer, answer.text, read_data(answer.text))
        return self.page

    def _keep(self, header: str, host: str) -> None:
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        said = {key.lower(): text for key, _, text in (attribute.partition("=") for attribute in attributes)}
        self.cookies.pop(name, None)
        if said.get("max-age") != "0":
            self.cookies[name] = Cookie(value, said.get("domain", host), "domain" not in said)


def read_data(text: str) -> dict[str, Any]:
    """The JSON scripts in a page, by id."""
    return {name: json.loads(data) for name, data in _DATA.findall(text)}

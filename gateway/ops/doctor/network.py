"""The way that visitors come: names as DNS tells them, then HTTPS to the address behind the store's public name.

Used by the checks of this package. /etc/hosts, proxies of the environment and the gateway's own port are passed by,
since no visitor has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
import httpx

from gateway.errors import CommandError
from gateway.ops.cookie_life import Name

HTTPS_PORT = 443
TIMEOUT_S = 8.0
"""How long a single exchange may take, whatever it is."""

USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 "
    "tag-gateway-doctor"
)
"""A browser's, or the beacon would be a bot's; whoever reads a proxy's log knows whose it is."""


LONGEST_BODY_BYTES = 1_000_000
"""No answer that is looked at is larger; whoever stands in the gateway's place may send what it likes."""


class Unreachable(Exception):
    """The other side did not answer; the message says how, in a few words."""


class Reply(NamedTuple):
    """An answer. Shape: `headers` are case-insensitive; `body` is decompressed."""

    status: int
    headers: httpx.Headers
    body: bytes = b""


class Network:
    """`dns_server` is asked instead of the system's. Shape: an address, with or without a port.

    Raises: CommandError when the system has no DNS server, or the one given is none.
    """

    def __init__(self, dns_server: str | None = None) -> None:
        self._resolver = _build_resolver(dns_server)
        self.port = HTTPS_PORT
        self.tls = httpx.create_ssl_context()  # the public authorities, or those of SSL_CERT_FILE

    async def look_up(self, host: str) -> Name:
        """The host as DNS shows it. Raises: Unreachable when there is no such name or nobody tells."""
        (cnames, addresses), (more_cnames, more) = await asyncio.gather(
            self._ask(host, dns.rdatatype.A), self._ask(host, dns.rdatatype.AAAA)
        )
        return Name(host, cnames or more_cnames, addresses + more)

    async def _ask(self, host: str, kind: dns.rdatatype.RdataType) -> tuple[tuple[str, ...], tuple[str, ...]]:
        try:
            answer = await self._resolver.resolve(host, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            raise Unreachable("there is no such name") from None
        except dns.exception.DNSException as error:
            raise Unreachable(f"DNS gives no answer ({type(error).__name__})") from None
        cnames = tuple(str(found[0].target).rstrip(".").lower() for found in answer.chaining_result.cnames)
        return cnames, tuple(record.address for record in answer.rrset or ())

    def open(self, name: Name) -> Door:
        """The way to this host through its first address. Nothing is connected yet."""
        return Door(name.host, name.addresses[0], self.port, self.tls)


class Door:
    """A public name of the gateway. It is a context: afterwards no connection is open."""

    def __init__(self, host: str, address: str, port: int, tls: ssl.SSLContext) -> None:
        self.host = host
        bracketed = f"[{address}]" if ":" in address else address
        self._base_url = f"https://{bracketed}:{port}"
        self._http = httpx.AsyncClient(verify=tls, timeout=TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Door:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()

    async def request(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The answer, whatever it is; redirects are not followed. Raises: Unreachable."""
        request = self._http.build_request(
            method,
            self._base_url + path,
            content=content or None,
            headers={"Host": self.host, "User-Agent": USER_AGENT, **(headers or {})},
            extensions={"sni_hostname": self.host},
        )
        return await exchange(self._http, request)


async def exchange(http: httpx.AsyncClient, request: httpx.Request) -> Reply:
    """The answer, whatever it is. Raises: Unreachable."""
    body = b""
    try:
        response = await http.send(request, stream=True, follow_redirects=False)
        async with contextlib.aclosing(response):
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > LONGEST_BODY_BYTES:
                    raise Unreachable(f"an answer of more than {LONGEST_BODY_BYTES} bytes")
    except httpx.HTTPError as error:
        raise Unreachable(f"no answer ({type(error).__name__})") from None
    return Reply(response.status_code, response.headers, body)


def _build_resolver(dns_server: str | None) -> dns.asyncresolver.Resolver:
    try:
        resolver = dns.asyncresolver.Resolver(configure=dns_server is None)
        if dns_server is not None:
            address, port = _split_server(dns_server)
            resolver.port = port
            resolver.nameservers = [address]
    except dns.resolver.NoResolverConfiguration:
        raise CommandError("this system names no DNS server: name one with --dns, such as --dns 9.9.9.9") from None
    except ValueError:
        raise CommandError("--dns: write the address of a DNS server, such as 9.9.9.9") from None
    resolver.lifetime = TIMEOUT_S
    return resolver


def _split_server(text: str) -> tuple[str, int]:
    """Address and port. Raises: ValueError for a port that is none."""
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return address, int(port)
    return text, 53

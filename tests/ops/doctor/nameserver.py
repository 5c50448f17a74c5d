"""A DNS server on loopback, for names that are nobody's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = dict[str, dict[str, list[str]]]
"""By name, then by type: {"t.acme.com": {"A": ["127.0.0.1"]}}. May change at any time."""


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(answer(self._zone, dns.message.from_wire(data)).to_wire(), addr)


def answer(zone: Zone, query: dns.message.Message) -> dns.message.Message:
    """The records of the name and type asked for, and of every CNAME on the way."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    kind = query.question[0].rdtype.name
    name = query.question[0].name.to_text().rstrip(".")
    if name not in zone:
        response.set_rcode(dns.rcode.NXDOMAIN)
    while records := zone.get(name):
        if "CNAME" not in records:
            if kind in records:
                response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", kind, *records[kind]))
            break
        response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{records['CNAME'][0]}."))
        name = records["CNAME"][0]
    return response


@contextlib.asynccontextmanager
async def serve_names(zone: Zone) -> AsyncIterator[str]:
    """The zone is served while the block runs; gives the server's address and port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answers(zone), local_addr=("127.0.0.1", 0))
    try:
        yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()

"""What is read off a request: the client's address through proxies, its language, its body within bounds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.errors import Malformed, TooLarge
from gateway.web.hits import read_body
from tests.beacons import make_beacon
from tests.servers import Gateway, make_settings, running_gateway

LIMIT = 65_536
SMALL = make_beacon()


def pad(size: int) -> bytes:
    """A good beacon of exactly so many bytes."""
    body = json.dumps(make_beacon()).encode()
    return body + b" " * (size - len(body))


async def stored_ip(gateway: Gateway, forwarded: str | None) -> str | None:
    response = await gateway.beacon(make_beacon(), headers={"x-forwarded-for": forwarded})
    assert response.status_code == 204
    ip: str | None = gateway.events[-1]["ip"]
    return ip


@pytest.mark.parametrize(
    ("forwarded", "ip"),
    [
        ("203.0.113.50", "203.0.113.50"),
        ("198.51.100.1, 203.0.113.50", "203.0.113.50"),
        ("203.0.113.50, 127.0.0.1", "203.0.113.50"),
        ("1.1.1.1, 203.0.113.50, 127.0.0.1, 127.0.0.1", "203.0.113.50"),
        ("2001:db8::7", "2001:db8::7"),
        ("::ffff:203.0.113.50", "203.0.113.50"),
        ("203.0.113.50:4711", "203.0.113.50"),
        ("10.0.0.4", None),
        ("unknown", None),
        ("203.0.113.50, rubbish\u0041", None),
        ("", None),
        (None, None),
    ],
)
async def test_the_client_is_the_last_address_that_no_trusted_proxy_has(gateway: Gateway, forwarded, ip):
    assert await stored_ip(gateway, forwarded) == ip


async def test_several_forwarded_headers_are_one_list(gateway: Gateway):
    headers = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.50")]
    fixed = [("host", "t.acme.com"), ("origin", "https://www.acme.com"), ("user-agent", "Mozilla/5.0 Firefox/133.0")]
    request = httpx.Request("POST", gateway.base_url + "/a7/q", headers=fixed + headers, json=make_beacon())
    await gateway.client.send(request)
    assert gateway.events[-1]["ip"] == "203.0.113.50"


async def test_an_untrusted_peer_cannot_name_another_address(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, server={"trusted_proxies": ["10.9.9.9"]})) as gateway:
        assert await stored_ip(gateway, "203.0.113.50") is None
        limited = make_settings(tmp_path / "b", server={"trusted_proxies": ["10.9.9.9"], "rate_limit": "1/minute"})
    async with running_gateway(limited) as gateway:
        forged = [{"x-forwarded-for": f"203.0.113.{last}"} for last in (1, 2)]
        answers = [await gateway.beacon(SMALL, headers=headers) for headers in forged]
        assert [answer.status_code for answer in answers] == [204, 429]


async def test_a_whole_network_of_proxies_may_be_trusted(tmp_path: Path):
    async with running_gateway(make_settings(tmp_path, server={"trusted_proxies": ["127.0.0.0/8"]})) as gateway:
        assert await stored_ip(gateway, "203.0.113.50, 127.3.2.1") == "203.0.113.50"


@pytest.mark.parametrize(
    ("accepted", "locale"),
    [
        ("de-DE,de;q=0.9", "de-DE"),
        ("en;q=0.8", "en"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("*", None),
        ("", None),
        ("x" * 500, None),
        ("../etc", None),
    ],
)
async def test_the_locale_is_the_first_language_accepted(gateway: Gateway, accepted: str, locale: str | None):
    await gateway.beacon(make_beacon(), headers={"accept-language": accepted})
    assert gateway.events[-1]["body"]["user"].get("locale") == locale


async def test_a_body_of_exactly_the_limit_is_taken(gateway: Gateway):
    assert (await gateway.beacon(pad(LIMIT))).status_code == 204


@pytest.mark.parametrize("size", [LIMIT + 1, 5 * LIMIT])
async def test_a_body_declared_too_long_is_refused(gateway: Gateway, size: int):
    response = await gateway.beacon(pad(size))
    assert response.status_code == 413
    assert response.json() == {"error": "body: at most 65536 bytes"}
    assert response.headers["access-control-allow-origin"] == "https://www.acme.com"
    assert gateway.visitors == []


@pytest.mark.parametrize("size", [LIMIT + 1, 5 * LIMIT])
async def test_a_chunked_body_too_long_is_refused(gateway: Gateway, size: int):
    async def chunks() -> AsyncIterator[bytes]:
        whole = pad(size)
        for start in range(0, size, 16_384):
            yield whole[start : start + 16_384]

    headers = {"origin": "https://www.acme.com"}
    response = await gateway.request("POST", "/a7/q", content=chunks(), headers=headers)
    assert response.status_code == 413
    assert gateway.visitors == []


async def test_a_body_over_the_limit_in_one_piece_is_refused():
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * (LIMIT + 1), "more_body": False}

    with pytest.raises(TooLarge):
        await read_body(receive, {}, LIMIT)


async def test_a_body_in_pieces_is_put_together():
    pieces = iter([b"ab", b"", b"cd"])

    async def receive() -> dict[str, object]:
        piece = next(pieces)
        return {"type": "http.request", "body": piece, "more_body": piece != b"cd"}

    assert await read_body(receive, {}, 4) == b"abcd"


async def test_a_client_that_goes_away_mid_body_leaves_nothing():
    messages = iter([{"type": "http.request", "body": b"{}", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> dict[str, object]:
        return next(messages)

    with pytest.raises(Malformed):
        await read_body(receive, {}, LIMIT)


async def test_a_client_that_hangs_up_mid_body_does_no_harm(gateway: Gateway):
    port = int(gateway.base_url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /a7/q HTTP/1.1\r\nHost: t.acme.com\r\nOrigin: https://www.acme.com\r\nContent-Length: 500\r\n\r\n{"
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await gateway.beacon(make_beacon())).status_code == 204
    assert len(gateway.visitors) == 1

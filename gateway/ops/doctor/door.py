"""What stands at the gateway's public name: its certificate, and the script as the gateway itself serves it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

from gateway.ops.doctor.findings import Finding, fail, ok, tell_duration, warn
from gateway.ops.doctor.inside import Inside
from gateway.ops.doctor.network import HTTPS_PORT, TIMEOUT_S, Door, Network, Unreachable

RENEW_SHARE = 1 / 6
"""A certificate with less than this of its life left should have been renewed: most are at a third."""


async def check_certificate(network: Network, door: Door, now_ms: int) -> Finding:
    """Whether browsers trust what answers for this name, and for how long yet."""
    try:
        found = await _shake_hands(network, door)
    except ssl.SSLCertVerificationError as error:
        mend = "let the proxy have a certificate for exactly this name: Caddy fetches one when GATEWAY_HOST names it"
        return fail("certificate", f"browsers refuse the certificate of {door.host}: {error.verify_message}", mend)
    except (OSError, TimeoutError) as error:
        mend = f"start the proxy on the machine that {door.host} leads to, and open its port {HTTPS_PORT}"
        return fail("certificate", f"no TLS at {door.address} for {door.host} ({type(error).__name__})", mend)
    return _judge_life(door.host, found, now_ms)


async def _shake_hands(network: Network, door: Door) -> Mapping[str, Any]:
    """The certificate of a real TLS handshake. Raises: OSError, of which ssl's errors are, and TimeoutError."""
    async with asyncio.timeout(TIMEOUT_S):
        _, writer = await asyncio.open_connection(door.address, HTTPS_PORT, ssl=network.tls, server_hostname=door.host)
    found: Mapping[str, Any] = writer.get_extra_info("peercert")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return found


def _judge_life(host: str, found: Mapping[str, Any], now_ms: int) -> Finding:
    start_s, end_s = (ssl.cert_time_to_seconds(found[key]) for key in ("notBefore", "notAfter"))
    left_s = end_s - now_ms / 1000
    sentence = f"the certificate of {host} is good for another {tell_duration(left_s)}"
    if left_s < (end_s - start_s) * RENEW_SHARE:
        return warn("certificate", sentence, "see in the proxy's log why it is not renewed by itself")
    return ok("certificate", sentence)


async def check_script(door: Door, inside: Inside, path: str) -> Finding:
    """Whether visitors get the script byte for byte as the gateway serves it."""
    url = f"https://{door.host}{path}"
    mend = "let the proxy pass every path of this host to the gateway, and change nothing on the way"
    try:
        served = await inside.request("GET", path, door.host)
        got = await door.request("GET", path)
    except Unreachable as trouble:
        return fail("script", f"{url} cannot be read: {trouble}", mend)
    if served.status_code != 200:
        return fail(
            "script", f"the gateway does not serve {path} for {door.host}", "restart it: its configuration is older"
        )
    if got.status_code != 200:
        return fail("script", f"{url} answers HTTP {got.status_code} where the gateway serves the script", mend)
    if got.content != served.content:
        return fail(
            "script",
            f"{url} is changed on its way: {len(served.content)} bytes leave the gateway, {len(got.content)} arrive",
            "turn off whatever rewrites or minifies scripts in the proxy or CDN, and empty its cache",
        )
    return ok("script", f"{url} arrives as the gateway serves it")

"""What stands at the gateway's public name: its certificate, and the script as the gateway itself serves it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Mapping
from typing import Any

from gateway.ops.cookie_life import Name
from gateway.ops.doctor.findings import Finding, fail, ok, tell_duration, warn
from gateway.ops.doctor.inside import Inside
from gateway.ops.doctor.network import TIMEOUT_S, Door, Network, Unreachable

RENEW_SHARE = 1 / 6
"""A certificate with less than this of its life left should have been renewed: most are at a third."""


async def check_certificate(network: Network, name: Name, now_ms: int) -> Finding:
    """Whether browsers trust what answers for this name at each of its addresses, and for how long yet.

    An IPv6 address cannot be tried from a machine that has none itself.
    """
    lives = []
    for address in name.addresses:
        try:
            lives.append(_read_life(await _shake_hands(network, address, name.host)))
        except ssl.SSLCertVerificationError as error:
            mend = (
                "let the proxy have a certificate for exactly this name: Caddy fetches one when GATEWAY_HOST names it"
            )
            return fail("certificate", f"browsers refuse the certificate of {name.host}: {error.verify_message}", mend)
        except OSError as error:
            if lives and error.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL):
                continue
            mend = f"start the proxy on the machine that {name.host} leads to, open its port {network.port}, "
            mend += "and delete the records of addresses that it does not have"
            return fail("certificate", f"no TLS at {address} for {name.host} ({type(error).__name__})", mend)
    return _judge_life(name.host, *min(lives, key=lambda life: life[1]), now_ms)


async def _shake_hands(network: Network, address: str, host: str) -> Mapping[str, Any]:
    """The certificate of a real TLS handshake. Raises: OSError, of which ssl's errors and TimeoutError are."""
    async with asyncio.timeout(TIMEOUT_S):
        _, writer = await asyncio.open_connection(address, network.port, ssl=network.tls, server_hostname=host)
    found: Mapping[str, Any] = writer.get_extra_info("peercert")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return found


def _read_life(found: Mapping[str, Any]) -> tuple[int, int]:
    """When the certificate begins and ends. Units: Unix seconds."""
    return ssl.cert_time_to_seconds(found["notBefore"]), ssl.cert_time_to_seconds(found["notAfter"])


def _judge_life(host: str, start_s: int, end_s: int, now_ms: int) -> Finding:
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
        served = await inside.get(path, door.host)
        got = await door.request("GET", path)
    except Unreachable as trouble:
        return fail("script", f"{url} cannot be read: {trouble}", mend)
    if served.status != 200:
        return fail(
            "script", f"the gateway does not serve {path} for {door.host}", "restart it: its configuration is older"
        )
    if got.status != 200:
        return fail("script", f"{url} answers HTTP {got.status} where the gateway serves the script", mend)
    if got.body != served.body:
        return fail(
            "script",
            f"{url} is changed on its way: {len(served.body)} bytes leave the gateway, {len(got.body)} arrive",
            "turn off whatever rewrites or minifies scripts in the proxy or CDN, and empty its cache",
        )
    return ok("script", f"{url} arrives as the gateway serves it")

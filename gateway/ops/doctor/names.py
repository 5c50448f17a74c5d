"""Where the names of the gateway and of the store lead, and how long cookies live for it."""

from __future__ import annotations

from gateway.ops.cookie_life import ASKED_DAYS, SAFARI, Name, predict_cookie_life
from gateway.ops.doctor.findings import Finding, fail, ok, warn
from gateway.ops.doctor.network import Network, Unreachable


async def check_name(network: Network, host: str, mend: str) -> tuple[Finding, Name | None]:
    """Whether visitors find this host, and what DNS says of it."""
    try:
        name = await network.look_up(host)
    except Unreachable as trouble:
        return fail("dns", f"{host} is not found: {trouble}", mend), None
    if not name.addresses:
        return fail("dns", f"{host} has no address", mend), None
    chain = "".join(f" through {cname}" for cname in name.cnames)
    return ok("dns", f"{host} leads{chain} to {', '.join(name.addresses)}"), name


def check_cookie_life(gateway: Name, page: Name, site: str) -> Finding:
    """How long cookies are predicted to live in each browser, by WebKit's rule and the others'."""
    life = predict_cookie_life(gateway, page, site)
    told = ", ".join(f"{browser} {days} days" for browser, days in life.days.items())
    sentence = f"{told}, each counted anew from a visit: {life.why}"
    return warn("cookie life", sentence, life.mend) if life.days[SAFARI] < ASKED_DAYS else ok("cookie life", sentence)

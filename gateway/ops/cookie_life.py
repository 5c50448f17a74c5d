"""Predicts how long browsers keep the gateway's cookies, from nothing but what DNS says of the gateway and the store.

Pure: `gateway.ops.doctor` looks the names up. What browsers really keep is measured by the visitor cookie, which tells
when it was first issued; the two belong side by side.

Source: WebKit, `NetworkTaskCocoa::setCookieTransformForFirstPartyRequest` (read 2026-11; in Safari from 17.0 on);
Chrome from 104 and Firefox, 400 days (measured 2026-11); Brave, 180 days for an HTTP response's cookies (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from msgspec import Struct

ASKED_DAYS = 400
"""What the gateway asks for."""
SAFARI_CAP_DAYS = 7
"""What WebKit leaves of it, where it takes the gateway for a stranger. Each visit sets the cookies again."""
BRAVE_CAP_DAYS = 180

SAFARI = "Safari and every browser on iPhone"

_SAME_BITS = {4: 16, 6: 64}
"""So many leading bits the addresses must share. Source: WebKit, as above: half an `in_addr`, half an `in6_addr`."""


class Name(Struct, frozen=True):
    """A host as DNS shows it: the CNAMEs that it leads through, in their order, and the addresses at the end."""

    host: str
    cnames: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The last name, which has the addresses."""
        return self.cnames[-1] if self.cnames else self.host


class CookieLife(Struct, frozen=True):
    """How long cookies set in the background live, by browser. `why` is about Safari; `mend` is empty if none helps.

    Units: days since the last visit.
    """

    days: Mapping[str, int]
    why: str
    mend: str = ""

    @property
    def cost(self) -> str:
        """What Safari takes of what the gateway asks for, in a sentence; empty where it takes nothing."""
        days = self.days[SAFARI]
        if days >= ASKED_DAYS:
            return ""
        return f"Safari keeps what the gateway sets from a page for {days} days after a visit, as {self.why}."


def predict_cookie_life(gateway: Name, page: Name, site: str) -> CookieLife:
    """The life of cookies that the gateway sets while a page of the store is open; `site` is the domain of both.

    A landing through /go is no background request: its cookies keep what was asked for, everywhere.
    """
    safari_days, why, mend = _judge_safari(gateway, page, site)
    days = {SAFARI: safari_days, "Chrome": ASKED_DAYS, "Firefox": ASKED_DAYS, "Brave": BRAVE_CAP_DAYS}
    return CookieLife(days, why, mend)


def _judge_safari(gateway: Name, page: Name, site: str) -> tuple[int, str, str]:
    if gateway.cnames:
        return _judge_cname(gateway, page, site)
    if _are_near(gateway, page):
        return ASKED_DAYS, "the gateway's address is close to the store's", ""
    why = "the gateway's address is not close to the store's, which Safari takes for a stranger's"
    return SAFARI_CAP_DAYS, why, f"{_mend_by_cname(gateway, site)}; or let ads land through /go, which is never capped"


def _judge_cname(gateway: Name, page: Name, site: str) -> tuple[int, str, str]:
    """With a CNAME WebKit compares names alone, and never comes to the addresses."""
    if _lies_under(gateway.end, site):
        why = f"{gateway.host} is a CNAME to {gateway.end} of the same domain, which WebKit's source lets pass"
        return ASKED_DAYS, why, ""
    if page.cnames and gateway.end == page.end:
        return ASKED_DAYS, f"{gateway.host} and {page.host} are CNAMEs to the same name", ""
    why = f"{gateway.host} is a CNAME to {gateway.end}, a name of another domain, which Safari takes for a disguise"
    return SAFARI_CAP_DAYS, why, _mend_by_cname(gateway, site)


def _mend_by_cname(gateway: Name, site: str) -> str:
    return (
        f"give gw.{site} the server's A and AAAA records and make {gateway.host} a CNAME to it (read in WebKit's "
        "source, so see on a real iPhone whether it holds)"
    )


def _lies_under(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _are_near(gateway: Name, page: Name) -> bool:
    """Whether each address that a visit may use for the one is near each that it may use for the other.

    Which of several a browser takes nobody knows beforehand; addresses of different families never match.
    """
    pairs = [(mine, theirs) for mine in gateway.addresses for theirs in page.addresses]
    return bool(pairs) and all(_share_network(mine, theirs) for mine, theirs in pairs)


def _share_network(mine: str, theirs: str) -> bool:
    address = ip_address(mine)
    network = ip_network(f"{address}/{_SAME_BITS[address.version]}", strict=False)
    return ip_address(theirs) in network

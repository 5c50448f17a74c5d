"""Blockers' filter lists leave the gateway's paths alone: those that `init` draws, on the names it proposes.

The lists are the ones that uBlock Origin begins with, EasyPrivacy among them, read from Debian's package: their licence
is not ours, so there is no copy of them here.
"""

from __future__ import annotations

from pathlib import Path

import adblock
import pytest

from gateway.ops.init import make_paths

PAGE = "https://www.acme.com/products/tee?ttclid=E.C.P.click"
GATEWAY = "https://t.acme.com"


@pytest.fixture(scope="module")
def blocker(filter_lists: list[Path]) -> adblock.Engine:
    """An engine with every list; it can name the rule that stops a request."""
    lists = adblock.FilterSet(debug=True)
    for path in filter_lists:
        lists.add_filter_list(path.read_text("utf-8"))
    return adblock.Engine(lists, optimize=False)


def find_rule(blocker: adblock.Engine, url: str, kind: str) -> str | None:
    """The rule that stops this request of a page of the shop."""
    verdict = blocker.check_network_urls(url, PAGE, kind)
    return verdict.filter if verdict.matched else None


def list_requests(script_path: str, collect_path: str) -> list[tuple[str, str]]:
    """Every request of a visit, by URL and kind, as blockers call it."""
    paths = [
        (script_path, "script"),
        (f"{script_path.removesuffix('.js')}.s.js", "script"),
        (collect_path, "xmlhttprequest"),
        (collect_path, "ping"),
        (f"{collect_path}/px", "xmlhttprequest"),
    ]
    return [(GATEWAY + path, kind) for path, kind in paths]


def test_no_rule_stops_a_request_to_the_paths_that_init_draws(blocker: adblock.Engine) -> None:
    drawn = [make_paths() for _ in range(300)]
    stopped = {
        f"{kind} {url}": rule
        for paths in drawn
        for url, kind in list_requests(*paths)
        if (rule := find_rule(blocker, url, kind))
    }
    assert stopped == {}


def test_no_rule_stops_an_ad_that_lands_through_the_gateway(blocker: adblock.Engine) -> None:
    landing = f"{GATEWAY}/go?to=/products/tee&tc=E.C.P.click&utm_source=tiktok"
    assert find_rule(blocker, landing, "document") is None


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://t.acme.com/collect?v=1", "xmlhttprequest"),
        ("https://t.acme.com/api/events", "ping"),
        ("https://t.acme.com/beacon.js", "script"),
        ("https://analytics.tiktok.com/i18n/pixel/events.js", "script"),
        ("https://www.acme.com/wpm@4c1f9a2b/custom/web-pixel-76939549@7/sandbox/modern/", "sub_frame"),
    ],
)
def test_the_lists_do_stop_what_they_are_known_to_stop(blocker: adblock.Engine, url: str, kind: str) -> None:
    assert find_rule(blocker, url, kind)

"""Crawlers by their user agent."""

from __future__ import annotations

import pytest

from gateway.intake.bots import is_bot
from tests.servers import USER_AGENT

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
SAFARI = f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1"
IN_APP = f"{IPHONE} Mobile/22B83 musical_ly_36.5.0 BytedanceWebview/d8a21c6"


CUBOT = "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"


@pytest.mark.parametrize("agent", [USER_AGENT, SAFARI, IN_APP, CUBOT])
def test_shoppers_are_no_crawlers(agent: str):
    assert not is_bot(agent)


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "",
    ],
)
def test_crawlers_and_the_nameless_are(agent: str):
    assert is_bot(agent)

"""Which browser a user agent names."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ua_parser import load_lazy_builtins

from gateway.model.browser import Browser, find_word, read_agent

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)


@pytest.mark.parametrize(
    ("agent", "browser"),
    [
        (f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1", Browser.SAFARI_IOS),
        (f"{IPHONE} CriOS/131.0.0.0 Mobile/15E148 Safari/604.1", Browser.CHROME),
        (f"{IPHONE} FxiOS/132.0 Mobile/15E148 Safari/605.1.15", Browser.FIREFOX),
        (f"{IPHONE} Mobile/22B83 musical_ly_36.5.0 BytedanceWebview/d8a21c6", Browser.TIKTOK),
        (f"{IPHONE} Mobile/15E148 Instagram 300.0.0", Browser.META),
        (f"{IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/400.0]", Browser.META),
        (f"{ANDROID} SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36", Browser.SAMSUNG),
        (f"{ANDROID} Chrome/131.0.0.0 Mobile Safari/537.36", Browser.CHROME),
        (f"{WINDOWS} Chrome/131.0.0.0 Safari/537.36", Browser.CHROME),
        (f"{WINDOWS} Chrome/131.0.0.0 Safari/537.36 Edg/131.0", Browser.EDGE),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", Browser.FIREFOX),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
            "Safari/605.1.15",
            Browser.SAFARI,
        ),
        ("curl/8.5.0", Browser.OTHER),
        ("", Browser.UNKNOWN),
    ],
)
def test_a_user_agent_names_its_browser(agent: str, browser: Browser):
    assert read_agent(agent).browser is browser


BROWSERS = load_lazy_builtins()[0]
SAID = st.sampled_from([one.regex for one in BROWSERS if find_word(one.regex)]).flatmap(
    lambda pattern: st.tuples(st.just(pattern), st.from_regex(pattern))
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(SAID)
def test_whatever_a_pattern_fits_has_its_word_in_it(said: tuple[str, str]):
    pattern, agent = said
    assert find_word(pattern) in agent


def test_most_patterns_need_not_be_tried_and_none_is_blind_to_case():
    assert not any(one.flags for one in BROWSERS)
    assert sum(bool(find_word(one.regex)) for one in BROWSERS) > len(BROWSERS) / 2


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("(Tableau)/(\\d+)", "Tableau"),
        ("^(Luminary)/(\\d+)(?:\\.(\\d+)|)", "Luminary"),
        ("Superhuman", "Superhuman"),
        ("Foos?/(\\d+)", "Foo"),
        ("(Edge)?/(\\d+)", ""),
        ("(Edge|)/(\\d+)", ""),
        ("(?:Edge)/(\\d+)", ""),
        ("PetalBot|AspiegelBot", ""),
        ("(Maxthon|Lynx)/(\\d+)", ""),
        ("(UC)/(\\d+)", ""),
        ("(?i)petal", ""),
        ("\\bpetal", ""),
    ],
)
def test_a_word_is_found_only_where_it_is_plain_to_see(pattern: str, word: str):
    assert find_word(pattern) == word

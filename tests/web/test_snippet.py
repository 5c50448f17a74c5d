"""The snippet as served: filled, small, compressed, cached."""

from __future__ import annotations

import gzip
import json
import re

import brotli
import pytest

from gateway.settings import StoreSettings
from gateway.web.answers import Answer
from gateway.web.snippet import BUDGET_BYTES, Snippet, answer_snippet, build_snippet, example_store, main, to_config
from tests.minified import SCRIPTS, build_minified, to_path

MODES = ["off", "mirror", "drive"]


@pytest.fixture(scope="module")
def snippet() -> Snippet:
    """The snippet of an ordinary store."""
    return build_snippet(example_store("mirror"))


def ask(snippet: Snippet, method: str = "GET", **headers: str) -> Answer:
    """The answer to a request with these headers."""
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return answer_snippet(snippet, {"type": "http", "method": method, "headers": raw})


def header(answer: Answer, name: str) -> str | None:
    """A header of the answer."""
    found = dict(answer.headers).get(name.encode())
    return None if found is None else found.decode()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("consent", ["shopify", "required", "granted"])
def test_the_snippet_keeps_its_budget(mode: str, consent: str) -> None:
    assert len(build_snippet(example_store(mode, consent)).brotli.body) <= BUDGET_BYTES == 3_500


def test_the_build_prints_every_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[1].split(":")[0].strip() for line in lines] == MODES
    assert all(re.search(r"\d+ bytes minified, \d+ gzip, \d+ brotli of 3500", line) for line in lines)


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_minified_script_is_that_of_its_source(name: str) -> None:
    assert to_path(name).read_text("utf-8") == build_minified(name), "run `make static`"


def test_all_codings_hold_the_same_script(snippet: Snippet) -> None:
    plain = snippet.plain.body
    assert brotli.decompress(snippet.brotli.body) == gzip.decompress(snippet.gzip.body) == plain
    assert len({coded.etag for coded in snippet}) == 3


def test_the_same_settings_make_the_same_bytes_everywhere(snippet: Snippet) -> None:
    assert build_snippet(example_store("mirror")) == snippet


@pytest.mark.parametrize("mode", MODES)
def test_the_script_is_es2018(mode: str) -> None:
    """What came later would be a syntax error in the browsers of four years ago, and measure nothing at all there."""
    plain = build_snippet(example_store(mode)).plain.body.decode()
    later = {"?.": r"\?\.\D", "??": r"\?\?", "catch without name": r"catch\s*\{", "**= and the like": r"(\|\||&&)="}
    assert [name for name, pattern in later.items() if re.search(pattern, plain)] == []


def test_the_store_tells_what_is_public_and_nothing_else() -> None:
    told = json.loads(to_config(example_store("drive", "granted")))
    assert told == {
        "origin": "https://t.acme.com",
        "script": "/k3m/w5f.js",
        "collect": "/k3m/q8d",
        "params": ["ttclid", "tc"],
        "consent": "granted",
        "mode": "drive",
        "codes": ["C0ABCDEFGHIJKLMNOPQR"],
    }
    assert b"unused" not in build_snippet(example_store("drive")).plain.body, "the access token"


@pytest.mark.parametrize("mode", ["off", "mirror"])
def test_pixel_codes_are_told_only_where_the_snippet_loads_the_pixel(mode: str) -> None:
    assert json.loads(to_config(example_store(mode)))["codes"] == []


def test_settings_cannot_break_out_of_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = StoreSettings.model_construct(
        **{**dict(example_store("off")), "click_params": ("</script><!--", "\u2028", 'a"b')}
    )
    config = to_config(hostile)
    assert config.isascii()
    assert "<" not in config
    assert json.loads(config)["params"] == ["</script><!--", "\u2028", 'a"b']


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP;q=0.5, BR;q=0", "gzip"),
        ("br;q=0.001", "br"),
        ("br;q=0.000, gzip;q=0", None),
        ("*", "br"),
        ("br;q=0, *;q=0.1", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_the_smallest_coding_that_the_client_takes_is_served(
    snippet: Snippet, accepted: str, coding: str | None
) -> None:
    answer = ask(snippet, accept_encoding=accepted)
    assert (answer.status, header(answer, "content-encoding")) == (200, coding)
    assert header(answer, "content-length") == str(len(answer.body))
    assert header(answer, "content-type") == "text/javascript; charset=utf-8"


def test_a_client_without_preferences_gets_the_script_as_it_is(snippet: Snippet) -> None:
    assert ask(snippet).body == snippet.plain.body


def test_caches_and_embedders_are_told_what_they_may_do(snippet: Snippet) -> None:
    answer = ask(snippet, accept_encoding="br")
    assert header(answer, "cache-control") == "public, max-age=300, stale-while-revalidate=3600"
    assert header(answer, "vary") == "accept-encoding"
    assert header(answer, "cross-origin-resource-policy") == "cross-origin"
    assert header(answer, "x-content-type-options") == "nosniff"


@pytest.mark.parametrize("sent", ["{etag}", 'W/{etag}, "other"', '"other", {etag}', "*"])
def test_a_client_that_has_it_is_not_sent_it_again(snippet: Snippet, sent: str) -> None:
    etag = header(ask(snippet, accept_encoding="br"), "etag") or ""
    answer = ask(snippet, accept_encoding="br", if_none_match=sent.replace("{etag}", etag))
    assert (answer.status, answer.body, header(answer, "etag")) == (304, b"", etag)
    assert header(answer, "vary") == "accept-encoding"


def test_the_tag_of_another_coding_is_another_tag(snippet: Snippet) -> None:
    etag = header(ask(snippet, accept_encoding="gzip"), "etag") or ""
    assert ask(snippet, accept_encoding="br", if_none_match=etag).status == 200


def test_head_tells_all_but_the_body(snippet: Snippet) -> None:
    got, head = ask(snippet, accept_encoding="br"), ask(snippet, "HEAD", accept_encoding="br")
    assert (head.status, head.headers, head.body) == (200, got.headers, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_nothing_but_reading_is_allowed(snippet: Snippet, method: str) -> None:
    answer = ask(snippet, method)
    assert (answer.status, header(answer, "allow")) == (405, "GET, HEAD")

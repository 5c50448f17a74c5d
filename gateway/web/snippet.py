"""GET {script_path}: the snippet, minified, filled with its store's settings, and compressed once.

That is done for a store's first request: at the start it would take 15 ms for each of hundreds. Reached through
`gateway.web.front`. The source is static/snippet.js; `make static` writes static/snippet.min.js from it, so that a
gateway holds no minifier in memory. What the snippet sends back arrives at `gateway.web.beacon`. It names the add-on,
which `gateway.web.addon` serves in the same way.
`python -m gateway.web.snippet` prints the sizes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from functools import cache, cached_property
from typing import NamedTuple

import brotli

from gateway.files import STATIC
from gateway.settings import StoreSettings
from gateway.web.answers import Answer, Headers, Receive, Scope, Send, send_answer
from gateway.web.hits import to_header_map

BUDGET_BYTES = 3_500
"""What the snippet may weigh on the wire, in brotli."""

_PLACEHOLDER = "__CONFIG__"
_COMMON: Headers = [
    # A changed setting reaches returning visitors within five minutes, or one page later; a 304 costs no body.
    (b"cache-control", b"public, max-age=300, stale-while-revalidate=3600"),
    (b"vary", b"accept-encoding"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"cross-origin"),  # a page under COEP may load it too
]


class Coded(NamedTuple):
    """The snippet in one content coding; `coding` is empty for none. `etag` is strong: it names exactly these bytes."""

    coding: bytes
    body: bytes
    etag: bytes


class Snippet(NamedTuple):
    """One store's script in every coding it is served in, smallest first."""

    brotli: Coded
    gzip: Coded
    plain: Coded


def build_snippet(store: StoreSettings) -> Snippet:
    """The snippet of this store. The same settings give the same bytes, in every process and after every restart."""
    return build_script("snippet.js", to_config(store))


def build_script(name: str, config: str) -> Snippet:
    """The script static/`name`, with `config` (a JavaScript literal) in the place of its settings."""
    plain = _minified(name).replace(_PLACEHOLDER, config).encode()
    return Snippet(
        _coded(b"br", brotli.compress(plain, mode=brotli.MODE_TEXT, quality=11)),
        _coded(b"gzip", gzip.compress(plain, 9, mtime=0)),
        _coded(b"", plain),
    )


def to_config(store: StoreSettings) -> str:
    """What the snippet must know of its store, as a JavaScript literal. All of it is public; no secret may enter."""
    addon = find_addon_path(store)
    config = {
        "origin": f"https://{store.hosts[0]}",
        "script": store.script_path,
        "collect": store.collect_path,
        "params": store.click_params,
        "consent": store.consent,
        "mode": store.pixel_mode,
        "codes": [pixel.code for pixel in store.pixels] if store.pixel_mode == "drive" else [],
        **({"addon": addon} if addon else {}),
    }
    return to_literal(config)


def to_literal(value: object) -> str:
    """The value as a JavaScript literal, safe in any script.

    JSON is JavaScript once it is ASCII (U+2028 ended a line before ES2019); without `<` it may even stand in a page.
    """
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def find_addon_path(store: StoreSettings) -> str | None:
    """Where this store's add-on for Shopify is served: beside the snippet; None for a store that needs none."""
    if store.shopify is None and store.consent != "shopify":
        return None
    return f"{store.script_path.removesuffix('.js')}.s.js"


@cache
def _minified(name: str) -> str:
    """The source without comments and long names. The settings go in afterwards: no minifier touches them."""
    minified = (STATIC / name).with_suffix(".min.js").read_text("utf-8")
    if minified.count(_PLACEHOLDER) != 1:
        raise RuntimeError(f"static/{name} must hold {_PLACEHOLDER} exactly once outside its comments")
    return minified


def _coded(coding: bytes, body: bytes) -> Coded:
    return Coded(coding, body, b'"%b"' % hashlib.sha256(body).hexdigest()[:20].encode())


class SnippetEndpoint:
    """Serves one store's snippet. It sets no cookie and reads none: caches may keep it."""

    def __init__(self, store: StoreSettings) -> None:
        self._store = store

    @cached_property
    def _snippet(self) -> Snippet:
        return build_snippet(self._store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, answer_snippet(self._snippet, scope))


def answer_snippet(snippet: Snippet, scope: Scope) -> Answer:
    """The snippet in the best coding that the client takes, or a 304 when the client has it."""
    if scope["method"] not in ("GET", "HEAD"):
        return Answer(405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")])
    headers = to_header_map(scope)
    coded = choose_coding(snippet, headers.get(b"accept-encoding", b""))
    common = [*_COMMON, (b"etag", coded.etag)]
    if is_known(coded.etag, headers.get(b"if-none-match", b"")):
        return Answer(304, common)
    about = [(b"content-type", b"text/javascript; charset=utf-8"), (b"content-length", str(len(coded.body)).encode())]
    if coded.coding:
        about.append((b"content-encoding", coded.coding))
    return Answer(200, [*about, *common], coded.body if scope["method"] == "GET" else b"")


def choose_coding(snippet: Snippet, accept_encoding: bytes) -> Coded:
    """The smallest of the codings that the client accepts; none is always accepted.

    Source: RFC 9110, section 12.5.3: a weight of zero means not acceptable, `*` stands for what is not named.
    """
    weights: dict[bytes, bool] = {}
    for part in accept_encoding.lower().replace(b" ", b"").split(b","):
        name, _, weight = part.partition(b";q=")
        weights[name] = weight.strip(b"0.") != b"" or not weight
    anything = weights.get(b"*", False)
    return next((coded for coded in snippet[:2] if weights.get(coded.coding, anything)), snippet.plain)


def is_known(etag: bytes, if_none_match: bytes) -> bool:
    """Whether the client's copy is this one; weak and strong count alike here. Source: RFC 9110, section 13.1.2."""
    known = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return etag in known or b"*" in known


def example_store(mode: str = "drive", consent: str = "shopify") -> StoreSettings:
    """A store with settings of usual length, to weigh the snippet with."""
    return StoreSettings.model_validate(
        {
            "id": "acme",
            "host": "t.acme.com",
            "origins": ["https://www.acme.com"],
            "cookie_domain": "acme.com",
            "script_path": "/k3m/w5f.js",
            "collect_path": "/k3m/q8d",
            "consent": consent,
            "pixel_mode": mode,
            "pixels": [{"code": "C0ABCDEFGHIJKLMNOPQR", "access_token": "unused"}],
        }
    )


def main() -> int:
    """The sizes are on the terminal; 1 when the snippet outgrew its budget."""
    is_over = False
    for mode in ("off", "mirror", "drive"):
        snippet = build_snippet(example_store(mode))
        plain, zipped, small = (len(coded.body) for coded in (snippet.plain, snippet.gzip, snippet.brotli))
        is_over = is_over or small > BUDGET_BYTES
        sys.stdout.write(f"snippet, {mode}: {plain} bytes minified, {zipped} gzip, {small} brotli of {BUDGET_BYTES}\n")
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())

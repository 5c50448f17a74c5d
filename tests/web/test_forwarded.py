"""What trusted proxies say of their client is believed exactly as uvicorn believes it, each time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.web.forwarded import Forwarded
from gateway.web.hits import keep_header_map

TRUSTED = {
    "loopback": ["127.0.0.1", "::1"],
    "network": ["10.0.0.0/8", "proxy"],
    "nobody": [],
    "everybody": ["*"],
}
OURS = {name: Forwarded(trusted) for name, trusted in TRUSTED.items()}
PEERS = st.sampled_from([None, ("127.0.0.1", 4711), ("::1", 1), ("10.1.2.3", 0), ("198.51.100.7", 99), ("proxy", 5)])
HOSTS = ["127.0.0.1", "10.9.9.9", "203.0.113.7", "203.0.113.7:80", "[2001:db8::1]:9", "[::1", "", "unknown", "proxy"]
FOR = st.lists(st.sampled_from(HOSTS), max_size=4).map(", ".join) | st.text(max_size=600)
PROTO = st.sampled_from(["http", "https", " wss ", "ftp", "", "\xff"])
HEADER = st.one_of(
    st.tuples(st.just(b"x-forwarded-for"), FOR.map(lambda text: text.encode("latin-1", "replace"))),
    st.tuples(st.just(b"x-forwarded-proto"), PROTO.map(lambda text: text.encode("latin-1"))),
    st.tuples(st.just(b"cookie"), st.just(b"a=1")),
)


async def believe(trusted: list[str], scope: dict[str, Any]) -> dict[str, Any]:
    """The scope that uvicorn hands on."""
    found: dict[str, Any] = {}

    async def app(scope: Any, *_: Any) -> None:
        found.update(scope)

    await ProxyHeadersMiddleware(app, trusted)(scope, None, None)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("name", TRUSTED)
@given(peer=PEERS, headers=st.lists(HEADER, max_size=5), scheme=st.sampled_from(["http", "https"]))
async def test_it_is_uvicorns_walk(name: str, peer: Any, headers: list[tuple[bytes, bytes]], scheme: str):
    for _ in range(2):
        scope = {"type": "http", "client": peer, "scheme": scheme, "headers": headers}
        said = await believe(TRUSTED[name], dict(scope))
        OURS[name].put_client(scope, keep_header_map(scope))
        assert (scope["client"], scope["scheme"]) == (said["client"], said["scheme"])


def test_what_is_remembered_is_bounded():
    forwarded = Forwarded(["127.0.0.1"])
    for number in range(10_000):
        for told in (f"203.0.113.7, {number}", f"{number}" + "x" * 4_000):
            headers = [(b"x-forwarded-for", told.encode())]
            scope = {"type": "http", "client": ("127.0.0.1", 1), "scheme": "http", "headers": headers}
            forwarded.put_client(scope, keep_header_map(scope))
    kept = forwarded._find_usual.cache_info()
    assert (kept.currsize, kept.misses) == (kept.maxsize, 10_000), "and nothing long"

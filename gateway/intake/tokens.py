"""Signed ids for cookies, keyed digests for anchors: what ties a browser to its visitor without telling anybody who.

Newest key first: it signs, all verify. Verifying is dear, so what a value says is cached (bounded), and so are the
cookies that `gateway.web.cookies` signs; equal input gives equal output, so neither can ever be wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from itsdangerous import BadSignature, Signer
from msgspec import Struct

from gateway.store.receipt import Anchor, AnchorKind

_CACHED = 4_096
_LONGEST = 128  # characters of a signed value; what is longer is not ours and not worth a cache entry


class VisitorToken(Struct, frozen=True, gc=False):
    """What the visitor cookie says. Units: `first_ms` is when the cookie was first issued."""

    visitor_id: str
    first_ms: int


class Tokens:
    """Makes and reads the signed values of one installation."""

    def __init__(self, secret_keys: Sequence[str]) -> None:
        oldest_first = list(reversed(secret_keys))
        self._signer = Signer(oldest_first, sep=".", key_derivation="none", digest_method=hashlib.sha256)
        self._anchor_keys = [hashlib.blake2b(key.encode(), person=b"tag-anchor").digest() for key in secret_keys]
        self._read_visitor = lru_cache(_CACHED)(self._verify_visitor)
        self._read_companion = lru_cache(_CACHED)(self._verify_companion)

    def sign_visitor(self, store_id: str, token: VisitorToken) -> str:
        """The visitor cookie's value."""
        return self._sign(store_id, f"v.{token.visitor_id}.{token.first_ms}")

    def read_visitor(self, store_id: str, value: str | None) -> VisitorToken | None:
        """What a visitor cookie of this store says; None when it was not signed here."""
        return self._read_visitor(store_id, value) if value and len(value) <= _LONGEST else None

    def sign_companion(self, store_id: str, visitor_id: str) -> str:
        """The companion's value: the same visitor, for scripts and the cart."""
        return self._sign(store_id, f"c.{visitor_id}")

    def read_companion(self, store_id: str, value: str | None) -> str | None:
        """The visitor id in a companion of this store; None when it was not signed here."""
        return self._read_companion(store_id, value) if value and len(value) <= _LONGEST else None

    def _sign(self, store_id: str, payload: str) -> str:
        return f"{payload}.{self._signer.get_signature(f'{store_id}:{payload}').decode()}"

    def _verify_visitor(self, store_id: str, value: str) -> VisitorToken | None:
        parts = self._parts(store_id, value, "v", 3)
        return VisitorToken(parts[1], int(parts[2])) if parts else None

    def _verify_companion(self, store_id: str, value: str) -> str | None:
        parts = self._parts(store_id, value, "c", 2)
        return parts[1] if parts else None

    def _parts(self, store_id: str, value: str, kind: str, count: int) -> list[str] | None:
        """What was signed for this store, if it is of this kind."""
        try:
            signed = self._signer.unsign(f"{store_id}:{value}").decode().removeprefix(f"{store_id}:")
        except BadSignature:
            return None
        parts = signed.split(".")
        return parts if len(parts) == count and parts[0] == kind else None

    def anchors(self, store_id: str, kind: AnchorKind, value: str | None) -> tuple[Anchor, ...]:
        """The keyed digests of one anchor, under the newest key first; empty for an empty value."""
        if not value:
            return ()
        said = f"{store_id}:{kind}:{value}".encode("utf-8", "replace")
        return tuple(
            Anchor(kind, hashlib.blake2b(said, key=key, digest_size=16).hexdigest()) for key in self._anchor_keys
        )

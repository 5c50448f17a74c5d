"""Only bodies that the shop signed are read."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from gateway.shopify.signature import is_signed

BODY = '{"id": 1, "note": "Grüße 😀"}\n'.encode()


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def test_known_vector_is_accepted() -> None:
    # RFC 4231, test case 2, in base64
    header = base64.b64encode(
        bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    ).decode()
    assert is_signed(b"what do ya want for nothing?", header, ["Jefe"])


def test_signature_over_the_raw_bytes_is_accepted() -> None:
    assert is_signed(BODY, sign(BODY, "secret"), ["secret"])


@pytest.mark.parametrize("position", [0, 1, 2])
def test_any_secret_of_the_list_may_have_signed(position: int) -> None:
    secrets = ["first", "second", "third"]
    assert is_signed(BODY, sign(BODY, secrets[position]), secrets)


def test_another_body_is_refused() -> None:
    assert not is_signed(BODY.rstrip(), sign(BODY, "secret"), ["secret"])


def test_another_secret_is_refused() -> None:
    assert not is_signed(BODY, sign(BODY, "stolen"), ["secret", "older"])


def test_no_secret_accepts_nothing() -> None:
    assert not is_signed(BODY, sign(BODY, ""), [])


@pytest.mark.parametrize("header", [None, "", "=", "not base64!", "ünïcode", "AAAA", "é" * 44, "0" * 64])
def test_what_is_no_signature_is_refused(header: str | None) -> None:
    assert not is_signed(BODY, header, ["secret"])


def test_hex_digest_is_refused() -> None:
    assert not is_signed(BODY, hmac.new(b"secret", BODY, hashlib.sha256).hexdigest(), ["secret"])

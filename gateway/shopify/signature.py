"""Whether a webhook's body was signed by this shop. Asked by `gateway.web` before anything reads the body.

Source: Shopify, "Verify webhook deliveries" (spec 1.1 and 1.2, read 2026-09). Only the body is signed: headers are not.
"""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Sequence


def is_signed(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """Whether `X-Shopify-Hmac-Sha256` is the HMAC of these very bytes under one of the secrets.

    Several secrets are usual: one of the admin page, one of each app, two of an app while its secret rotates. All of
    them are tried whichever fits, so that the time taken tells nothing.
    """
    given = _decode(header)
    is_good = False
    for secret in secrets:
        is_good = hmac.compare_digest(hmac.digest(secret.encode(), body, "sha256"), given) or is_good
    return is_good


def _decode(header: str | None) -> bytes:
    """The bytes of the header; none, and so nobody's signature, when it is missing or not base64."""
    try:
        return b64decode((header or "").strip(), validate=True)
    except ValueError:
        return b""

"""Shows that a request to the gateway comes from somebody who may read its configuration.

Signed by `gateway.ops.control` and `gateway.ops.doctor`; `gateway.app` hands what checks it to `gateway.web`.
"""

from __future__ import annotations

import hashlib

from itsdangerous import BadSignature, TimestampSigner

from gateway.settings import Settings

CONTROL_PATH = "/control"
MIRROR_PATH = "/control/mirror"
SEAL_LIFE_S = 60


class Seal:
    """Shows that a body comes from somebody who may read the configuration: it is signed with the newest key.

    A seal made for one `path` fits no other.
    """

    def __init__(self, settings: Settings, path: str = CONTROL_PATH) -> None:
        key = settings.security.secret_keys[0].get_secret_value()
        self._signer = TimestampSigner(key, salt=f"tag-gateway {path}", digest_method=hashlib.sha256)

    def sign(self, body: bytes) -> str:
        """A seal for this body, good for a minute."""
        return self._signer.sign(hashlib.sha256(body).hexdigest()).decode()

    def fits(self, body: bytes, seal: str) -> bool:
        """Whether this body was sealed with our key within the last minute."""
        try:
            return self._signer.unsign(seal, max_age=SEAL_LIFE_S) == hashlib.sha256(body).hexdigest().encode()
        except BadSignature:
            return False

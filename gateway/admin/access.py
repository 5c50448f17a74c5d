"""Who may see the dashboard: whoever knows its one password. Sessions are signed cookies, and no table of them is kept.

Called by `gateway.admin.door` for every request, and by `gateway.admin.sign_in`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from itsdangerous import BadData, TimestampSigner

from gateway.settings.model import SecuritySettings

SESSION_S = 12 * 3600
"""How long a session lasts from its sign-in: a working day."""

_LONGEST = 256
"""Characters of a session cookie; what is longer is not ours."""


class Access:
    """Checks the password, gives sessions and reads them. The sessions of one password end with it.

    `throttle` counts one more try of a client address, or of all of them together. Raises there: TooMany.
    """

    def __init__(
        self, security: SecuritySettings, throttle_client: Callable[[str], None], throttle_all: Callable[[str], None]
    ) -> None:
        self._hash = security.admin_password_hash.get_secret_value()
        self._signer = TimestampSigner(
            [key.get_secret_value() for key in reversed(security.secret_keys)],  # the newest last: that one signs
            salt=f"dashboard {hashlib.sha256(self._hash.encode()).hexdigest()}",
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )
        self._throttle_client = throttle_client
        self._throttle_all = throttle_all
        self._one_at_a_time = asyncio.Lock()

    async def sign_in(self, client: str, password: str) -> str | None:
        """A new session's cookie, or None for a wrong password. Raises: TooMany, before anything is computed.

        One try is computed at a time: argon2 takes 64 MiB of memory and all of a core on purpose.
        """
        self._throttle_client(client)
        self._throttle_all("")
        async with self._one_at_a_time:
            is_right = await asyncio.to_thread(_is_password, self._hash, password)
        return self._signer.sign(secrets.token_urlsafe(12)).decode() if is_right else None

    def is_session(self, cookie: str | None) -> bool:
        """Whether this cookie was given here, for the present password, less than `SESSION_S` ago."""
        if not cookie or len(cookie) > _LONGEST:
            return False
        try:
            self._signer.unsign(cookie, max_age=SESSION_S)
        except BadData:
            return False
        return True


def _is_password(known_hash: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(known_hash, password)
    except (VerificationError, InvalidHashError):
        return False

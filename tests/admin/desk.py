"""Somebody at the dashboard of a gateway on loopback: signs in, looks at pages, presses buttons.

`running_dashboard(tmp_path, ...)` takes settings as `tests.servers.make_settings` does and gives a `Reader`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher

from tests.servers import Gateway, make_settings, running_gateway

PASSWORD = "a long password, ünd not ASCII"
HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
"""Of the cheapest kind: what these tests try is not argon2."""

HTML = {"accept": "text/html"}
SAME = {"sec-fetch-site": "same-origin"}


@dataclass
class Reader:
    """A browser at the dashboard, with or without a session."""

    gateway: Gateway
    cookie: str | None = None

    async def get(self, path: str, headers: Mapping[str, Any] | None = None) -> httpx.Response:
        return await self._ask("GET", path, headers or {})

    async def post(
        self, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        return await self._ask("POST", path, {**SAME, **(headers or {})}, data=dict(fields or {}))

    async def sign_in(self, password: str = PASSWORD, **fields: str) -> httpx.Response:
        """The answer to the sign-in; its session is this reader's from now on."""
        answer = await self.post("/admin/sign-in", {"password": password, **fields})
        if session := answer.cookies.get("tag_gateway_session"):
            self.cookie = session
        return answer

    async def _ask(self, method: str, path: str, headers: Mapping[str, Any], **how: Any) -> httpx.Response:
        session = {"cookie": f"tag_gateway_session={self.cookie}"} if self.cookie else {}
        sent = {"host": "localhost", **HTML, **session, **headers}
        return await self.gateway.request(method, path, headers=sent, **how)


def make_security(**said: Any) -> dict[str, Any]:
    """A [security] table with a dashboard."""
    return {"admin_password_hash": HASH, **said}


@contextlib.asynccontextmanager
async def running_dashboard(folder: Path, **overrides: Any) -> AsyncIterator[Reader]:
    """A reader without a session, at a gateway that runs while the block does."""
    security = make_security(**overrides.pop("security", {}))
    async with running_gateway(make_settings(folder, security=security, **overrides)) as gateway:
        yield Reader(gateway)

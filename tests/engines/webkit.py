"""WebKit for tests: what Safari is made of, in WebKitGTK, with Intelligent Tracking Prevention on.

A window in a virtual display of its own. `webkit_driver` is the program; this is the tests' end of the line to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.browsers import SYSTEM_PYTHON
from tests.engines.namespace import PATIENCE_S, Namespace

DRIVER = Path(__file__).with_name("webkit_driver.py")
_DISPLAY = ("xvfb-run", "--auto-servernum")


class Cookie(NamedTuple):
    """A cookie. `days` are those left of its life; None: until the browser closes."""

    value: str
    days: float | None


class WebKit:
    """One window. Raises in every command: AssertionError with what WebKit says is wrong."""

    def __init__(self, namespace: Namespace, profile: Path) -> None:
        self._command = namespace.command(*_DISPLAY, SYSTEM_PYTHON, DRIVER, profile)
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """The window is there, and remembers what its profile does."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, start_new_session=True
        )

    async def close(self) -> None:
        """The browser has ended; what was still to be answered never will be."""
        assert self._process
        assert self._process.stdin
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE_S)
        except TimeoutError:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise

    async def goto(self, url: str) -> None:
        """The page has loaded."""
        await self._ask("goto", url)

    async def evaluate(self, body: str) -> Any:
        """What the page returns from this body of an async function."""
        return await self._ask("evaluate", body)

    async def until(self, condition: str) -> None:
        """This expression has become true in the page."""
        await self.evaluate(f"while (!({condition})) await new Promise((done) => setTimeout(done, 50))")

    async def cookies(self) -> dict[tuple[str, str], Cookie]:
        """Every cookie by domain and name; the domain begins with a dot where subdomains get it too."""
        return {(domain, name): Cookie(*rest) for domain, name, *rest in await self._ask("list_cookies")}

    async def lose_what_scripts_can_write(self) -> None:
        """The browser was closed and comes back without it, as after ITP's week; HttpOnly cookies have stayed."""
        await self._lose(is_everything=False)

    async def lose_everything(self) -> None:
        """The browser was closed and comes back with no memory."""
        await self._lose(is_everything=True)

    async def _lose(self, *, is_everything: bool) -> None:
        """In an open browser, a page or a late answer could write once more."""
        await self.close()
        await self.open()
        await self._ask("forget", is_everything)

    async def _ask(self, *command: Any) -> Any:
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            line = await self._process.stdout.readline()
        assert line, "WebKit has ended"
        told = json.loads(line)
        assert "error" not in told, f"{command[0]}: {told['error']}"
        return told["value"]


@contextlib.asynccontextmanager
async def open_webkit(namespace: Namespace, profile: Path) -> AsyncIterator[WebKit]:
    """A window on this profile is open in there while the block runs."""
    webkit = WebKit(namespace, profile)
    await webkit.open()
    try:
        yield webkit
    finally:
        await webkit.close()

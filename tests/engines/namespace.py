"""A private network: names of our choosing on port 443, and nothing beyond this machine can be reached or reaches in.

Firefox and WebKit have no switch that makes www.acme.test this machine, as Chromium has. So they and all they talk to
run in a network and mount namespace of their own, with loopback alone and an /etc/hosts of its own. Only root may make
one. Tests stay outside: they start programs in there, and open sockets that belong there.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")

PATIENCE_S = 60
_CLONE_NEWNET = 0x40000000
_SETUP = """
ip link set lo up
ip address add 127.0.0.2/8 dev lo
mount --bind "$0" /etc/hosts
echo ready
exec cat
"""
"""The second address is for GLib: its resolver ignores the hosts file where 127.0.0.1 is all there is. `cat` ends when
whoever started it does; with it, and the programs in there, the namespace is gone."""


class Namespace:
    """The network as the process that holds it has it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def command(self, *command: str | Path) -> list[str]:
        """The command that runs this one in there; its working directory is /."""
        return ["nsenter", f"--target={self._pid}", "--net", "--mount", "--", *map(str, command)]

    async def call(self, work: Callable[[], Value]) -> Value:
        """What `work` gives in there: its connections and the sockets it opens are the namespace's."""
        with ThreadPoolExecutor(1) as thread:  # one of its own, for it never comes back out
            return await asyncio.wrap_future(thread.submit(self._enter_and, work))

    def _enter_and(self, work: Callable[[], Value]) -> Value:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{self._pid}/ns/net").open("rb") as network:
            if libc.setns(network.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns: the network namespace cannot be entered")
        return work()

    @contextlib.asynccontextmanager
    async def run(self, *command: str | Path, until: str, log: Path, **env: str) -> AsyncIterator[None]:
        """The program runs in there while the block does, and has logged the words `until`."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *self.command(*command), stdout=output, stderr=asyncio.subprocess.STDOUT, env={**os.environ, **env}
            )
        try:
            await _until_logged(process, log, until)
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _until_logged(process: asyncio.subprocess.Process, log: Path, words: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while words not in (logged := _read(log)):
            assert process.returncode is None, f"ended at once: {logged}"
            await asyncio.sleep(0.05)


def _read(log: Path) -> str:
    return log.read_text()


@contextlib.asynccontextmanager
async def open_namespace(hosts: Sequence[str], folder: Path) -> AsyncIterator[Namespace]:
    """There is such a network while the block runs; in it these names are 127.0.0.1."""
    path = folder / "hosts"
    path.write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n")
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--net", "--mount", "sh", "-ec", _SETUP, path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert await process.stdout.readline() == b"ready\n", "no namespace; what unshare, ip and mount said stands above"
    try:
        yield Namespace(process.pid)
    finally:
        process.stdin.close()
        await process.wait()

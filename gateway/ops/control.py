"""Finds the one who may do an errand: the gateway that is running, over loopback, or else this very process.

SQLite takes one writing process (architecture, Storage), so whether the database is locked is what tells the two apart.
Called by `gateway.cli`. The gateway's side of the loopback is `gateway.web.control`, which asks the Seal given to it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import httpx

from gateway.errors import CommandError, StoreLocked
from gateway.intake.tokens import Tokens
from gateway.ops.desk import Desk
from gateway.ops.errands import Errand, Report, parse_report, to_line
from gateway.ops.opening import open_store
from gateway.ops.seal import CONTROL_PATH, Seal
from gateway.settings import Settings
from gateway.store import Store

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to translate, not to bind


class RemoteDesk:
    """Hands errands to the running gateway, as `Desk` does them."""

    is_serving = True

    def __init__(self, settings: Settings) -> None:
        self._url = f"http://{find_address(settings)}{CONTROL_PATH}"
        self._host = settings.stores[0].hosts[0]
        self._seal = Seal(settings)

    async def run(self, errand: Errand) -> AsyncIterator[Report]:
        """The errand is done, for one store after the other; its reports, as they come.

        Raises: CommandError when the gateway cannot be asked, or stops in between.
        """
        body = to_line(errand)
        headers = {"Host": self._host, "Authorization": f"Bearer {self._seal.sign(body)}"}
        async with _build_http() as http:
            try:
                async with http.stream("POST", self._url, content=body, headers=headers) as response:
                    self._check(response)
                    async for line in _split_lines(response.aiter_bytes()):
                        yield parse_report(line)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                raise CommandError(
                    f"a gateway holds the database and does not answer at {self._url}: run this on its machine and "
                    "with its configuration, or stop it"
                ) from None
            except httpx.TransportError:
                raise CommandError("the gateway stopped in between: run this again, nothing is done twice") from None

    def _check(self, response: httpx.Response) -> None:
        if response.status_code == 401:
            raise CommandError("the running gateway has other secret_keys: restart it, or name its file with --config")
        if response.status_code != 200:
            raise CommandError(
                f"{self._url} takes no commands (HTTP {response.status_code}): is it this gateway, and of this version?"
            )


def _build_http() -> httpx.AsyncClient:
    """A client that waits as long as an errand takes, past every proxy; with no TLS it needs no certificates."""
    return httpx.AsyncClient(timeout=httpx.Timeout(None, connect=5), trust_env=False, verify=False)  # noqa: S501


async def _split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Each whole line. Only \\n ends one: JSON may hold every other character that ends lines in a text."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


@contextlib.asynccontextmanager
async def open_desk(settings: Settings, clock: Callable[[], int]) -> AsyncIterator[Desk | RemoteDesk]:
    """A desk that does errands while the block runs. Units: `clock` gives Unix milliseconds.

    Raises: StoreUnavailable when there is no gateway and the database cannot be opened.
    """
    store = _open_store(settings)
    if store is None:
        yield RemoteDesk(settings)
        return
    try:
        await store.start(clock())
        tokens = Tokens([key.get_secret_value() for key in settings.security.secret_keys])
        yield Desk(settings, tokens, store, clock)
    finally:
        await store.stop()


def _open_store(settings: Settings) -> Store | None:
    """The database, or None when a running gateway has it for itself."""
    try:
        return open_store(settings)
    except StoreLocked:
        return None


def find_address(settings: Settings) -> str:
    """Where this machine reaches a gateway with these settings."""
    host = _EVERYWHERE.get(settings.server.host, settings.server.host)
    return f"[{host}]:{settings.server.port}" if ":" in host else f"{host}:{settings.server.port}"

"""The gateway from inside this machine: whether it runs, what it says of its database, and the disk below it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import httpx

from gateway.errors import GatewayError
from gateway.ops.control import find_address, open_desk
from gateway.ops.doctor.findings import Finding, fail, ok, warn
from gateway.ops.doctor.network import TIMEOUT_S, Reply, Unreachable, exchange
from gateway.ops.errands import Look, Looked, Trouble
from gateway.settings import Settings

_GB = 1_000_000_000
LEAST_BYTES, FEW_BYTES = _GB // 10, _GB


class Inside:
    """The gateway's own port on this machine. It is a context: afterwards no connection is open."""

    def __init__(self, settings: Settings) -> None:
        self.url = f"http://{find_address(settings)}"
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, verify=False)  # noqa: S501 - no TLS here

    async def __aenter__(self) -> Inside:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, host: str) -> Reply:
        """The gateway's answer, whatever it is. Raises: Unreachable."""
        return await exchange(self._http, self._http.build_request("GET", self.url + path, headers={"Host": host}))


async def check_running(inside: Inside, host: str) -> Finding:
    """Whether a gateway answers on this machine."""
    try:
        answer = await inside.get("/healthz", host)
    except Unreachable:
        answer = None
    if answer is None or answer.status != 200:
        return fail("gateway", f"no gateway answers at {inside.url}", "start it: tag-gateway serve")
    return ok("gateway", f"it runs at {inside.url}")


def check_disk(settings: Settings) -> Finding | None:
    """Whether SQLite has room to grow; None where the database is not this machine's."""
    if (file := settings.storage.file) is None:
        return None
    folder = file.parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    sentence = f"{free / _GB:.1f} GB are free where the database is"
    mend = "make room: once the disk is full, beacons and webhooks are refused"
    if free < LEAST_BYTES:
        return fail("disk", sentence, mend)
    return warn("disk", sentence, mend) if free < FEW_BYTES else ok("disk", sentence)


async def look_inside(
    settings: Settings, store_ids: tuple[str, ...], clock: Callable[[], int]
) -> tuple[Finding, dict[str, Looked]]:
    """Whether the database opens, is migrated and takes a write; what it says of each store, asked of the gateway.

    While no gateway runs, the database is opened here; one that is not there yet is left to `serve` to make.
    """
    if (file := settings.storage.file) and not file.exists():
        return warn("database", "there is none yet", "tag-gateway serve makes it"), {}
    looked: dict[str, Looked] = {}
    try:
        async with open_desk(settings, clock) as desk:
            async for report in desk.run(Look(store_ids)):
                match report:
                    case Looked(store_id=store_id):
                        looked[store_id] = report
                    case Trouble(sentence=sentence):
                        return _blame(sentence), {}
    except GatewayError as error:
        return _blame(str(error)), {}
    return ok("database", "it opens, has this version's schema, and takes a write"), looked


def _blame(sentence: str) -> Finding:
    return fail("database", sentence, "mend this first: nothing can be stored meanwhile")

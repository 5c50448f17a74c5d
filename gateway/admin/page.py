"""What a page of the dashboard is, and what it is given.

Made in the modules of `gateway.admin.pages`, served by `gateway.admin.dashboard`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct
from starlette.responses import Response

from gateway.settings import Settings, StoreSettings
from gateway.store import Store
from gateway.store.reports import Scope

DAY_MS = 86_400_000
PERIODS = (1, 7, 30, 90)
"""The days that a page may look back."""
DEFAULT_PERIOD = 7


class Step(Protocol):
    """One thing to do while installing, as `gateway.ops.install` says it."""

    @property
    def title(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def warnings(self) -> tuple[str, ...]: ...


class Backend(Struct, frozen=True):
    """The gateway behind the dashboard. What belongs to `ops` is handed over as a function, by `gateway.app`.

    Units: `clock` gives Unix milliseconds.
    """

    settings: Settings
    store: Store
    clock: Callable[[], int]
    build_install: Callable[[StoreSettings], Sequence[Step]]


class View(Struct, frozen=True):
    """Somebody looks at a page: of which store, when, in which time zone, and with which words in the address."""

    backend: Backend
    shop: StoreSettings
    now_ms: int
    zone: ZoneInfo
    query: Mapping[str, str]

    @property
    def store(self) -> Store:
        """The database."""
        return self.backend.store

    @property
    def days(self) -> int:
        """How far back the page looks: what was chosen, of `PERIODS`."""
        chosen = self.query.get("days", "")
        return int(chosen) if chosen in map(str, PERIODS) else DEFAULT_PERIOD

    def scope(self, days: int | None = None) -> Scope:
        """This store's last days, up to now, in this reader's time zone."""
        since_ms = self.now_ms - (self.days if days is None else days) * DAY_MS
        return Scope((self.shop.id,), since_ms, self.now_ms + 1, zone=self.zone.key)

    def link(self, name: str, **words: object) -> str:
        """The address of a page or a part, for the same store, with these words in it."""
        is_first = self.shop is self.backend.settings.stores[0]
        query = urlencode(({} if is_first else {"store": self.shop.id}) | words)
        return f"/admin/{name}" + (f"?{query}" if query else "")


Show = Callable[[View], Awaitable[Mapping[str, Any]]]
Act = Callable[[View, Mapping[str, str]], Awaitable[str]]
Part = Callable[[View], Awaitable[Response]]


class Page(Struct, frozen=True):
    """One page, at /admin/{name}, drawn by templates/admin/{name}.html.

    `show` finds what the template shows. `act` does what the page's form asks and says in one sentence what came of it,
    which stands above the page that follows. `parts` answer under /admin/{name}/{part}: streams and files.
    """

    name: str
    title: str
    show: Show
    act: Act | None = None
    parts: Mapping[str, Part] = {}

"""What a page of the dashboard is, and what it is given.

Made in the modules of `gateway.admin.pages`, served by `gateway.admin.dashboard`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from msgspec import Struct
from starlette.responses import Response

from gateway.settings import Settings, StoreSettings
from gateway.store import Store
from gateway.store.reports import Scope
from gateway.store.search import Inquiry
from gateway.store.walk import Wanted

DAY_MS = 86_400_000
PERIODS = (1, 7, 30, 90)
LONGEST_BY_DAY = 31
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


class Life(Protocol):
    """How many days browsers are predicted to keep a store's cookies, as `gateway.ops.cookie_life` says it."""

    @property
    def days(self) -> Mapping[str, int]: ...
    @property
    def why(self) -> str: ...
    @property
    def mend(self) -> str: ...
    @property
    def cost(self) -> str: ...


class Buttons(Protocol):
    """What can be done from a page, as `gateway.ops.buttons` does it: all of it says in words what came of it."""

    def why_no_heal(self, shop: StoreSettings) -> str: ...
    def heal(self, shop: StoreSettings, since_s: int) -> AsyncIterator[str]: ...
    async def replay(self, shop: StoreSettings, wanted: Wanted) -> str: ...


class Backend(Struct, frozen=True):
    """The gateway behind the dashboard. What belongs to `ops` and `delivery` is handed over by `gateway.app`.

    `inquire` reads what was typed into the search box of a store, by its id; `predict_cookies` gives None when DNS does
    not tell within so many seconds; `tell_trouble` says an open trouble's cause in a sentence.

    Units: `clock` gives Unix milliseconds.
    """

    settings: Settings
    store: Store
    clock: Callable[[], int]
    build_install: Callable[[StoreSettings], Sequence[Step]]
    inquire: Callable[[str, str], Inquiry]
    predict_cookies: Callable[[StoreSettings, float], Awaitable[Life | None]]
    tell_trouble: Callable[[str], str]
    buttons: Buttons


class View(Struct, frozen=True):
    """Somebody looks at a page: of which store, when, in which time zone, and with which words in the address.

    `form` is what was posted to it: it may be an email address, which must be in no address and on no page.
    """

    backend: Backend
    shop: StoreSettings
    now_ms: int
    zone: ZoneInfo
    query: Mapping[str, str]
    form: Mapping[str, str] = {}

    @property
    def store(self) -> Store:
        """The database."""
        return self.backend.store

    @property
    def days(self) -> int:
        """How far back the page looks: what was chosen, of `PERIODS`."""
        chosen = self.query.get("days", "")
        return int(chosen) if chosen in map(str, PERIODS) else DEFAULT_PERIOD

    @property
    def pixels(self) -> tuple[str, ...]:
        """The code of the pixel that was chosen, in a tuple; an empty one means all."""
        return tuple(pixel.code for pixel in self.shop.pixels if pixel.code == self.query.get("pixel"))

    @property
    def chosen(self) -> Mapping[str, object]:
        """What the reader has chosen beside the store, as words of an address."""
        return {"days": self.days} | ({"pixel": self.pixels[0]} if self.pixels else {})

    def scope(self, days: int | None = None) -> Scope:
        """This store's last days, today among them, in this reader's time zone; one day is the last 24 hours.

        It is of the pixel that was chosen, if one was.
        """
        days = self.days if days is None else days
        return Scope(
            (self.shop.id,),
            self._find_begin(days),
            self.now_ms + 1,
            self.pixels,
            self.zone.key,
            by_hour=days == 1,
            by_week=days > LONGEST_BY_DAY,
        )

    def _find_begin(self, days: int) -> int:
        if days == 1:
            return self.now_ms - DAY_MS
        today = datetime.fromtimestamp(self.now_ms / 1000, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return int((today - timedelta(days=days - 1)).timestamp() * 1000)

    def link(self, name: str, **words: object) -> str:
        """The address of a page or a part, for the same store, with these words in it."""
        is_first = self.shop is self.backend.settings.stores[0]
        query = urlencode(({} if is_first else {"store": self.shop.id}) | words)
        return f"/admin/{name}" + (f"?{query}" if query else "")


Show = Callable[[View], Awaitable[Mapping[str, Any]]]
Act = Callable[[View, Mapping[str, str]], Awaitable[str | AsyncIterator[str]]]
Part = Callable[[View], Awaitable[Response]]


class Page(Struct, frozen=True):
    """One page, at /admin/{name}, drawn by templates/admin/{name}.html.

    `show` finds what the template shows. `act` does what the page's form asks and says in one sentence what came of it,
    or in several as they come, which stand above the page that follows. `parts` answer under /admin/{name}/{part}:
    streams and files.
    """

    name: str
    title: str
    show: Show
    act: Act | None = None
    parts: Mapping[str, Part] = {}

"""Events as they pass, whichever node takes them in: the newest of the store, looked at every second.

Reading the database instead of listening inside this process shows every node's events, and an event's outcome when it
comes. A reader who is slow is not waited for: what is sent is the difference to what was sent, and nothing is queued.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import PlainTextResponse, Response

from gateway.admin.page import Page, View
from gateway.admin.rendering import render
from gateway.admin.streams import is_full, rest, streaming
from gateway.errors import StoreUnavailable
from gateway.model.dossier import EventDossier
from gateway.model.names import STANDARD_EVENTS
from gateway.model.outcome import Fate
from gateway.store.walk import Page as Window
from gateway.store.walk import Wanted, read_page

NEWEST = 100
"""Events looked at, and so the most that can pass in a second and be seen."""

TICK_S = 1.0
LONGEST_S = 3600
"""A stream ends after this long, and the browser asks for it again: with a session, or in vain."""

SEND_TIMEOUT_S = 20.0
WAITING = "waiting"


async def show(view: View) -> Mapping[str, Any]:
    """The newest events, for a start."""
    return {"events": (await _read(view)).events, "names": sorted(STANDARD_EVENTS), "fates": [WAITING, *Fate]}


async def stream(view: View) -> Response:
    """What passes from now on, as table rows; 503 when too many look on already."""
    if is_full():
        return PlainTextResponse("too many look on already\n", 503)
    return EventSourceResponse(follow(view), send_timeout=SEND_TIMEOUT_S)


async def follow(view: View) -> AsyncIterator[ServerSentEvent]:
    """Each event once as it comes and once more whenever it changes; `gone` when it is none of the wanted any more."""
    shown: Mapping[str, EventDossier] = {}
    ends_at = time.monotonic() + LONGEST_S
    with streaming() as ended, contextlib.suppress(StoreUnavailable):  # the browser comes again by itself
        while not ended.is_set() and time.monotonic() < ends_at:
            window = await _read(view)
            found = {event.id: event for event in window.events}
            for change in _list_changes(view, shown, found, window.before or ""):
                yield change
            shown = found
            await rest(ended, TICK_S)


def _list_changes(
    view: View, shown: Mapping[str, EventDossier], found: Mapping[str, EventDossier], oldest: str
) -> Iterator[ServerSentEvent]:
    """The rows that are new or other than shown, the oldest first; then those that are none of the wanted any more."""
    for event in reversed([*found.values()]):
        if event != shown.get(event.id):
            yield ServerSentEvent(render("live_row.html", view.zone, {"event": event}), event="row")
    for id_ in shown.keys() - found.keys():
        if id_ >= oldest:
            yield ServerSentEvent(id_, event="gone")


async def _read(view: View) -> Window:
    """The wanted among the newest events."""
    fate, name = view.query.get("fate", ""), view.query.get("event", "")
    fates = (None,) if fate == WAITING else (Fate(fate),) if fate in list(Fate) else ()
    wanted = Wanted(fates=fates, event=name or None)
    return await view.store.read(lambda connection: read_page(connection, view.shop.id, wanted, size=NEWEST))


PAGE = Page("live", "Live", show, parts={"stream": stream})

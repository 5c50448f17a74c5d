"""Routes /admin: the sign-in, our two assets, and every page with its parts. `build_dashboard` is all that `app` needs.

Called through `gateway.admin.door`; hands a `View` to the page and what it found to its template.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape
from msgspec import structs
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.admin.access import Access
from gateway.admin.door import ROOT, SIGN_IN, Door, read_cookies
from gateway.admin.format import choose_zone
from gateway.admin.forms import read_form
from gateway.admin.page import Backend, Page, View
from gateway.admin.pages import PAGES
from gateway.admin.rendering import ASSETS, find_asset, render, respond
from gateway.admin.sign_in import SignIn
from gateway.errors import RequestError, StoreUnavailable

log = logging.getLogger(__name__)

_YEAR_S = 31_536_000
_LONGEST_WORD = 200
"""Characters of a word in a page's address."""
_TOLD = Markup("<!-- told -->")
"""Where a page shows what came of a button."""


def build_dashboard(backend: Backend, access: Access) -> Door:
    """The whole of /admin as one ASGI application."""
    door, shell = SignIn(access), Shell(backend, PAGES)
    routes = [
        Route(SIGN_IN, door.ask, methods=["GET"]),
        Route(SIGN_IN, door.take, methods=["POST"]),
        Route(f"{ROOT}/sign-out", door.leave, methods=["POST"]),
        Route(f"{ROOT}/static/{{name}}", send_asset),
        *(route for page in PAGES for route in shell.list_routes(page)),
        Route(ROOT, shell.go_home),
        Route(f"{ROOT}/", shell.go_home),
    ]
    handlers: dict[Any, Any] = {
        RequestError: shell.show_refusal,
        HTTPException: shell.show_http_error,
        StoreUnavailable: shell.show_unavailable,
        Exception: shell.show_defect,
    }
    return Door(access, Starlette(routes=routes, exception_handlers=handlers))


async def send_asset(request: Request) -> Response:
    """The style or the script; kept for good, as its address changes with it."""
    name = request.path_params["name"]
    if name not in ASSETS:
        return PlainTextResponse("not found\n", 404)
    asset = find_asset(name)
    is_current = request.query_params.get("v") == asset.version
    keep = f"max-age={_YEAR_S}, immutable" if is_current else "no-cache"
    return Response(asset.body, media_type=asset.media_type, headers={"cache-control": keep})


class Shell:
    """Draws every page in the same frame: menu, store, time zone, and the designed answer when something is wrong."""

    def __init__(self, backend: Backend, pages: Sequence[Page]) -> None:
        self._backend = backend
        self._pages = pages

    def list_routes(self, page: Page) -> list[Route]:
        """The addresses of one page."""
        path = f"{ROOT}/{page.name}"
        routes = [Route(path, self._showing(page), methods=["GET"])]
        if page.act:
            routes.append(Route(path, self._acting(page), methods=["POST"]))
        return routes + [Route(f"{path}/{name}", self._answering(part)) for name, part in page.parts.items()]

    async def go_home(self, _request: Request) -> Response:
        """On to the first page."""
        return RedirectResponse(f"{ROOT}/{self._pages[0].name}", 303)

    def _showing(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            return await self._draw(page, self._look(request))

        return show

    def _acting(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            assert page.act  # noqa: S101 - only pages that act have this route
            view = structs.replace(self._look(request), form=await read_form(request))
            told = await page.act(view, view.form)
            return await (self._draw(page, view, told) if isinstance(told, str) else self._draw_along(page, view, told))

        return act

    def _answering(self, part: Callable[[View], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await part(self._look(request))

        return answer

    def _look(self, request: Request) -> View:
        """Who looks at what. A store that nobody has is the first one."""
        query = {name: value[:_LONGEST_WORD] for name, value in request.query_params.items()}
        shops = {shop.id: shop for shop in self._backend.settings.stores}
        shop = shops.get(query.get("store", ""), self._backend.settings.stores[0])
        zone = choose_zone(read_cookies(request.headers))
        return View(self._backend, shop, self._backend.clock(), zone, query)

    async def _draw(self, page: Page, view: View, notice: str = "") -> Response:
        return HTMLResponse(await self._render(page, view, notice))

    async def _draw_along(self, page: Page, view: View, told: AsyncIterator[str]) -> Response:
        """The page, sent as far as its notice at once, then line by line what is told; the rest is of afterwards."""
        head = (await self._render(page, view, _TOLD)).partition(_TOLD)[0]

        async def stream() -> AsyncIterator[str]:
            yield head
            async for line in told:
                yield f"{escape(line)}<br>\n"
            yield (await self._render(page, view, _TOLD)).partition(_TOLD)[2]

        return StreamingResponse(stream(), media_type="text/html")

    async def _render(self, page: Page, view: View, notice: str) -> str:
        found = await page.show(view)
        values = {**self._frame(view), "page": page, "notice": notice, **found}
        return render(f"{page.name}.html", view.zone, values)

    def _frame(self, view: View) -> Mapping[str, Any]:
        """What every page shows around its own."""
        stores = self._backend.settings.stores
        return {"pages": self._pages, "stores": stores, "view": view, "page": None, "notice": ""}

    def _show_trouble(self, request: Request, status: int, title: str, sentence: str) -> Response:
        view = self._look(request)
        values = {**self._frame(view), "title": title, "sentence": sentence, "status": status}
        return respond("trouble.html", view.zone, values, status)

    async def show_refusal(self, request: Request, error: RequestError) -> Response:
        """A request that cannot be answered; the error's own words are fit to be shown."""
        return self._show_trouble(request, error.status, "That did not work", str(error))

    async def show_http_error(self, request: Request, error: HTTPException) -> Response:
        """An address that leads nowhere, or a method that nothing takes."""
        return self._show_trouble(request, error.status_code, "Nothing here", "The dashboard has no such page.")

    async def show_unavailable(self, request: Request, error: StoreUnavailable) -> Response:
        """The database does not answer: the operator who is signed in may know why."""
        log.warning("dashboard: the database does not answer: %s", error)
        sentence = f"The database does not answer: {error}. Beacons are refused meanwhile, and browsers keep them."
        return self._show_trouble(request, 503, "The database does not answer", sentence)

    async def show_defect(self, request: Request, _error: Exception) -> Response:
        """A defect of ours; the log has the rest."""
        sentence = "This page has a defect. Events are taken in and delivered all the same; the log says what it is."
        return self._show_trouble(request, 500, "This page is broken", sentence)

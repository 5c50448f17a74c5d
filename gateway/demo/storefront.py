"""The demo store: the theme's pages and carts under the paths that Shopify's have. A Starlette application.

Mounted by `stage` on every Host that is not the gateway's. It knows the gateway only as a store does: by the tag in its
pages, the custom pixel that was pasted, and the webhooks that `checkout_pages` has sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.demo.cart import Carts
from gateway.demo.cart_api import CartApi
from gateway.demo.catalogue import CATALOGUE, Product, find_product, to_content, to_properties
from gateway.demo.checkout import Desk, Visit
from gateway.demo.checkout_pages import CheckoutPages, Courier
from gateway.demo.pages import SANDBOX_PATH, Pages, to_theme
from gateway.demo.site import Site
from gateway.demo.standard_events import StandardEvent, view_cart, view_product
from gateway.files import STATIC

Call = tuple[str, dict[str, Any], dict[str, str]]
"""One call of `ttq.track`: event, properties, options."""

_VISIT = "demo_visit"


class Storefront(Struct, frozen=True):
    """The theme's pages. `visits` remembers how each browser came, by a cookie that only the store's server reads."""

    pages: Pages
    cart_api: CartApi
    visits: dict[str, Visit] = field(default_factory=dict)

    async def show_home(self, request: Request) -> Response:
        return self._page(request, "home", "index", featured=CATALOGUE[:3])

    async def show_collection(self, request: Request) -> Response:
        return self._page(request, "collection", "collection")

    async def show_product(self, request: Request) -> Response:
        """A product as a merchant's theme has it: with a `ttq.track` of its own, which knows no event id."""
        product = find_product(request.path_params["handle"])
        if product is None:
            return await self.show_missing(request)
        properties = to_properties([to_content(product, product.variants[0])], product.price_cents)
        calls: list[Call] = [("ViewContent", properties, {})]
        return self._page(request, "product", "product", [view_product(product)], calls, product)

    async def show_cart(self, request: Request) -> Response:
        cart = self.cart_api.find(request)
        return self._page(request, "cart", "cart", [view_cart(cart)] if cart else [])

    async def show_missing(self, request: Request, _error: Exception | None = None) -> Response:
        return self._page(request, "missing", "404", status=404)

    async def show_sandbox(self, _request: Request) -> Response:
        return self.pages.render_sandbox()

    def find_visit(self, request: Request) -> Visit:
        """How the browser that asks came here."""
        return self.visits.get(request.cookies.get(_VISIT, ""), Visit())

    def _page(
        self,
        request: Request,
        name: str,
        page_type: str,
        events: Sequence[StandardEvent] = (),
        calls: Sequence[Call] = (),
        product: Product | None = None,
        **values: Any,
    ) -> Response:
        """The page, with what Shopify's pixels hear of it and what its theme tells TikTok's."""
        cart = self.cart_api.find(request)
        theme = to_theme(page_type, cart, product)
        path = request.url.path
        response = self.pages.render(name, cart, events, calls=calls, theme=theme, path=path, product=product, **values)
        if request.cookies.get(_VISIT) not in self.visits:
            response.set_cookie(_VISIT, self._remember(request), httponly=True, samesite="lax")
        return response

    def _remember(self, request: Request) -> str:
        referrer = request.headers.get("referer", "")
        landing = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        visit_id = secrets.token_urlsafe(16)
        self.visits[visit_id] = Visit(landing, referrer)
        return visit_id


def build_storefront(site: Site, custom_pixel: str, courier: Courier) -> Starlette:
    """The store as an ASGI application; `custom_pixel` is the code pasted into it, `courier` delivers its webhooks."""
    carts = Carts()
    api = CartApi(carts)
    pages = Pages(site, custom_pixel)
    store = Storefront(pages, api)
    checkout = CheckoutPages(pages, api, carts, Desk(), courier, store.find_visit, store.show_missing)
    theme = [
        Route("/", store.show_home),
        Route("/collections/all", store.show_collection),
        Route("/products/{handle}", store.show_product),
        Route("/cart", store.show_cart),
        Route(SANDBOX_PATH + "/{path:path}", store.show_sandbox),
        Mount("/demo", StaticFiles(directory=STATIC / "demo")),
    ]
    changes = {"add": api.add, "update": api.update, "change": api.change, "clear": api.clear}
    cart = [Route("/cart.js", api.show)] + [
        Route(f"/cart/{name}{suffix}", change, methods=["POST"])
        for name, change in changes.items()
        for suffix in ("", ".js")
    ]
    return Starlette(routes=[*theme, *cart, *checkout.routes], exception_handlers={404: store.show_missing})

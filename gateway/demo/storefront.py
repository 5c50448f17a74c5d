"""The demo store: pages and carts under the paths that Shopify's have. A Starlette application.

Mounted by `stage` on every Host that is not the gateway's. It knows the gateway only as a store does: by the tag in its
pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.demo.cart import Cart, Carts
from gateway.demo.cart_api import COOKIE, CartApi, parse_form
from gateway.demo.catalogue import CATALOGUE, find_product, to_content, to_properties
from gateway.demo.checkout import Buyer, Checkout, Desk
from gateway.demo.pages import Pages
from gateway.demo.site import Site
from gateway.files import STATIC

Call = tuple[str, dict[str, Any], dict[str, str]]
"""One call of `ttq.track`: event, properties, options."""


class Storefront(Struct, frozen=True):
    """The store's pages, over its carts and its checkouts."""

    pages: Pages
    cart_api: CartApi
    carts: Carts
    desk: Desk

    async def show_home(self, request: Request) -> Response:
        return self._page(request, "home", featured=CATALOGUE[:3])

    async def show_collection(self, request: Request) -> Response:
        return self._page(request, "collection")

    async def show_product(self, request: Request) -> Response:
        """A product as a merchant's theme has it: with a `ttq.track` of its own, which knows no event id."""
        product = find_product(request.path_params["handle"])
        if product is None:
            return self._page(request, "missing", status=404)
        properties = to_properties([to_content(product, product.variants[0])], product.price_cents)
        return self._page(request, "product", [("ViewContent", properties, {})], product=product)

    async def show_cart(self, request: Request) -> Response:
        return self._page(request, "cart")

    async def open_checkout(self, request: Request) -> Response:
        """The cart's Checkout button, or /checkout: a checkout is open for what is in the cart."""
        cart = self.cart_api.find(request)
        if cart is None or not cart.lines:
            return RedirectResponse("/cart", 303)
        return RedirectResponse(f"/checkouts/cn/{self.desk.open(cart.lines, cart).token}", 303)

    async def show_checkout(self, request: Request) -> Response:
        checkout = self._checkout(request)
        if checkout is None:
            return self._page(request, "missing", status=404)
        calls: list[Call] = [("InitiateCheckout", checkout.properties, {})]
        return self._page(request, "checkout", calls, checkout=checkout)

    async def pay(self, request: Request) -> Response:
        """The order is placed, its cart is gone."""
        checkout = self._checkout(request)
        if checkout is None:
            return self._page(request, "missing", status=404)
        said = dict(parse_form(await request.body(), request.headers.get("content-type", "")))
        self.desk.complete(checkout, read_buyer(said))
        if cart := self.cart_api.find(request):
            self.carts.drop(cart)
        response = RedirectResponse(f"/checkouts/cn/{checkout.token}/thank-you", 303)
        response.delete_cookie(COOKIE)
        return response

    async def show_thanks(self, request: Request) -> Response:
        checkout = self._checkout(request)
        if checkout is None or checkout.order is None:
            return self._page(request, "missing", status=404)
        purchase = checkout.properties | {"order_id": str(checkout.order.id)}
        calls: list[Call] = [("Purchase", purchase, {"event_id": checkout.order.event_id})]
        return self._page(request, "thanks", calls, order=checkout.order)

    async def show_missing(self, request: Request, _error: Exception) -> Response:
        return self._page(request, "missing", status=404)

    def _page(self, request: Request, name: str, calls: Sequence[Call] = (), **values: Any) -> Response:
        """The page with its cart, and with the calls that its theme makes to TikTok's Pixel."""
        cart = self.cart_api.find(request) or Cart()
        return self.pages.render(name, cart=cart, calls=calls, path=request.url.path, **values)

    def _checkout(self, request: Request) -> Checkout | None:
        return self.desk.find(request.path_params["token"])


def read_buyer(said: dict[str, str]) -> Buyer:
    """The buyer in the checkout's form."""
    return Buyer(**{name: said.get(name, "").strip() for name in Buyer.__struct_fields__})


def build_storefront(site: Site) -> Starlette:
    """The store as an ASGI application."""
    carts = Carts()
    api = CartApi(carts)
    store = Storefront(Pages(site), api, carts, Desk())
    pages = [
        Route("/", store.show_home),
        Route("/collections/all", store.show_collection),
        Route("/products/{handle}", store.show_product),
        Route("/cart", store.show_cart),
        Route("/cart", store.open_checkout, methods=["POST"]),
        Route("/checkout", store.open_checkout),
        Route("/checkouts/cn/{token}", store.show_checkout),
        Route("/checkouts/cn/{token}", store.pay, methods=["POST"]),
        Route("/checkouts/cn/{token}/thank-you", store.show_thanks),
        Mount("/demo", StaticFiles(directory=STATIC / "demo")),
    ]
    changes = {"add": api.add, "update": api.update, "change": api.change, "clear": api.clear}
    cart = [Route("/cart.js", api.show)] + [
        Route(f"/cart/{name}{suffix}", change, methods=["POST"])
        for name, change in changes.items()
        for suffix in ("", ".js")
    ]
    return Starlette(routes=[*pages, *cart], exception_handlers={404: store.show_missing})

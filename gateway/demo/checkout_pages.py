"""The checkout: pages that are Shopify's, where no theme code runs, and what becomes of them in webhooks.

Routed by `storefront`. A checkout is opened from the cart, or by Buy it now without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from gateway.demo.cart import Cart, CartFault, Carts, Line
from gateway.demo.cart_api import COOKIE, CartApi, read_said
from gateway.demo.checkout import Buyer, Checkout, Client, Desk, Order, Visit
from gateway.demo.pages import Pages
from gateway.demo.standard_events import complete_checkout, start_checkout, to_checkout


class Courier(Protocol):
    """Who tells the gateway, later."""

    def tell_checkout(self, checkout: Checkout) -> None: ...
    def tell_order(self, order: Order) -> None: ...


class CheckoutPages(Struct, frozen=True):
    """From a cart to a thank-you page."""

    pages: Pages
    cart_api: CartApi
    carts: Carts
    desk: Desk
    courier: Courier
    find_visit: Callable[[Request], Visit]
    show_missing: Callable[[Request], Awaitable[Response]]

    @property
    def routes(self) -> list[Route]:
        """The checkout's paths."""
        return [
            Route("/cart", self.check_out, methods=["POST"]),
            Route("/checkout", self.check_out),
            Route("/buy-now", self.buy_now, methods=["POST"]),
            Route("/checkouts/cn/{token}", self.show_checkout),
            Route("/checkouts/cn/{token}", self.pay, methods=["POST"]),
            Route("/checkouts/cn/{token}/thank-you", self.show_thanks),
        ]

    async def check_out(self, request: Request) -> Response:
        """A checkout is open for what is in the cart."""
        cart = self.cart_api.find(request)
        if cart is None or not cart.lines:
            return RedirectResponse("/cart", 303)
        return self._open(request, cart.lines, cart)

    async def buy_now(self, request: Request) -> Response:
        """A checkout is open for this one product: the cart and its attributes stay behind (Shopify spec 2.3)."""
        said = await read_said(request)
        try:
            line = Cart().add(int(said.get("id", "")), int(said.get("quantity") or 1))
        except (CartFault, ValueError):
            return await self.show_missing(request)
        return self._open(request, [line], None)

    async def show_checkout(self, request: Request) -> Response:
        checkout = self._find(request)
        if checkout is None:
            return await self.show_missing(request)
        if checkout.order:
            return RedirectResponse(f"/checkouts/cn/{checkout.token}/thank-you", 303)
        said = to_checkout(checkout)
        cart = self.cart_api.find(request)
        return self.pages.render("checkout", cart, [start_checkout(checkout)], checkout=checkout, checkout_data=said)

    async def pay(self, request: Request) -> Response:
        """The order is placed, and its cart is gone. A button pressed twice buys once."""
        checkout = self._find(request)
        if checkout is None:
            return await self.show_missing(request)
        response = RedirectResponse(f"/checkouts/cn/{checkout.token}/thank-you", 303)
        if checkout.order is None:
            self.courier.tell_order(self.desk.complete(checkout, await read_buyer(request), read_client(request)))
            if checkout.cart_token and (cart := self.cart_api.find(request)):
                self.carts.drop(cart)
                response.delete_cookie(COOKIE)
        return response

    async def show_thanks(self, request: Request) -> Response:
        """The order; the first look at it tells the pixels that the checkout is completed."""
        checkout = self._find(request)
        if checkout is None or checkout.order is None:
            return await self.show_missing(request)
        order = checkout.order
        events = [] if order.is_seen else [complete_checkout(order)]
        order.is_seen = True
        return self.pages.render("thanks", self.cart_api.find(request), events, order=order)

    def _open(self, request: Request, lines: Sequence[Line], cart: Cart | None) -> Response:
        checkout = self.desk.open(lines, cart, self.find_visit(request))
        self.courier.tell_checkout(checkout)
        return RedirectResponse(f"/checkouts/cn/{checkout.token}", 303)

    def _find(self, request: Request) -> Checkout | None:
        return self.desk.find(request.path_params["token"])


async def read_buyer(request: Request) -> Buyer:
    """The buyer in the checkout's form."""
    said = await read_said(request)
    return Buyer(**{name: str(said.get(name, "")).strip() for name in Buyer.__struct_fields__})


def read_client(request: Request) -> Client:
    """The browser that pays."""
    headers = request.headers
    ip = request.client.host if request.client else ""
    return Client(ip, headers.get("user-agent", ""), headers.get("accept-language", ""))

"""Renders the demo store's pages from templates/demo. Called by `storefront` and `checkout_pages`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from gateway.demo.cart import Cart, Line
from gateway.demo.catalogue import CATALOGUE, CURRENCY, VENDOR, Product
from gateway.demo.site import Site
from gateway.demo.standard_events import StandardEvent, to_init
from gateway.files import TEMPLATES

_VERSION = "4c0fd20b"
_PIXEL_ID = 41001

SANDBOX_PATH = f"/wpm@{_VERSION}/custom/web-pixel-{_PIXEL_ID}@1/sandbox/modern"
"""Where the custom pixel's frame comes from, with the path of the page behind it. Source: Shopify spec 3.1."""

_FRAME = {"src": SANDBOX_PATH, "name": f"web-pixel-sandbox-CUSTOM-{_PIXEL_ID}-LAX-{_VERSION}"}


class Pages:
    """The templates, filled with what every page shows. `custom_pixel` is the code that the merchant has pasted."""

    def __init__(self, site: Site, custom_pixel: str) -> None:
        self._custom_pixel = custom_pixel
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES / "demo"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"money": to_price}
        self._environment.globals |= {"site": site, "catalogue": CATALOGUE, "currency": CURRENCY, "frame": _FRAME}

    def render(
        self, name: str, cart: Cart | None, events: Sequence[StandardEvent] = (), *, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """The page `name`.html; browsers keep no copy, as each visit is another experiment."""
        template = self._environment.get_template(f"{name}.html")
        html = template.render(cart=cart or Cart(), init=to_init(cart), events=events, **values)
        return HTMLResponse(html, status, {"cache-control": "no-store"})

    def render_sandbox(self) -> HTMLResponse:
        """The frame of the custom pixel."""
        html = self._environment.get_template("sandbox.html").render(pixel=self._custom_pixel)
        return HTMLResponse(html, headers={"cache-control": "no-store"})


def to_price(cents: int) -> str:
    """A price as it is shown: 1850 cents are €18.50."""
    return f"€{cents / 100:,.2f}"


def to_theme(page_type: str, cart: Cart | None, product: Product | None = None) -> dict[str, Any]:
    """What the theme tag's Liquid makes of this page; prices are in cents there (templates/theme_tag.liquid.j2)."""
    return {
        "page": page_type,
        "currency": CURRENCY,
        "cart": cart.full_token if cart else None,
        "items": cart.count if cart else 0,
        "lines": [_to_theme_line(line) for line in cart.lines] if cart else [],
        "customer": None,
        "email": None,
        "search": None,
        "product": _to_theme_product(product) if product else None,
    }


def _to_theme_line(line: Line) -> dict[str, Any]:
    product, variant = line.product, line.variant
    return {
        "variant_id": str(variant.id),
        "product_id": str(product.id),
        "sku": variant.sku,
        "price": variant.price_cents,
        "quantity": line.quantity,
        "title": product.title,
        "vendor": VENDOR,
        "product_type": product.kind,
    }


def _to_theme_product(product: Product) -> dict[str, Any]:
    variants = [{"id": str(one.id), "sku": one.sku, "price": one.price_cents} for one in product.variants]
    return {
        "id": str(product.id),
        "title": product.title,
        "brand": VENDOR,
        "category": product.kind,
        "selected": variants[0],
        "variants": variants,
    }

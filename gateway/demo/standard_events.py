"""What Shopify tells its pixels: the standard events of a page, in the shapes of its own documentation.

Rendered into pages by `storefront`, published to the custom pixel by static/demo/wpm/manager.js.
Source: @shopify/web-pixels-extension 2.18.0 (Shopify spec 3.2).
"""

from __future__ import annotations

from typing import Any

from gateway.demo.cart import Cart, Line
from gateway.demo.catalogue import CURRENCY, VENDOR, Product, Variant, to_amount
from gateway.demo.checkout import Buyer, Checkout, Order
from gateway.demo.site import SHOP

StandardEvent = tuple[str, dict[str, Any]]
"""Name and data."""


def view_product(product: Product) -> StandardEvent:
    """A product page was opened."""
    return ("product_viewed", {"productVariant": to_variant(product, product.variants[0])})


def view_cart(cart: Cart) -> StandardEvent:
    """The cart page was opened."""
    return ("cart_viewed", {"cart": to_cart(cart)})


def start_checkout(checkout: Checkout) -> StandardEvent:
    """A checkout was entered, for the first time or again."""
    return ("checkout_started", {"checkout": to_checkout(checkout)})


def complete_checkout(order: Order) -> StandardEvent:
    """The order was placed: the first page after it says so, and no other."""
    return ("checkout_completed", {"checkout": to_checkout(order.checkout, order)})


def to_init(cart: Cart | None) -> dict[str, Any]:
    """What a pixel is given at its start, beside the page's context and the visitor's consent."""
    return {
        "customer": None,
        "cart": to_cart(cart) if cart else None,
        "shop": {
            "name": VENDOR,
            "countryCode": "DE",
            "myshopifyDomain": SHOP,
            "paymentSettings": {"currencyCode": CURRENCY},
        },
        "purchasingCompany": None,
    }


def to_cart(cart: Cart) -> dict[str, Any]:
    """The cart. Private attributes are kept from pixels too."""
    attributes = [{"key": key, "value": value} for key, value in cart.attributes.items() if not key.startswith("__")]
    return {
        "id": f"gid://shopify/Cart/{cart.full_token}",
        "lines": [to_cart_line(line) for line in cart.lines],
        "totalQuantity": cart.count,
        "cost": {"totalAmount": to_money(cart.total_cents)},
        "attributes": attributes,
    }


def to_cart_line(line: Line) -> dict[str, Any]:
    """One line of the cart."""
    return {
        "merchandise": to_variant(line.product, line.variant),
        "quantity": line.quantity,
        "cost": {"totalAmount": to_money(line.total_cents)},
    }


def to_checkout(checkout: Checkout, order: Order | None = None) -> dict[str, Any]:
    """The checkout; who buys is known once it has become an order."""
    buyer = order.buyer if order else Buyer()
    address = to_address(buyer) if order else None
    customer = {"id": str(order.customer.id), "isFirstOrder": order.is_first} if order else None
    return {
        "token": checkout.token,
        "order": {"id": str(order.id) if order else None, "customer": customer},
        "email": buyer.email or None,
        "phone": None,
        "currencyCode": CURRENCY,
        "totalPrice": to_money(checkout.total_cents),
        "subtotalPrice": to_money(checkout.total_cents),
        "totalTax": to_money(0),
        "discountsAmount": to_money(0),
        "shippingLine": {"price": to_money(0)},
        "shippingAddress": address,
        "billingAddress": address,
        "lineItems": [to_line_item(line) for line in checkout.lines],
        "attributes": [],
        "transactions": [],
        "discountApplications": [],
    }


def to_line_item(line: Line) -> dict[str, Any]:
    """One line of the checkout."""
    return {
        "id": str(line.variant.id),
        "title": line.product.title,
        "quantity": line.quantity,
        "finalLinePrice": to_money(line.total_cents),
        "discountAllocations": [],
        "properties": [{"key": key, "value": value} for key, value in line.properties.items()],
        "variant": to_variant(line.product, line.variant),
    }


def to_variant(product: Product, variant: Variant) -> dict[str, Any]:
    """A variant and its product."""
    return {
        "id": str(variant.id),
        "sku": variant.sku,
        "title": variant.title,
        "price": to_money(variant.price_cents),
        "image": {"src": product.picture},
        "product": {
            "id": str(product.id),
            "title": product.title,
            "vendor": VENDOR,
            "type": product.kind,
            "url": f"/products/{product.handle}",
        },
    }


def to_address(buyer: Buyer) -> dict[str, Any]:
    """The buyer's address, for billing and delivery alike."""
    return {
        "firstName": buyer.first_name,
        "lastName": buyer.last_name,
        "address1": buyer.address1,
        "address2": None,
        "city": buyer.city,
        "zip": buyer.zip,
        "province": None,
        "provinceCode": None,
        "countryCode": buyer.country_code,
        "phone": buyer.phone or None,
    }


def to_money(cents: int) -> dict[str, Any]:
    """Money as the pixel has it: a number and its currency."""
    return {"amount": to_amount(cents), "currencyCode": CURRENCY}

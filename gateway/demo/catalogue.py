"""What the demo store sells. Shown by `pages`, priced by `cart`, told to TikTok in the words of `to_content`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

CURRENCY = "EUR"
VENDOR = "Acme"


class Variant(Struct, frozen=True):
    """What can be put into a cart. Units: `price_cents` is in cents of CURRENCY, as all of cart.js is."""

    id: int
    title: str
    sku: str
    price_cents: int


class Product(Struct, frozen=True):
    """A product with at least one variant; `tint` colours the ground its picture stands on."""

    id: int
    handle: str
    title: str
    kind: str
    tint: str
    text: str
    variants: tuple[Variant, ...]

    @property
    def price_cents(self) -> int:
        """The price that the first variant has."""
        return self.variants[0].price_cents

    @property
    def picture(self) -> str:
        """The path of its picture."""
        return f"/demo/products/{self.handle}.svg"


CATALOGUE: tuple[Product, ...] = (
    Product(
        8124567301001,
        "morning-mug",
        "Morning Mug",
        "Tableware",
        "sand",
        "Holds exactly one cup of coffee and the first quiet quarter of an hour. Thrown by hand, glazed inside "
        "and out, at home in the dishwasher.",
        (
            Variant(44210987650101, "Chalk", "MUG-CHALK", 1800),
            Variant(44210987650102, "Rust", "MUG-RUST", 1800),
        ),
    ),
    Product(
        8124567301002,
        "garden-teapot",
        "Garden Teapot",
        "Tableware",
        "sage",
        "Four cups, one spout that does not drip, and a lid that stays on. The handle never gets hot.",
        (
            Variant(44210987650201, "Moss", "TEAPOT-MOSS", 5400),
            Variant(44210987650202, "Chalk", "TEAPOT-CHALK", 5200),
        ),
    ),
    Product(
        8124567301003,
        "field-vase",
        "Field Vase",
        "Home",
        "sky",
        "Narrow at the neck, so that three stems from the roadside already look like a bouquet.",
        (Variant(44210987650301, "One size", "VASE", 3900),),
    ),
    Product(
        8124567301004,
        "reading-lamp",
        "Reading Lamp",
        "Light",
        "straw",
        "Warm light for the page and none for the person sleeping beside you. Cotton cable, dimmer in the foot.",
        (
            Variant(44210987650401, "Ochre", "LAMP-OCHRE", 8900),
            Variant(44210987650402, "Ink", "LAMP-INK", 8900),
        ),
    ),
    Product(
        8124567301005,
        "supper-plates",
        "Supper Plates",
        "Tableware",
        "clay",
        "Four plates with a rim just high enough for the last of the sauce.",
        (Variant(44210987650501, "Set of four", "PLATES-4", 7200),),
    ),
    Product(
        8124567301006,
        "market-tote",
        "Market Tote",
        "Textiles",
        "mist",
        "Heavy linen that carries a melon, two loaves and a newspaper, and folds to the size of a letter.",
        (
            Variant(44210987650601, "Natural", "TOTE-NATURAL", 2900),
            Variant(44210987650602, "Ink", "TOTE-INK", 2900),
        ),
    ),
)

_PRODUCTS = {product.handle: product for product in CATALOGUE}
_VARIANTS = {variant.id: (product, variant) for product in CATALOGUE for variant in product.variants}


def find_product(handle: str) -> Product | None:
    """The product at /products/{handle}."""
    return _PRODUCTS.get(handle)


def find_variant(variant_id: int) -> tuple[Product, Variant] | None:
    """The variant of this id and the product it belongs to."""
    return _VARIANTS.get(variant_id)


def to_amount(cents: int) -> float:
    """The amount in whole units, as TikTok and Shopify's pixels have it: 1850 cents are 18.5."""
    return cents / 100


def to_content(product: Product, variant: Variant, quantity: int = 1) -> dict[str, Any]:
    """One entry of `contents`, as a theme writes it for TikTok's Pixel."""
    return {
        "content_id": str(variant.id),
        "content_name": product.title,
        "content_category": product.kind,
        "brand": VENDOR,
        "price": to_amount(variant.price_cents),
        "quantity": quantity,
    }


def to_properties(contents: list[dict[str, Any]], total_cents: int) -> dict[str, Any]:
    """An event's properties, as a theme writes them for TikTok's Pixel."""
    return {
        "content_type": "product",
        "contents": contents,
        "currency": CURRENCY,
        "value": to_amount(total_cents),
    }

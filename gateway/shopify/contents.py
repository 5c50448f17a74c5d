"""What was bought and for how much, in one currency. Called by `orders` and `checkouts`.

The amounts are those the buyer saw (presentment money), wherever Shopify tells them: the browser's copy of the same
event carries them too, and two copies of one Purchase should say the same. Where it does not, they are the shop's own.
Never an amount of one with the currency of the other: each price is taken from the money set in the order's currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

from gateway.model.event import Content, Properties
from gateway.shopify.resources import Basket, Checkout, LineItem, Money, MoneySet, Order

ContentId = Literal["variant", "product", "sku"]


def to_properties(basket: Basket, worth: Money | None, content_id: ContentId) -> Properties:
    """The products and the worth of a basket; of lines without any id, such as tips, no product is made.

    `content_type` says which kind of id the store's catalogue has, so it follows the setting (TikTok spec 2.4).
    """
    currency = worth.currency_code if worth else None
    contents = tuple(_to_contents(basket, currency, content_id))
    return Properties(
        contents=contents,
        content_ids=tuple(dict.fromkeys(one.content_id for one in contents if one.content_id)),
        content_type=("product_group" if content_id == "product" else "product") if contents else None,
        currency=currency.upper() if currency else None,
        value=worth.amount if worth else None,
        num_items=int(sum(one.quantity or 0 for one in contents)) or None,
    )


def find_order_worth(order: Order) -> Money | None:
    """The original total with tax and shipping: as the buyer saw it, else in the shop's currency, else unknown."""
    seen = _whole((order.total_price_set or MoneySet()).presentment_money)
    return seen or _whole(Money(order.total_price, order.currency))


def find_checkout_worth(checkout: Checkout) -> Money | None:
    """The total, unless the shop's currency and the buyer's differ: which of the two it is in, Shopify does not say."""
    if checkout.presentment_currency not in (None, checkout.currency):
        return None
    return _whole(Money(checkout.total_price, checkout.currency))


def _whole(money: Money | None) -> Money | None:
    """The money when it has both its halves."""
    if money and money.currency_code and money.amount is not None and money.amount.is_finite():
        return money
    return None


def _to_contents(basket: Basket, currency: str | None, content_id: ContentId) -> Iterator[Content]:
    for line in basket.line_items or ():
        found = _find_id(line, content_id)
        if found and line.quantity != 0:
            yield Content(
                content_id=found,
                content_name=line.title or None,
                brand=line.vendor or None,
                price=_find_price(line, currency, basket.currency),
                quantity=None if line.quantity is None else Decimal(line.quantity),
            )


def _find_id(line: LineItem, wanted: ContentId) -> str | None:
    """The id of the catalogue's kind, else any other: variant, product, sku."""
    ids = {"variant": line.variant_id, "product": line.product_id, "sku": line.sku}
    found = next(filter(None, (ids[wanted], *ids.values())), None)
    return str(found) if found else None


def _find_price(line: LineItem, currency: str | None, shop_currency: str | None) -> Decimal | None:
    """The price of one piece before discounts, in this currency and no other."""
    told = line.price_set or MoneySet()
    for money in (told.presentment_money, told.shop_money):
        if money and money.currency_code == currency and money.amount is not None:
            return money.amount
    return line.price if currency and currency == shop_currency else None

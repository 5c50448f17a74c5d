"""Who buys: the match keys an order or a checkout carries, and the ways from it back to the visitor.

Called by `orders`, `checkouts` and `customers`. Raw email, phone, names and zip end here.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.model.conversion import BuyerIds
from gateway.model.event import User
from gateway.model.normalise import (
    hash_email,
    hash_external_id,
    hash_name,
    hash_phone,
    hash_zip,
    to_city,
    to_country,
    to_state,
)
from gateway.shopify.resources import Address, Basket, Customer, Order

COMPANION_ATTRIBUTE = "__tg"
"""The cart attribute that holds the visitor's companion. Source: contract 4.6."""

_NOWHERE = Address()


def read_identity(basket: Basket, checkout_token: str | None, user: User) -> BuyerIds:
    """What in this basket may lead to its visitor; `user` is what `read_user` made of it."""
    customer_id = basket.customer.id if basket.customer else None
    return BuyerIds(
        companion=_find_companion(basket),
        cart_token=(basket.cart_token or "").partition("?")[0] or None,
        checkout_token=checkout_token or None,
        customer_id=None if customer_id is None else str(customer_id),
        email=next(iter(user.email), None),
        phone=next(iter(user.phone), None),
    )


def read_user(basket: Basket) -> User:
    """The match keys of the buyer. An order's own email stands before the customer's, which may be an older one.

    Names and place come from one address as a whole, the billing one first: the parcel may go to somebody else.
    """
    customer = basket.customer or Customer()
    billing, shipping = _to_address(basket.billing_address), _to_address(basket.shipping_address)
    home = _to_address(customer.default_address)
    contact_email = basket.contact_email if isinstance(basket, Order) else None
    country = next(filter(None, (one.country_code for one in (shipping, billing, home))), None)
    return _build_user(
        customer,
        place=next((one for one in (billing, shipping, home) if one != _NOWHERE), _NOWHERE),
        emails=(hash_email(raw) for raw in (basket.email, contact_email, customer.email)),
        phones=(hash_phone(one.phone, country) for one in (basket, customer, billing, shipping, home)),
        locale=basket.customer_locale,
    )


def read_customer(customer: Customer) -> User:
    """The match keys of a customer outside any order."""
    home = _to_address(customer.default_address)
    return _build_user(
        customer,
        place=home,
        emails=(hash_email(customer.email),),
        phones=(hash_phone(one.phone, home.country_code) for one in (customer, home)),
    )


def _build_user(
    customer: Customer,
    place: Address,
    emails: Iterable[str | None],
    phones: Iterable[str | None],
    locale: str | None = None,
) -> User:
    """All emails, each once; of the phones the first that is a number, as the others may be somebody else's."""
    external_id = None if customer.id is None else hash_external_id(str(customer.id))
    phone = next(filter(None, phones), None)
    return User(
        email=tuple(dict.fromkeys(filter(None, emails))),
        phone=(phone,) if phone else (),
        external_id=(external_id,) if external_id else (),
        first_name=hash_name(place.first_name or customer.first_name),
        last_name=hash_name(place.last_name or customer.last_name),
        zip_code=hash_zip(place.zip, place.country_code),
        city=to_city(place.city),
        state=to_state(place.province_code or place.province),
        country=to_country(place.country_code),
        locale=locale or None,
    )


def _find_companion(basket: Basket) -> str | None:
    for attribute in basket.note_attributes or ():
        if attribute.name == COMPANION_ATTRIBUTE and isinstance(attribute.value, str) and attribute.value:
            return attribute.value
    return None


def _to_address(said: object) -> Address:
    """The address, or an empty one for none: an old checkout says an empty list."""
    return said if isinstance(said, Address) else _NOWHERE

"""Whom an operator means who says `erase`: read from the command's options, so that raw email and phone end here.

Called by `gateway.cli`; the Person goes on to `gateway.ops.desk`, and `gateway.intake.people` erases it.
"""

from __future__ import annotations

import re

from gateway.errors import CommandError
from gateway.model.normalise import hash_email, hash_phone
from gateway.model.person import Person
from gateway.shopify.storefront import to_numeric_id

_VISITOR_ID = re.compile(r"[0-9a-f]{32}")


def parse_person(email: str | None, phone: str | None, customer: str | None, visitor: str | None) -> Person:
    """Who is meant; several names are one person's. Raises: CommandError for no name, or one that cannot be used."""
    person = Person(
        customer_id=to_numeric_id(customer),
        email=hash_email(email),
        phone=hash_phone(phone, None),
        visitor_id=visitor if visitor and _VISITOR_ID.fullmatch(visitor) else None,
    )
    if email and not person.email:
        raise CommandError("--email: this is no address")
    if phone and not person.phone:
        raise CommandError("--phone: write it with its country code, such as +49 30 123456")
    if customer and not person.customer_id:
        raise CommandError("--customer: this is no customer id of Shopify's, which is a number")
    if visitor and not person.visitor_id:
        raise CommandError("--visitor: a visitor's id has 32 digits of 0-9 and a-f")
    if person == Person():
        raise CommandError("whom? Name them with --email, --phone, --customer or --visitor")
    return person

"""Reads what was typed into the one search box: an order's number or id, an event's, a visitor's id, an email address.

Called by the commands and the dashboard; `gateway.store.search` looks for all that the text may mean. An address ends
here: only its digests go on, and the text is neither stored nor logged.
"""

from __future__ import annotations

import re

from gateway.intake.tokens import Tokens
from gateway.model.normalise import hash_email
from gateway.store.receipt import AnchorKind
from gateway.store.search import Inquiry

LONGEST = 256
"""Characters of the longest thing one can look for: an event id."""

_OWN_ID = re.compile(r"[0-9a-f]{32}")
_GID = re.compile(r"gid://shopify/Order/([0-9]+)")


def parse_inquiry(tokens: Tokens, store_id: str, text: str) -> Inquiry:
    """All that this text may mean in this store; nothing for a text that cannot mean anything."""
    said = text.strip()
    if not said or len(said) > LONGEST or not said.isprintable():
        return Inquiry()
    if "@" in said:
        email = hash_email(said)
        return Inquiry(email=email, anchors=tokens.anchors(store_id, AnchorKind.EMAIL, email))
    gid = _GID.fullmatch(said)
    said = gid[1] if gid else said
    own = (said,) if _OWN_ID.fullmatch(said) else ()
    return Inquiry(
        order_ids=(said,) if said.isascii() and said.isdigit() else (),
        order_names=tuple(dict.fromkeys((said, "#" + said.removeprefix("#")))),
        event_ids=(said,),
        row_ids=own,
        visitor_ids=own,
    )

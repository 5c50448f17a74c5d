"""Event names: TikTok's current ones, and the old ones still found in themes.

Source: TikTok spec 4.1 (read 2026-09). Browser and server must spell a name alike, or the two count twice.
"""

from __future__ import annotations

STANDARD_EVENTS = frozenset({
    "AddPaymentInfo", "AddToCart", "AddToWishlist", "ApplicationApproval", "CompleteRegistration", "Contact",
    "CustomizeProduct", "Download", "FindLocation", "InitiateCheckout", "Lead", "Purchase", "Schedule", "Search",
    "StartTrial", "SubmitApplication", "Subscribe", "ViewContent",
})  # fmt: skip

PAGE_VIEW = "Pageview"
"""What `ttq.page()` emits. It carries no event id, so TikTok cannot deduplicate it."""

INITIATE_CHECKOUT = "InitiateCheckout"
"""The one event whose id the browser cannot always make as the shop does: see `gateway.store.checkout_twins`."""

_RENAMED = {"CompletePayment": "Purchase", "SubmitForm": "Lead", "PageView": PAGE_VIEW}


def to_current_name(name: str) -> str:
    """The name TikTok uses today for this event; custom names stay as they are."""
    return _RENAMED.get(name, name)

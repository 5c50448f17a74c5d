"""What a week of shoppers' events says: whether their consent reaches the gateway, and whether the Pixel loads."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.outcome import Dropped
from gateway.model.words import DROPS
from gateway.ops.doctor.findings import Finding, ok, warn
from gateway.settings import StoreSettings
from gateway.store.vitals import Vitals

_MEND_CONSENT: Mapping[str, str] = {
    "shopify": "see that the store's banner tells Shopify (Shopify admin > Settings > Customer privacy)",
    "required": "see that the page calls tg('consent', {marketing: true}) once the visitor agrees",
    "granted": "see whether anything but the visitors' choice calls tg('consent', {marketing: false})",
}
_MEND_PIXEL = (
    "if it is blocked in your own browser too, let the store's Content-Security-Policy and its consent tool load "
    "analytics.tiktok.com; what visitors block themselves, the gateway reports"
)


def check_consent(vitals: Vitals, shop: StoreSettings) -> Finding | None:
    """Whether most events come with consent; None where none came."""
    total = vitals.taken + vitals.unconsented
    if not total:
        return None
    sentence = f"{vitals.unconsented:,} of the last week's {total:,} events were dropped: {DROPS[Dropped.CONSENT]}"
    if vitals.unconsented > vitals.taken:
        return warn("consent", sentence, _MEND_CONSENT[shop.consent])
    return ok("consent", sentence)


def check_pixel(vitals: Vitals) -> Finding | None:
    """Whether the browser's Pixel loads for most; None where no page told of one."""
    total = vitals.fired + vitals.blocked
    if not total:
        return None
    sentence = f"the browser's Pixel was blocked for {vitals.blocked:,} of the last week's {total:,} events of pages"
    if vitals.blocked > vitals.fired:
        return warn("pixel", f"{sentence}, so only the gateway reported them", _MEND_PIXEL)
    return ok("pixel", sentence)

"""Shopify's webhooks: a signed one is taken, a forged one refused, and some have come."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode

from gateway.model.words import WEBHOOKS_REFUSED
from gateway.ops.doctor.findings import Finding, fail, ok, tell_duration, warn
from gateway.ops.doctor.network import Door, Unreachable
from gateway.settings import ShopifySettings
from gateway.store.vitals import Vitals

PATH = "/webhooks/shopify"
QUIET_S = 7 * 86_400
"""After so long without a webhook, even a small shop has lost them."""

_BODY = json.dumps({"token": "tag-gateway-doctor", "line_items": []}).encode()
"""An empty cart, which triggers nothing and is kept nowhere."""


async def check_webhooks(door: Door, shop: ShopifySettings | None) -> Finding:
    """Whether webhooks with each of the shop's secrets are taken at the public address, and no others."""
    if shop is None:
        return warn(
            "webhooks", "there is no [stores.shopify] table, so none is taken", "fill the table in, then restart"
        )
    try:
        statuses = [await _send(door, secret.get_secret_value()) for secret in shop.webhook_secrets]
        forged = await _send(door, "somebody else's")
    except Unreachable as trouble:
        return fail("webhooks", f"none reaches the gateway: {trouble}", "let the proxy pass POST requests as they are")
    if forged != 401:
        return fail(
            "webhooks", f"a forged one is answered HTTP {forged}, not 401", "let the proxy pass it to the gateway"
        )
    if 401 in statuses:
        return fail(
            "webhooks",
            "the gateway refuses one that is signed with webhook_secrets as they are in the file",
            "restart the gateway, which has other secrets; if it did not help, something rewrites bodies on their way",
        )
    if wrong := [status for status in statuses if status != 200]:
        return fail("webhooks", f"a signed one is answered HTTP {wrong[0]}", f"see that {PATH} reaches the gateway")
    return ok("webhooks", "a signed one is taken, a forged one refused")


async def _send(door: Door, secret: str) -> int:
    """The status of one that names no shop: what is refused in the shop's name would count as Shopify's own."""
    seal = b64encode(hmac.digest(secret.encode(), _BODY, "sha256")).decode()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": "carts/update",
        "X-Shopify-Hmac-Sha256": seal,
    }
    return (await door.request("POST", PATH, _BODY, headers)).status


def check_deliveries(vitals: Vitals, now_ms: int) -> Finding:
    """Whether Shopify itself was heard: only that shows that the secret is the shop's."""
    if vitals.are_webhooks_refused:
        sentence, _, mend = WEBHOOKS_REFUSED.partition(". ")
        return fail("shopify deliveries", sentence, mend[0].lower() + mend[1:].rstrip("."))
    if vitals.last_webhook_ms is None:
        return warn(
            "shopify deliveries",
            "no webhook of Shopify's has been taken yet",
            "add them as `tag-gateway install` says; if they are there, the secret shown below their list in Shopify "
            "admin > Settings > Notifications > Webhooks must be one of webhook_secrets",
        )
    age_s = max(0, now_ms - vitals.last_webhook_ms) / 1000
    sentence = f"the last webhook of Shopify's came {tell_duration(age_s)} ago"
    if age_s > QUIET_S:
        mend = "if there were orders since, see that the webhooks still exist: Shopify deletes those that fail for long"
        return warn("shopify deliveries", sentence, mend)
    return ok("shopify deliveries", sentence)


def check_sources(vitals: Vitals, shop: ShopifySettings) -> Finding:
    """Whether the orders of the last week count, as far as `sources` and `purchase_trigger` decide it."""
    total = sum(vitals.orders.values())
    elsewhere, waiting = vitals.orders.get("order_source", 0), vitals.orders.get("not_the_trigger", 0)
    if elsewhere * 2 > total:
        return warn(
            "purchases",
            f"{elsewhere} of the last week's {total} orders came from sources that do not count",
            f"add them to sources (now {', '.join(shop.sources)}) if ads can have led to them",
        )
    if waiting * 2 > total:
        return warn(
            "purchases",
            f"{waiting} of the last week's {total} orders wait for {shop.purchase_trigger}, which has not come",
            f"add the webhook {shop.purchase_trigger}, or set purchase_trigger to the one that comes",
        )
    return ok("purchases", f"orders of {', '.join(shop.sources)} count, {total} were heard of in the last week")

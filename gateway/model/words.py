"""What the gateway's own words mean, one plain sentence each: the only place where they are explained to a merchant.

Read by `gateway.model.telling`, the commands and the dashboard; a test asks for every word there is.
"""

from __future__ import annotations

from gateway.model.browser import Browser
from gateway.model.conversion import Reason
from gateway.model.event import PixelState, Source
from gateway.model.outcome import Dropped, Fate

FATES = {
    Fate.ACCEPTED: "TikTok accepted it.",
    Fate.REJECTED: "It was refused for good and does not count; once the cause is mended it can be replayed.",
    Fate.EXPIRED: "It was not sent in time, and sending it late could count it twice or not at all.",
    Fate.WITHDRAWN: "It was not sent, because the visitor withdrew consent while it waited.",
    Fate.NOT_SENT: "It was deliberately not sent.",
    None: "It is on its way: it waits to be sent.",
}

REASONS = {
    Reason.SAMPLE: 'it is the sample order of Shopify\'s "Send test", which nobody placed',
    Reason.TEST_ORDER: "it was paid through a payment provider in test mode",
    Reason.ORDER_SOURCE: "it came from a sales channel that is not in `sources`, such as point of sale or a draft",
    Reason.CANCELLED: "it was cancelled before it was told",
    Reason.NOT_THE_TRIGGER: "Shopify has told of it, but not yet under the topic that `purchase_trigger` names",
    Reason.UNPAID: "Shopify told it as paid, and it is not paid",
    Reason.ZERO_VALUE: "it is worth nothing: an exchange, a gift or a replacement",
    Reason.NO_ACCOUNT: "the customer has no account: a guest's order or a newsletter made the record",
    Reason.NO_PIXEL: "no configured pixel takes this event",
    Reason.NO_CONSENT: "its visitor is not known, or did not allow it",
    Reason.ERASED: "its person was erased",
}
"""Why nothing was sent of something that Shopify told: after "Not sent, because"."""

DROPS = {
    Dropped.CONSENT: "no consent was given, or it was refused",
    Dropped.BOT: "a crawler sent it",
    Dropped.PAGE_VIEW: "the Pixel reported this page view itself, and TikTok cannot tell two page views apart",
    Dropped.DUPLICATE: "it was received before, and has left already",
    Dropped.NO_PIXEL: "no configured pixel takes this event",
    Dropped.SIGNATURE: "a webhook's signature fits none of `webhook_secrets`",
}
"""Why something was not kept: after "Dropped, because"."""

SOURCES = {
    Source.BEACON: "the store's page told it",
    Source.PIXEL: "Shopify's custom pixel told it",
    Source.WEBHOOK: "Shopify's webhook told it",
    Source.RECONCILE: "it was found missing among Shopify's orders",
    Source.TEST: "it is a test event",
}

PIXEL_STATES = {
    PixelState.FIRED: "the browser's Pixel reported it too; TikTok counts the two once",
    PixelState.BLOCKED: "the browser's Pixel was blocked, so only the gateway reported it",
    PixelState.ABSENT: "the page had no Pixel, so only the gateway reported it",
    PixelState.OFF: "the Pixel is not used, so only the gateway reported it",
}

WAYS = {
    "signed": "by our signed cookie, or its companion in the cart",
    "first": "by the first visit, of which another message was on its way",
    "cart": "by the cart",
    "checkout": "by the checkout",
    "client": "by the custom pixel's client id",
    "customer": "by the customer's id in Shopify",
    "email": "by the digest of the email address",
    "phone": "by the digest of the phone number",
    "twin": "by the same event, told another way before",
    "new": "nobody was found, so a new visitor was made",
}
"""How a visitor was found (`gateway.store.receipt.FoundBy`)."""

BROWSERS = {
    Browser.CHROME: "Chrome",
    Browser.SAFARI: "Safari on a Mac",
    Browser.SAFARI_IOS: "Safari on iPhone or iPad",
    Browser.FIREFOX: "Firefox",
    Browser.EDGE: "Edge",
    Browser.SAMSUNG: "Samsung Internet",
    Browser.TIKTOK: "TikTok's app",
    Browser.META: "Instagram's or Facebook's app",
    Browser.OTHER: "another browser",
    Browser.UNKNOWN: "no browser known",
}

WEBHOOKS_REFUSED = (
    "Shopify's webhooks are refused: their signature fits none of `webhook_secrets`. Copy the secret that stands below "
    "their list in Shopify admin > Settings > Notifications > Webhooks, then restart."
)

PIXEL_REFUSED = "TikTok refuses the pixel's access token, and it waits until `access_token` is a valid one."

NOTHING_COUNTS = "nothing of pixel {} counts before {}: a test_event_code is set"
AS_A_TEST = "as a test event, which does not count"
"""Why an accepted event is worth nothing; kept with it, as no later look at the settings could tell."""

VERDICTS = {
    "accepted": "accepted",
    "snooze": "asked to wait",
    "retry": "trouble, to be tried again",
    "reject": "refused",
    "pause": "credentials refused",
}
"""What TikTok's answer came to (`gateway.tiktok.answers.Verdict`)."""

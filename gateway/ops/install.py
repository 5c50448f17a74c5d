"""What to paste where, so that a store and its gateway find each other: the steps `tag-gateway install` prints.

Called by the command with the loaded settings; offline, changes nothing. The theme tag and the custom pixel are
rendered here from templates/: both hold public values only.
"""

from __future__ import annotations

import json
from html import escape

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from gateway.files import TEMPLATES
from gateway.settings import Settings, StoreSettings
from gateway.shopify.storefront import EVENT_NAMES, IDENTITY_EVENTS

CHECKOUT_EVENTS = ("checkout_started", "payment_info_submitted", "checkout_completed")
"""The standard events that the custom pixel reports; those of the storefront are the theme tag's."""

_TOPICS = {
    "orders/create": "Order creation",
    "orders/paid": "Order payment",
    "orders/updated": "Order update",
    "orders/cancelled": "Order cancellation",
    "refunds/create": "Refund create",
    "checkouts/create": "Checkout creation",
    "checkouts/update": "Checkout update",
    "customers/create": "Customer creation",
}
"""Webhook topics, and what Shopify's admin calls them."""

_TRIGGERS = {"orders/create", "orders/paid"}
"""Of these two only the one that means a purchase is of use."""


class Step(Struct, frozen=True):
    """One thing to do: `text` is pasted or entered at `where`, to the letter. `warnings` are whole sentences."""

    title: str
    where: str
    text: str
    warnings: tuple[str, ...] = ()


def build_install(settings: Settings, store: StoreSettings) -> list[Step]:
    """Everything to do for this store, in the order in which to do it."""
    return [
        _point_dns(store),
        _paste_theme_tag(store),
        _paste_custom_pixel(store),
        _add_webhooks(store),
        _stop_twins(store),
        _write_ad_url(store),
        _look_after(settings, store),
    ]


def render_theme_tag(store: StoreSettings) -> str:
    """The Liquid to paste into the theme."""
    script_url = _escape_liquid(_to_url(store, store.script_path))
    return _render("theme_tag.liquid.j2", store_id=_escape_liquid(store.id), script_url=script_url)


def render_custom_pixel(store: StoreSettings) -> str:
    """The JavaScript to paste as a custom pixel."""
    reported = {name: EVENT_NAMES[name] for name in CHECKOUT_EVENTS} | dict.fromkeys(IDENTITY_EVENTS)
    config = {
        "url": _to_url(store, f"{store.collect_path}/px"),
        "origin": store.origins[0],
        "domain": store.cookie_domain,
        "params": store.click_params,
        "consent": store.consent,
        "mode": store.pixel_mode,
        "codes": [pixel.code for pixel in store.pixels] if store.pixel_mode == "drive" else [],
        "content": store.shopify.content_id if store.shopify else "variant",
        "steps": reported,
    }
    is_driven = store.pixel_mode == "drive"
    return _render(
        "custom_pixel.js.j2", store_id=_to_literal(store.id)[1:-1], config=_to_literal(config), is_driven=is_driven
    )


def _render(name: str, **values: str | bool) -> str:
    """Jinja in square marks: the curly ones belong to Liquid and JavaScript. What goes in is escaped by the caller."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - neither HTML nor fit for its escapes
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    return environment.get_template(name).render(values)


def _to_literal(value: object) -> str:
    """The value as JavaScript, in one line: ASCII, and nothing that HTML would read."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c")


def _escape_liquid(text: str) -> str:
    """The text as it may stand in an attribute of a Liquid file: neither HTML nor Liquid finds a mark of its own."""
    return escape(text).replace("{", "&#123;").replace("%}", "%&#125;")


def _to_url(store: StoreSettings, path: str) -> str:
    return f"https://{store.hosts[0]}{path}"


def _point_dns(store: StoreSettings) -> Step:
    records = [f"{host}.    A       <this server's IPv4 address>" for host in store.hosts]
    records += [f"{host}.    AAAA    <this server's IPv6 address, if it has one>" for host in store.hosts]
    return Step(
        "Point the gateway's name at this server",
        f"where the DNS of {store.cookie_domain} is managed; for a domain bought at Shopify: Settings > Domains",
        "\n".join(records),
        (
            "Safari grants cookies seven days, counted anew from each visit; the click itself is safe on the server.",
            "No CNAME to a name of another domain: Safari shortens cookies for it too, and some blockers follow it.",
        ),
    )


def _paste_theme_tag(store: StoreSettings) -> Step:
    modes = {
        "mirror": "TikTok's Pixel stays in the theme as it is: what it reports is mirrored and not reported again.",
        "drive": "Take every other TikTok Pixel out of the theme: the snippet loads it (pixel_mode is drive).",
        "off": "A TikTok Pixel on the page goes unseen, and what both report counts twice (pixel_mode is off).",
    }
    return Step(
        "Paste the theme tag",
        "Shopify admin > Online Store > Themes > ... > Edit code > layout/theme.liquid, right below <head>",
        render_theme_tag(store),
        (
            modes[store.pixel_mode],
            "It reports page views, ViewContent, Search, AddToCart and InitiateCheckout. From there on the custom "
            "pixel and the webhooks report, which know the checkout; what both tell becomes one event.",
            "Paste it again whenever another theme is published.",
        ),
    )


def _paste_custom_pixel(store: StoreSettings) -> Step:
    permissions = {
        "shopify": "Permission: Required, Marketing.",
        "required": "Permission: Not required. It sends only for visitors who said yes to your own banner.",
        "granted": "Permission: Not required, as consent is granted: make sure that the law where you sell agrees.",
    }
    drives = "It also loads TikTok's Pixel in the checkout: no other app may report the checkout to this pixel."
    return Step(
        "Paste the custom pixel",
        "Shopify admin > Settings > Customer events > Add custom pixel; name it tag-gateway, Save, then Connect",
        render_custom_pixel(store),
        (
            permissions[store.consent],
            "Data sale: as your lawyers say. Whoever opted out is reported with limited data use either way.",
            *([drives] if store.pixel_mode == "drive" else []),
            "Some blockers stop every custom pixel: orders reach TikTok through the webhooks all the same.",
            "Paste it again after a change of host, paths, consent, pixel_mode, pixels or content_id.",
        ),
    )


def _add_webhooks(store: StoreSettings) -> Step:
    trigger = store.shopify.purchase_trigger if store.shopify else "orders/paid"
    address = _to_url(store, "/webhooks/shopify")
    lines = [f"{name:<20}{topic:<19}{address}" for topic, name in _TOPICS.items() if topic not in _TRIGGERS - {trigger}]
    missing = "Webhooks are refused until the store has a [stores.shopify] table with shop and webhook_secrets."
    return Step(
        "Add the webhooks",
        "Shopify admin > Settings > Notifications > Webhooks > Create webhook, one for each line; JSON, newest version",
        "\n".join(lines),
        (
            *([] if store.shopify else [missing]),
            "Below the list stands the secret that signs them: it goes into webhook_secrets, not an app's own.",
            "Shopify deletes a webhook that fails for long: after an outage see that all are still there, then run "
            "`tag-gateway reconcile --send`.",
        ),
    )


def _stop_twins(store: StoreSettings) -> Step:
    return Step(
        "Turn off what would count twice",
        "Shopify admin > Apps > TikTok, and every other app that reports to TikTok",
        f"Data sharing: off, or with another pixel than {', '.join(pixel.code for pixel in store.pixels)}",
        (
            "Left on, TikTok's own app makes every purchase count twice: its events have ids that nobody else knows, "
            "so TikTok cannot tell that they are the same.",
        ),
    )


def _write_ad_url(store: StoreSettings) -> Step:
    name = next((name for name in store.click_params if name != "ttclid"), store.click_params[0])
    waits = "Until a visitor's consent is known it keeps nothing, and the click travels on in the address."
    is_early = store.consent == "granted" or store.go_without_consent
    return Step(
        "Let ads land through the gateway",
        "TikTok Ads Manager > the ad > Destination page",
        _to_url(store, f"/go?to=/products/YOUR-PRODUCT&{name}=__CLICKID__&utm_source=tiktok"),
        (
            f"uBlock Origin and Brave strip ttclid from an ad's address; {name} passes.",
            "Cookies set on such a landing live longest in Safari.",
            *([] if is_early else [waits]),
            "Begin with one ad: TikTok reviews where an address leads.",
        ),
    )


def _look_after(settings: Settings, store: StoreSettings) -> Step:
    option = f" --store {store.id}" if len(settings.stores) > 1 else ""
    commands = ("tag-gateway test-event --code TEST12345", "tag-gateway doctor", "tag-gateway reconcile --since 1d")
    return Step(
        "See that it works",
        "a terminal on this server; the code is the one in Events Manager > your pixel > Test Events",
        "\n".join(command + option for command in commands),
        (
            "The doctor names each mistake with its mend; run it again after every change.",
            "For an hour, set test_event_code and test_event_code_until: what you do in the shop then shows in Events "
            "Manager > your pixel > Test Events while that page is open, and does not count.",
        ),
    )

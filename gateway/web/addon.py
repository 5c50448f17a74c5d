"""GET {script_path without .js}.s.js: the snippet's add-on for Shopify's pages, built and served as the snippet is.

A file of its own, so that the snippet stays small where there is no Shopify. The source is static/shopify.js; the
snippet loads it, and the two talk through `tg` alone. Registered by `gateway.app` for stores that have a path for it.
"""

from __future__ import annotations

from functools import cached_property

from gateway.settings import StoreSettings
from gateway.web.answers import Receive, Scope, Send, send_answer
from gateway.web.snippet import Snippet, answer_snippet, build_script, find_addon_path, to_literal

__all__ = ["ADDON_BUDGET_BYTES", "AddonEndpoint", "build_addon", "find_addon_path", "to_addon_config"]

ADDON_BUDGET_BYTES = 3_200
"""What the add-on may weigh on the wire, in brotli."""


def build_addon(store: StoreSettings) -> Snippet:
    """The add-on of this store in every coding."""
    return build_script("shopify.js", to_addon_config(store))


def to_addon_config(store: StoreSettings) -> str:
    """What the add-on must know of its store, as a JavaScript literal: all of it public."""
    return to_literal(
        {
            "consent": store.consent == "shopify",
            "mirror": store.pixel_mode == "mirror",
            "content": store.shopify.content_id if store.shopify else "variant",
        }
    )


class AddonEndpoint:
    """Serves one store's add-on. It sets no cookie and reads none: caches may keep it."""

    def __init__(self, store: StoreSettings) -> None:
        self._store = store

    @cached_property
    def _addon(self) -> Snippet:
        return build_addon(self._store)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, answer_snippet(self._addon, scope))

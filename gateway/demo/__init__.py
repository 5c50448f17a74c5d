"""`make demo`: the whole product on loopback, with a store to shop in, shoppers that do, and a TikTok that checks.

`run` is the command. `stage` puts everything up on one port: the gateway as `gateway.app` builds it, the demo store,
and `fake_tiktok` on a port of its own. `script` lets four `shopper`s loose, each in a `browser` whose `page_scripts`
say what the gateway's own would. `tap` overhears both ends of the gateway, `hearing` understands what was said,
`report` prints every event's way, and `verdict` says whether TikTok accepted exactly what it should have.

The store has Shopify's shape. `storefront` has the theme's `pages` over the `catalogue` and the `cart` with its
`cart_api`; `checkout_pages` have no theme code, only the custom pixel in its sandbox, which hears `standard_events`;
what becomes of a `checkout` is told by `webhooks`, with the bodies of `orders`. Imported by `gateway.cli` alone.
"""

"""`make demo`: the whole product on loopback, with a store to shop in, shoppers that do, and a TikTok that checks.

`run` is the command. `stage` puts everything up on one port: the gateway as `gateway.app` builds it, the demo store
(`storefront`, with `catalogue`, `cart`, `checkout` and `pages`), and `fake_tiktok` on a port of its own. `script` lets
three `shopper`s loose, each in a `browser` that speaks what the snippet speaks. `tap` overhears both ends of the
gateway, `report` prints every event's way, and `verdict` says whether TikTok accepted exactly what it should have.
Imported by `gateway.cli` alone.
"""

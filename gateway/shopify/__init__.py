"""What Shopify tells, and what it means: signed webhooks, the Admin API, the storefront's own event names.

A webhook's way: `signature` says who sent it, `webhook` what it is (one of `resources`), and then `orders`, `checkouts`
or `customers` make a Conversion of it, or say why nothing is sent; `reversals` and `compliance` read the rest. An order
that no webhook brought comes the other way, through `admin_api`, as the same Order. Nothing here knows HTTP requests of
ours or the database: `gateway.web` and `gateway.ops` call in, and store what they are given.
"""

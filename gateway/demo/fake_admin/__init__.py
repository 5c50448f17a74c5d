"""A Shopify Admin API for demonstrations and tests: tokens that end, pages, costs, and refusals like the real one's.

A real HTTP server on loopback, fed with orders in the shape of webhooks, so that one order can come both ways. `orders`
turns them into GraphQL's shape, `graphql` answers with exactly the fields asked for, `server` puts them together.
"""

from gateway.demo.fake_admin.server import DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, FakeAdmin

__all__ = ["DEMO_CLIENT_ID", "DEMO_CLIENT_SECRET", "FakeAdmin"]

"""Looks at a whole installation from the visitors' side, from inside, and from TikTok's and Shopify's.

`rounds` runs the checks, which stand beside it one function each: `names` (DNS and cookie life), `door` (certificate,
script), `visits` (cookies, client address), `webhooks`, `accounts` (TikTok, Shopify, clock) and `inside` (process,
database, disk). `network` is the way that visitors come. Each gives a Finding; none changes anything that lasts.
Called by `gateway.cli`, shown by `chart`.
"""

from gateway.ops.doctor.findings import Finding, Status
from gateway.ops.doctor.network import Network
from gateway.ops.doctor.rounds import examine

__all__ = ["Finding", "Network", "Status", "examine"]

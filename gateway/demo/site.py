"""The demo's names: one port, told apart by the Host header. `*.localhost` is this machine in every browser.

Source: RFC 6761, section 6.3. Programs other than browsers may not know these names: they connect to 127.0.0.1 and send
the Host header.
"""

from __future__ import annotations

from msgspec import Struct

DOMAIN = "acme.localhost"
STORE_HOST = f"www.{DOMAIN}"
GATEWAY_HOST = f"t.{DOMAIN}"
SHOP = "acme-demo.myshopify.com"
SCRIPT_PATH = "/a7/w.js"
COLLECT_PATH = "/a7/q"


class Site(Struct, frozen=True):
    """Where the demo store and its gateway are reached; `pixel_code` is the code of TikTok's Pixel."""

    port: int
    pixel_code: str

    @property
    def store_url(self) -> str:
        """The demo store's origin."""
        return f"http://{STORE_HOST}:{self.port}"

    @property
    def gateway_url(self) -> str:
        """The gateway's origin."""
        return f"http://{GATEWAY_HOST}:{self.port}"

    @property
    def admin_url(self) -> str:
        """The gateway's dashboard."""
        return self.gateway_url + "/admin/"

    @property
    def script_url(self) -> str:
        """The snippet."""
        return self.gateway_url + SCRIPT_PATH

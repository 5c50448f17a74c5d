"""Configurations to start from, and what makes a wrong one of them."""

from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings, parse_settings

KEY = "k" * 32

MINIMAL = f"""
[security]
secret_keys = ["{KEY}"]

[[stores]]
id = "acme"
host = "t.acme.com"
origins = ["https://www.acme.com", "https://acme.com"]
cookie_domain = "acme.com"
script_path = "/a7/w.js"
collect_path = "/a7/q"

[[stores.pixels]]
code = "C0ABCDEFGHIJKLMNOPQR"
access_token = "${{TIKTOK_TOKEN}}"
"""

SECOND_STORE = """
[[stores]]
id = "bolt"
host = ["t.bolt.com", "m.bolt.com"]
origins = ["https://bolt.com"]
cookie_domain = "bolt.com"
script_path = "/b2/w.js"
collect_path = "/b2/q"
[[stores.pixels]]
code = "C0BBBBBBBBBBBBBBBBBB"
access_token = "token"
"""

SHOPIFY = """
[stores.shopify]
shop = "acme.myshopify.com"
webhook_secrets = ["hush"]
"""

CONTRACT = """
[server]
host = "127.0.0.1"
port = 8080
rate_limit = "50/second"
trusted_proxies = ["127.0.0.1", "::1"]

[storage]
url = "sqlite:///data/gateway.db"

[security]
secret_keys = ["${KEY_NEW}", "${KEY_OLD}"]
admin_password_hash = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
admin_hosts = ["localhost", "127.0.0.1"]
metrics_token = ""

[delivery]
api_base = "https://business-api.tiktok.com"
linger_s = 1.0
purchase_hold_s = 45
max_age_h = 168

[retention]
visitors_days = 400
events_days = 90
ip_days = 30

[alerts]
webhook_url = ""

[[stores]]
id = "acme"
host = "t.acme.com"
origins = ["https://www.acme.com", "https://acme.com"]
cookie_domain = "acme.com"
script_path = "/a7/w.js"
collect_path = "/a7/q"
click_params = ["ttclid", "tc"]
consent = "shopify"
pixel_mode = "mirror"
bots = "drop"
go_without_consent = false
mint_ttp = false

[[stores.pixels]]
code = "C0ABCDEFGHIJKLMNOPQR"
access_token = "${TIKTOK_TOKEN}"
test_event_code = ""
test_event_code_until = ""
events = []

[stores.shopify]
shop = "acme.myshopify.com"
webhook_secrets = ["hush"]
purchase_trigger = "orders/paid"
content_id = "variant"
sources = ["web"]
client_id = ""
client_secret = ""
admin_token = ""
api_base = "https://acme.myshopify.com"
"""

ENV = {"TIKTOK_TOKEN": "tok-123", "KEY_NEW": "n" * 40, "KEY_OLD": "o" * 40}


def load(text: str, **env: str) -> Settings:
    return parse_settings(text, Path("/etc/acme"), ENV | env)


def faults_of(text: str, **env: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(text, **env)
    return list(caught.value.faults)


def with_line(old: str, new: str, text: str = MINIMAL) -> str:
    """The text with one line changed; fails when there is no such line, so that no test passes by a misspelling."""
    assert old in text
    return text.replace(old, new)


def in_table(table: str, line: str) -> str:
    """The minimal file with one more line in this table, which is opened when it is not there."""
    return with_line(table, f"{table}\n{line}") if table in MINIMAL else f"{table}\n{line}\n{MINIMAL}"

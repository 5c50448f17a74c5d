"""Everything wrong with a file is told at once, each with its path and the mend."""

import re
from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.settings import parse_settings
from gateway.settings.values import is_loopback
from tests.settings.samples import KEY, MINIMAL, SECOND_STORE, SHOPIFY, faults_of, in_table, load, with_line


def test_all_faults_are_told_at_once_whatever_their_kind():
    text = MINIMAL + SECOND_STORE
    for old, new in {
        KEY: "short",
        'id = "acme"': 'id = "acme"\nconsnt = "granted"',
        "[[stores]]\n": "[[stores]]\nbots = 7\n",
        'cookie_domain = "acme.com"': 'cookie_domain = "other.com"',
        '"t.bolt.com"': '"t.acme.com"',
        'cookie_domain = "bolt.com"': 'cookie_domain = "acme.com"',
    }.items():
        text = with_line(old, new, text)

    assert faults_of("[server]\nprot = 1\n" + text, TIKTOK_TOKEN="") == [
        "server.prot: unknown key; did you mean port?",
        "security.secret_keys[0]: is shorter than 32 bytes; "
        "make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
        "stores[0].cookie_domain: does not cover t.acme.com; write a domain that ends host and origins alike",
        "stores[0].bots: must be 'drop' or 'keep'",
        "stores[0].pixels[0].access_token: is empty; "
        "write the secret, or ${NAME} of the environment variable that holds it",
        "stores[0].consnt: unknown key; did you mean consent?",
        "stores[1].cookie_domain: does not cover m.bolt.com; write a domain that ends host and origins alike",
        "stores[1].bots: must be 'drop' or 'keep'",
        "stores[1].host[0]: is the same as stores[0].host; each needs its own",
    ]


def test_an_unset_variable_is_one_fault_that_names_it():
    with pytest.raises(SettingsError) as caught:
        parse_settings(MINIMAL, Path(), {})

    assert caught.value.faults == (
        "stores[0].pixels[0].access_token: ${TIKTOK_TOKEN} is not set; export it before starting",
    )


def test_a_variable_inside_a_longer_value_is_a_fault():
    text = in_table("[storage]", 'url = "postgresql://user:${DB_PASS}@db/gateway"')

    assert faults_of(text) == ["storage.url: ${DB_PASS} must be the whole value; put all of it into one variable"]


def test_a_missing_setting_says_what_to_write():
    (fault,) = faults_of(with_line('script_path = "/a7/w.js"\n', ""))

    assert fault.startswith("stores[0].script_path: is missing: Where the snippet is served")


def test_an_empty_file_asks_for_the_two_tables_it_needs():
    assert [fault.partition(":")[0] for fault in faults_of("")] == ["security", "stores"]


def test_a_key_in_the_wrong_table_is_sent_home():
    assert faults_of('rate_limit = "5/second"\n' + MINIMAL) == [
        "rate_limit: unknown key; it belongs in [server]",
    ]


def test_a_key_like_no_other_is_to_be_removed():
    assert faults_of(in_table("[server]", "zzz = 1")) == ["server.zzz: unknown key; remove it"]


@pytest.mark.parametrize(
    ("table", "line", "fault"),
    [
        ("[server]", "port = 70000", "server.port: must be 65535 or less"),
        ("[server]", "port = -1", "server.port: must be 0 or more"),
        ("[server]", 'port = "many"', "server.port: must be a whole number"),
        ("[server]", "port = 80.5", "server.port: must be a whole number"),
        ("[server]", "port = []", "server.port: must be a whole number"),
        ("[server]", "host = 1", "server.host: must be text in quotes"),
        ("[server]", 'host = "http://x"', "server.host: must be an address to listen on"),
        ("[server]", 'rate_limit = "fast"', "server.rate_limit: must be a rate such as 50/second or 1000/minute"),
        ("[server]", 'rate_limit = "0/second"', "server.rate_limit: must be a rate such as 50/second or 1000/minute"),
        ("[server]", "trusted_proxies = 1", "server.trusted_proxies: must be a list"),
        (
            "[server]",
            'trusted_proxies = ["*"]',
            "server.trusted_proxies[0]: '*' would let any visitor forge an address",
        ),
        ("[server]", 'trusted_proxies = "*"', "server.trusted_proxies: '*' would let any visitor forge an address"),
        ("[server]", 'trusted_proxies = ["::/0"]', "server.trusted_proxies[0]: trusts everyone"),
        ("[server]", 'trusted_proxies = ["caddy"]', "server.trusted_proxies[0]: must be an address or a network"),
        ("[server]", 'trusted_proxies = ["10.0.0.1/8"]', "server.trusted_proxies[0]: must be an address or a network"),
        ("[storage]", 'url = "mysql://db/x"', "storage.url: must be sqlite:///path/to/gateway.db or postgresql://"),
        ("[storage]", 'url = "sqlite://"', "storage.url: must name a file"),
        ("[storage]", 'url = "sqlite:///:memory:"', "storage.url: must name a file"),
        (
            "[security]",
            'admin_password_hash = "hunter2"',
            "security.admin_password_hash: must be what `tag-gateway pass",
        ),
        ("[security]", 'metrics_token = "two words"', "security.metrics_token: holds a space"),
        ("[delivery]", 'linger_s = "soon"', "delivery.linger_s: must be a number"),
        ("[delivery]", "linger_s = []", "delivery.linger_s: must be a number"),
        ("[delivery]", "linger_s = inf", "delivery.linger_s: must be a finite number"),
        ("[delivery]", "max_age_h = 0", "delivery.max_age_h: must be more than 0"),
        ("[delivery]", "max_age_h = 673", "delivery.max_age_h: must be 672 or less"),
        ("[delivery]", 'api_base = "http://tiktok.com"', "delivery.api_base: must start with https://"),
        ("[delivery]", 'api_base = "https://x.com/?a=1"', "delivery.api_base: must be an address such as https://busi"),
        ("[delivery]", 'api_base = "tiktok.com"', "delivery.api_base: must be an address such as https://busi"),
        ("[delivery]", 'api_base = "https://[x"', "delivery.api_base: must be an address such as https://busi"),
        ("[retention]", "ip_days = 0", "retention.ip_days: must be more than 0"),
        ("[alerts]", 'webhook_url = "hooks"', "alerts.webhook_url: must be an address"),
        ("[alerts]", 'webhook_url = "http://hooks.io/x"', "alerts.webhook_url: must start with https://"),
        ("[[stores]]", "mint_ttp = 7", "stores[0].mint_ttp: must be true or false"),
        ("[[stores]]", "mint_ttp = []", "stores[0].mint_ttp: must be true or false"),
        ("[[stores]]", 'consent = "maybe"', "stores[0].consent: must be 'shopify', 'required' or 'granted'"),
        ("[[stores]]", 'pixel_mode = "both"', "stores[0].pixel_mode: must be 'mirror', 'drive' or 'off'"),
        ("[[stores]]", "click_params = []", "stores[0].click_params: is empty"),
        ("[[stores]]", 'click_params = ["a&b"]', "stores[0].click_params[0]: must be the name of a query parameter"),
        ("[[stores]]", "shopify = 1", "stores[0].shopify: must be a table"),
        ("[[stores.pixels]]", 'events = ["<b>"]', "stores[0].pixels[0].events[0]: must be the name of an event"),
        ("[[stores.pixels]]", 'test_event_code = "TEST1"', "stores[0].pixels[0].test_event_code_until: must say when"),
        ("[[stores.pixels]]", 'test_event_code = "T 1"', "stores[0].pixels[0].test_event_code: must be the code"),
        (
            "[[stores.pixels]]",
            "test_event_code_until = 1800000000",
            "stores[0].pixels[0].test_event_code_until: must be",
        ),
        ("[[stores.pixels]]", 'test_event_code_until = "friday"', "stores[0].pixels[0].test_event_code_until: must be"),
        (
            "[[stores.pixels]]",
            "test_event_code_until = 2026-12-31T18:00:00",
            "stores[0].pixels[0].test_event_code_until: must be a time with its offset",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_path_and_the_mend(table: str, line: str, fault: str):
    (found,) = faults_of(in_table(table, line))

    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (f'["{KEY}"]', "[]", "security.secret_keys: is empty"),
        ('id = "acme"', 'id = "Acme!"', "stores[0].id: must be 1 to 32 small letters"),
        ('"t.acme.com"', '"https://t.acme.com"', "stores[0].host: must be a bare host name"),
        ('"t.acme.com"', '"t.acme.com:8443"', "stores[0].host: must be a bare host name"),
        ('"t.acme.com"', '["t_1.acme.com"]', "stores[0].host[0]: must be a bare host name"),
        ('"t.acme.com"', '"t.other.com"', "stores[0].cookie_domain: does not cover t.other.com"),
        ('"t.acme.com"', '"t.notacme.com"', "stores[0].cookie_domain: does not cover t.notacme.com"),
        ('"t.acme.com"', '["t.acme.com", "t.acme.com"]', "stores[0].host[1]: is the same as stores[0].host[0]"),
        ('"https://acme.com"', '"https://acme.de"', "stores[0].cookie_domain: does not cover acme.de"),
        ('"https://acme.com"', '"https://acme.com/"', "stores[0].origins[1]: must be an origin as browsers send it"),
        ('"https://acme.com"', '"https://acme.com:443"', "stores[0].origins[1]: must be an origin as browsers send it"),
        ('"https://acme.com"', '"https://u:p@acme.com"', "stores[0].origins[1]: must be an origin as browsers send it"),
        ('"https://acme.com"', '"acme.com"', "stores[0].origins[1]: must be an origin as browsers send it"),
        ('"https://acme.com"', '"http://acme.com"', "stores[0].origins[1]: must start with https://"),
        ('cookie_domain = "acme.com"', 'cookie_domain = "com"', "stores[0].cookie_domain: is a domain that strangers"),
        ('"/a7/w.js"', '"a7/w.js"', "stores[0].script_path: must be a path such as"),
        ('"/a7/w.js"', '"/a7/../w.js"', "stores[0].script_path: must be a path such as"),
        ('"/a7/w.js"', '"/a7/"', "stores[0].script_path: must be a path such as"),
        ('"/a7/w.js"', '"/admin/w.js"', "stores[0].script_path: is taken by the gateway itself"),
        ('"/a7/q"', '"/go"', "stores[0].collect_path: is taken by the gateway itself"),
        ('"/a7/q"', '"/control"', "stores[0].collect_path: is taken by the gateway itself"),
        ('"/a7/w.js"', '"/a7/q"', "stores[0].collect_path: must differ from script_path"),
        ('"/a7/w.js"', '"/a7/q/px"', "stores[0].collect_path: must differ from script_path"),
        ('"C0ABCDEFGHIJKLMNOPQR"', '"7301234567890123456"', "stores[0].pixels[0].code: is the pixel's long numeric id"),
        ('"C0ABCDEFGHIJKLMNOPQR"', '"c0abc"', "stores[0].pixels[0].code: must be the Pixel Code"),
        ("[[stores.pixels]]", "[stores.pixels]", "stores[0].pixels: must be a list"),
        ("[[stores]]", "[stores]", "stores: must be a list"),
    ],
)
def test_a_wrong_name_or_path_is_told_with_its_path_and_the_mend(old: str, new: str, fault: str):
    text = with_line(old, new)
    if new == "[stores]":
        text = text.replace("[[stores.pixels]]", "[stores.pixels]")

    (found,) = faults_of(text)

    assert found.startswith(fault)


@pytest.mark.parametrize("domain", ["co.uk", "com.au", "myshopify.com"])
def test_a_domain_that_strangers_share_gets_no_cookies(domain: str):
    (fault,) = faults_of(MINIMAL.replace("acme.com", domain).replace("www.", ""))

    assert fault.startswith("stores[0].cookie_domain: is a domain that strangers share")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ('client_id = "app"', "stores[0].shopify.client_secret: belongs together with client_id"),
        ('client_secret = "s"', "stores[0].shopify.client_secret: belongs together with client_id"),
        ('client_id = "an app"', "stores[0].shopify.client_id: must be the app's client id"),
        ('api_base = "http://acme.com"', "stores[0].shopify.api_base: must start with https://"),
        ("sources = []", "stores[0].shopify.sources: is empty"),
        ('content_id = "gtin"', "stores[0].shopify.content_id: must be 'variant', 'product' or 'sku'"),
        ('purchase_trigger = "carts"', "stores[0].shopify.purchase_trigger: must be 'orders/paid' or 'orders/create'"),
    ],
)
def test_a_wrong_shopify_setting_is_told(line: str, fault: str):
    (found,) = faults_of(MINIMAL + SHOPIFY + line)

    assert found.startswith(fault)


def test_a_shopify_table_needs_the_permanent_name_and_a_secret():
    text = MINIMAL + SHOPIFY.replace("acme.myshopify.com", "www.acme.com").replace('"hush"', "")

    assert [fault.partition(": ")[0] for fault in faults_of(text)] == [
        "stores[0].shopify.shop",
        "stores[0].shopify.webhook_secrets",
    ]


def test_ids_hosts_and_codes_stand_in_the_file_once():
    twin = MINIMAL[MINIMAL.index("[[stores]]") :]
    again = twin[twin.index("[[stores.pixels]]") :]

    assert faults_of(MINIMAL + again + twin.replace("t.acme", "T.Acme")) == [
        "stores[1].id: is the same as stores[0].id; each needs its own",
        "stores[1].host: is the same as stores[0].host; each needs its own",
        "stores[0].pixels[1].code: is the same as stores[0].pixels[0].code; each needs its own",
    ]


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://shop.localhost", "http://127.0.0.1:9"])
def test_plain_http_is_for_this_machine(origin: str):
    host = re.sub(r"^http://|:\d+$", "", origin)
    text = MINIMAL.replace('"https://www.acme.com", "https://acme.com"', f'"{origin}"')

    assert load(re.sub("(t.)?acme.com", host, text)).stores[0].origins == (origin,)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("t.acme.localhost", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("127.0.0.1.evil.com", False),
        ("notlocalhost", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_only_what_cannot_be_elsewhere(host: str, loopback: bool):
    assert is_loopback(host) is loopback

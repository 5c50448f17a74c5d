"""An event has an address that can be told to anybody."""

from __future__ import annotations

import pytest

from gateway.shopify.page import to_page
from tests.shopify.payloads import ORIGIN


@pytest.mark.parametrize(
    ("landing_site", "url"),
    [
        ("/products/tee?ttclid=E.C.P.a%2Bb&utm_source=x", "/products/tee?ttclid=E.C.P.a%2Bb&utm_source=x"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("   ", "/"),
        ("products/tee", "/"),
        ("https://acme.myshopify.com/products/tee?ttclid=E.C.P.x", "/products/tee?ttclid=E.C.P.x"),
        ("//evil.example/products/tee", "/products/tee"),
        ("https://[broken", "/"),
        ("/products/tee#reviews", "/products/tee"),
    ],
)
def test_page_is_the_landing_on_the_stores_own_origin(landing_site: str | None, url: str) -> None:
    assert to_page(landing_site, None, ORIGIN).url == ORIGIN + url


@pytest.mark.parametrize(
    "landing_site",
    [
        "/28003598418/orders/1f6ddff5a5db/authenticate?key=000",
        "/en-de/orders/1f6ddff5a5db",
        "/checkouts/cn/e9afbbf20aea/information?token=1&key=2",
        "/cart/c/hWN3NvqPtE14?key=4d2c",
        "/account/reset/1/e9afbbf20aea?email=zoe%40example.com",
        "/gift_cards/1/e9afbbf20aea",
        "/803/invoices/e9afbbf20aea",
    ],
)
def test_what_opens_an_order_is_not_told(landing_site: str) -> None:
    assert to_page(landing_site, None, ORIGIN).url == f"{ORIGIN}/"


def test_secret_parts_of_a_query_are_left_out_and_the_click_stays() -> None:
    landing = "/products/tee?key=s3cret&Email=zoe%40example.com&ttclid=E.C.P.x&to%6ben=t&variant=1&flag"
    assert to_page(landing, None, ORIGIN).url == f"{ORIGIN}/products/tee?ttclid=E.C.P.x&variant=1&flag"


def test_click_survives_a_secret_path() -> None:
    assert to_page("/checkouts/cn/e9af?ttclid=E.C.P.x&key=1", None, ORIGIN).url == f"{ORIGIN}/?ttclid=E.C.P.x"


@pytest.mark.parametrize(
    ("site", "referrer"),
    [
        ("https://www.tiktok.com/", "https://www.tiktok.com/"),
        ("https://mail.example/read?token=s3cret&id=4", "https://mail.example/read?id=4"),
        ("https://user:pw@example.com/x", "https://example.com/x"),
        ("https://www.acme.com/1/orders/2?key=3", "https://www.acme.com/"),
        ("android-app://com.google.android.gm", None),
        ("https://[broken", None),
        ("", None),
        (None, None),
    ],
)
def test_referrer_is_a_web_address_without_secrets(site: str | None, referrer: str | None) -> None:
    assert to_page("/", site, ORIGIN).referrer == referrer

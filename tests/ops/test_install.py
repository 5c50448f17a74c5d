"""What `install` shows: complete, for the store's own settings, safe to paste, and without a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import brotli
import pytest

from gateway.ops.install import Step, build_install, render_custom_pixel, render_theme_tag
from gateway.settings import Settings, StoreSettings
from gateway.shopify.storefront import EVENT_NAMES, IDENTITY_EVENTS
from tests.browser.liquid import render_liquid
from tests.servers import PIXEL, make_settings

SECRETS = ("token-of-a-test", "hook-secret", "admin-token")
SHOPIFY = {"shop": "acme.myshopify.com", "webhook_secrets": ["hook-secret"], "admin_token": "admin-token"}
MODES = ("off", "mirror", "drive")
HOSTILE = "</script><script>alert(1)</script>{{ x }}{% y %}\"'`\\ ]] \u2028"


def build(folder: Path, **choices: Any) -> tuple[Settings, StoreSettings]:
    """An installation of one store with these settings."""
    settings = make_settings(folder, **{"shopify": SHOPIFY} | choices)
    return settings, settings.stores[0]


def steps(folder: Path, **choices: Any) -> dict[str, Step]:
    """The steps by their titles."""
    return {step.title: step for step in build_install(*build(folder, **choices))}


def read_config(pixel: str) -> dict[str, Any]:
    """What a custom pixel is told."""
    found = re.search(r"const config = (\{.*\});\n", pixel)
    assert found
    config: dict[str, Any] = json.loads(found[1])
    return config


def test_every_step_says_what_where_and_what_to_mind(tmp_path: Path) -> None:
    shown = steps(tmp_path)
    assert list(shown) == [
        "Point the gateway's name at this server",
        "Paste the theme tag",
        "Paste the custom pixel",
        "Add the webhooks",
        "Turn off what would count twice",
        "Let ads land through the gateway",
        "See that it works",
    ]
    assert all(step.where and step.text and all(one.endswith(".") for one in step.warnings) for step in shown.values())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("consent", ["shopify", "required", "granted"])
def test_no_step_shows_a_secret(tmp_path: Path, mode: str, consent: str) -> None:
    shown = str(build_install(*build(tmp_path, pixel_mode=mode, consent=consent)))
    assert [secret for secret in SECRETS if secret in shown] == []


def test_each_name_of_the_gateway_gets_its_records(tmp_path: Path) -> None:
    text = steps(tmp_path, host=["t.acme.com", "x.acme.com"])["Point the gateway's name at this server"].text
    assert [line.split()[:2] for line in text.splitlines()] == [
        ["t.acme.com.", "A"],
        ["x.acme.com.", "A"],
        ["t.acme.com.", "AAAA"],
        ["x.acme.com.", "AAAA"],
    ]


@pytest.mark.parametrize("mode", MODES)
def test_the_theme_tag_is_one_script_and_one_block_of_data(tmp_path: Path, mode: str) -> None:
    tag = render_theme_tag(build(tmp_path, pixel_mode=mode)[1])
    assert tag in steps(tmp_path, pixel_mode=mode)["Paste the theme tag"].text
    assert re.findall(r"<script[^>]*>", tag) == [
        '<script type="application/json" id="tg-config">',
        '<script async src="https://t.acme.com/a7/w.js">',
    ]
    assert "[[" not in tag
    assert "[#" not in tag


def test_every_value_of_the_theme_tag_passes_the_json_filter(tmp_path: Path) -> None:
    tag = render_theme_tag(build(tmp_path)[1])
    assert [value for value in re.findall(r"\{\{(.*?)\}\}", tag) if not value.strip().endswith("| json")] == []


def test_no_product_and_no_search_breaks_out_of_the_theme_tag(tmp_path: Path) -> None:
    product = {"id": 1, "title": HOSTILE, "vendor": HOSTILE, "type": HOSTILE, "variants": [{"id": 2, "sku": HOSTILE}]}
    values = {"product": product, "search": {"performed": True, "terms": HOSTILE}, "customer": {"id": 3, "email": ""}}
    html = render_liquid(render_theme_tag(build(tmp_path)[1]), **values)
    (data,) = re.findall(r'id="tg-config">(.*?)</script>', html, re.DOTALL)
    told = json.loads(data)
    assert (told["product"]["title"], told["product"]["variants"][0]["sku"], told["search"]) == (HOSTILE,) * 3
    assert (told["customer"], told["email"]) == ("3", None)
    assert html.count("<script") == html.count("</script") == 2


def test_the_theme_tag_leaves_the_theme_editor_alone(tmp_path: Path) -> None:
    tag = render_theme_tag(build(tmp_path)[1])
    assert render_liquid(tag, request={"design_mode": True}).strip() == ""


@pytest.mark.parametrize("mode", MODES)
def test_the_custom_pixel_is_filled_for_its_store(tmp_path: Path, mode: str) -> None:
    pixel = render_custom_pixel(build(tmp_path, pixel_mode=mode, consent="required", shopify=SHOPIFY)[1])
    assert pixel in steps(tmp_path, pixel_mode=mode, consent="required")["Paste the custom pixel"].text
    config = read_config(pixel)
    steps_told = config.pop("steps")
    assert config == {
        "url": "https://t.acme.com/a7/q/px",
        "origin": "https://www.acme.com",
        "domain": "acme.com",
        "params": ["ttclid", "tc"],
        "consent": "required",
        "mode": mode,
        "codes": [PIXEL] if mode == "drive" else [],
        "content": "variant",
    }
    assert {name: event for name, event in steps_told.items() if event} == {
        name: EVENT_NAMES[name] for name in ("checkout_started", "payment_info_submitted", "checkout_completed")
    }
    assert {name for name, event in steps_told.items() if not event} == set(IDENTITY_EVENTS)


@pytest.mark.parametrize(("mode", "most"), [("off", 3_400), ("mirror", 3_400), ("drive", 4_000)])
def test_the_custom_pixel_weighs_little(tmp_path: Path, mode: str, most: int) -> None:
    pixel = render_custom_pixel(build(tmp_path, pixel_mode=mode)[1])
    assert len(brotli.compress(pixel.encode())) <= most
    assert ("analytics.tiktok.com" in pixel) == (mode == "drive")


@pytest.mark.parametrize("mode", MODES)
def test_no_setting_breaks_out_of_what_is_pasted(tmp_path: Path, mode: str) -> None:
    """Settings are checked when they are loaded; what is pasted does not rely on it."""
    _, store = build(tmp_path, pixel_mode=mode)
    pixels = (store.pixels[0].model_copy(update={"code": HOSTILE}),)
    named = {"id": HOSTILE, "hosts": (HOSTILE,), "cookie_domain": HOSTILE, "click_params": (HOSTILE,), "pixels": pixels}
    hostile = store.model_copy(update={**named, "script_path": HOSTILE, "collect_path": HOSTILE, "origins": (HOSTILE,)})
    pixel, tag = render_custom_pixel(hostile), render_theme_tag(hostile)
    assert "<script" not in pixel
    assert "\u2028" not in pixel
    config = read_config(pixel)
    assert (config["domain"], config["params"], config["url"]) == (HOSTILE, [HOSTILE], f"https://{HOSTILE}{HOSTILE}/px")
    assert tag.count("<script") == tag.count("</script") == 2
    assert "{{ x }}" not in tag
    assert "{% y %}" not in tag
    (source,) = re.findall(r'<script async src="([^"]*)"></script>', tag)
    assert "alert(1)" in source


def test_what_comments_name_cannot_end_them(tmp_path: Path) -> None:
    _, store = build(tmp_path)
    pixel = render_custom_pixel(store.model_copy(update={"id": "a\nalert(1)"}))
    assert "\nalert(1)" not in pixel
    tag = render_theme_tag(store.model_copy(update={"id": "a {%- endcomment -%} b"}))
    assert re.findall(r"\{%-? (?:end)?comment", tag) == ["{%- comment", "{%- endcomment"]


@pytest.mark.parametrize("trigger", ["orders/paid", "orders/create"])
def test_only_the_webhook_that_means_a_purchase_is_added(tmp_path: Path, trigger: str) -> None:
    text = steps(tmp_path, shopify=SHOPIFY | {"purchase_trigger": trigger})["Add the webhooks"].text
    topics = [line.split()[-2] for line in text.splitlines()]
    assert set(topics) & {"orders/paid", "orders/create"} == {trigger}
    assert {"orders/cancelled", "refunds/create", "checkouts/create", "checkouts/update", "customers/create"} < set(
        topics
    )
    assert {line.split()[-1] for line in text.splitlines()} == {"https://t.acme.com/webhooks/shopify"}


def test_a_store_without_its_table_is_told_what_is_missing(tmp_path: Path) -> None:
    step = steps(tmp_path, shopify=None)["Add the webhooks"]
    assert "[stores.shopify]" in step.warnings[0]
    assert "orders/paid" in step.text


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"consent": "shopify"}, "Permission: Required, Marketing."),
        ({"consent": "required"}, "your own banner"),
        ({"consent": "granted"}, "as consent is granted"),
        ({"pixel_mode": "drive"}, "loads TikTok's Pixel in the checkout"),
    ],
)
def test_the_custom_pixels_settings_follow_the_stores(tmp_path: Path, choices: dict[str, str], said: str) -> None:
    assert said in " ".join(steps(tmp_path, **choices)["Paste the custom pixel"].warnings)


@pytest.mark.parametrize(
    ("consent", "early", "waits"), [("shopify", False, True), ("shopify", True, False), ("granted", False, False)]
)
def test_the_ads_address_says_when_it_keeps_the_click(tmp_path: Path, consent: str, early: bool, waits: bool) -> None:
    step = steps(tmp_path, consent=consent, go_without_consent=early)["Let ads land through the gateway"]
    assert step.text == "https://t.acme.com/go?to=/products/YOUR-PRODUCT&tc=__CLICKID__&utm_source=tiktok"
    assert ("keeps nothing" in " ".join(step.warnings)) == waits


def test_the_app_that_counts_twice_is_named_with_its_place(tmp_path: Path) -> None:
    step = steps(tmp_path)["Turn off what would count twice"]
    assert step.where.startswith("Shopify admin > Apps > TikTok")
    assert "makes every purchase count twice" in step.warnings[0]
    assert PIXEL in step.text


def test_every_text_has_its_place_in_shopify_or_tiktok(tmp_path: Path) -> None:
    places = {title: step.where for title, step in steps(tmp_path).items()}
    assert {
        title for title, place in places.items() if place.startswith(("Shopify admin >", "TikTok Ads Manager >"))
    } == {
        "Paste the theme tag",
        "Paste the custom pixel",
        "Add the webhooks",
        "Turn off what would count twice",
        "Let ads land through the gateway",
    }


def test_commands_name_the_store_where_there_are_several(tmp_path: Path) -> None:
    settings, store = build(tmp_path)
    assert "--store" not in build_install(settings, store)[-1].text
    both = settings.model_copy(update={"stores": (store, store.model_copy(update={"id": "bolt"}))})
    assert build_install(both, both.stores[1])[-1].text.splitlines() == [
        "tag-gateway test-event --code TEST12345 --store bolt",
        "tag-gateway doctor --store bolt",
        "tag-gateway reconcile --since 1d --store bolt",
    ]

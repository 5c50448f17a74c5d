"""The add-on as served: only where there is a Shopify, filled, small, and with the snippet's manners."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.settings import StoreSettings
from gateway.web.addon import ADDON_BUDGET_BYTES, AddonEndpoint, build_addon, find_addon_path, to_addon_config
from gateway.web.snippet import BUDGET_BYTES, build_snippet, example_store, to_config

SHOPIFY = {"shop": "acme.myshopify.com", "webhook_secrets": ["a-secret-nobody-may-see"]}
MODES = ["off", "mirror", "drive"]


def shopify_store(mode: str = "mirror", consent: str = "shopify", **shopify: Any) -> StoreSettings:
    """A store with a [stores.shopify] table."""
    told = example_store(mode, consent).model_dump(by_alias=True)
    told["pixels"] = [{"code": "C0ABCDEFGHIJKLMNOPQR", "access_token": "another-secret"}]
    return StoreSettings.model_validate(told | {"shopify": SHOPIFY | shopify})


@pytest.mark.parametrize(
    ("store", "path"),
    [
        (shopify_store(consent="granted"), "/k3m/w5f.s.js"),
        (example_store(consent="shopify"), "/k3m/w5f.s.js"),
        (example_store(consent="granted"), None),
        (example_store(consent="required"), None),
    ],
)
def test_the_snippet_names_an_add_on_where_there_is_a_shopify(store: StoreSettings, path: str | None) -> None:
    assert find_addon_path(store) == path
    assert json.loads(to_config(store)).get("addon") == path


def test_a_script_path_without_an_ending_has_an_add_on_beside_it() -> None:
    assert find_addon_path(example_store().model_copy(update={"script_path": "/k3m/w5f"})) == "/k3m/w5f.s.js"


@pytest.mark.parametrize("mode", MODES)
def test_the_snippet_that_names_it_keeps_its_budget(mode: str) -> None:
    assert len(build_snippet(shopify_store(mode)).brotli.body) <= BUDGET_BYTES


@pytest.mark.parametrize("mode", MODES)
def test_the_add_on_keeps_its_budget(mode: str) -> None:
    assert len(build_addon(shopify_store(mode)).brotli.body) <= ADDON_BUDGET_BYTES


def test_the_add_on_is_told_what_it_needs_and_no_secret() -> None:
    told = json.loads(to_addon_config(shopify_store("mirror", "required", content_id="sku")))
    assert told == {"consent": False, "mirror": True, "content": "sku"}
    plain = build_addon(shopify_store()).plain.body.decode()
    assert "secret" not in plain
    assert "myshopify" not in plain


def test_a_store_without_the_table_has_the_usual_ids() -> None:
    assert json.loads(to_addon_config(example_store("off")))["content"] == "variant"


def test_the_add_on_is_es2018() -> None:
    plain = build_addon(shopify_store()).plain.body.decode()
    later = {"?.": r"\?\.\D", "??": r"\?\?", "catch without name": r"catch\s*\{", "**= and the like": r"(\|\||&&)="}
    assert [name for name, pattern in later.items() if re.search(pattern, plain)] == []


async def test_the_endpoint_serves_it_like_the_snippet() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of a body")

    scope = {"type": "http", "method": "GET", "headers": [(b"accept-encoding", b"br")]}
    await AddonEndpoint(shopify_store())(scope, receive, send)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"content-encoding"]) == (200, b"br")
    assert headers[b"content-type"] == b"text/javascript; charset=utf-8"
    assert sent[1]["body"] == build_addon(shopify_store()).brotli.body

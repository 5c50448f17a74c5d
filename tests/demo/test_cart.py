"""The demo store's cart behaves as Shopify's: its tokens, its attributes, its lines, its faults."""

from __future__ import annotations

import httpx
import pytest

from gateway.demo.catalogue import CATALOGUE

CHALK, RUST = (variant.id for variant in CATALOGUE[0].variants)


async def test_each_look_at_an_untouched_cart_shows_another_token(browser: httpx.AsyncClient):
    tokens = {(await browser.get("/cart.js")).json()["token"] for _ in range(3)}

    assert len(tokens) == 3
    assert not browser.cookies


async def test_the_first_change_settles_token_and_cookie(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"id": CHALK})
    told = {(await browser.get("/cart.js")).json()["token"] for _ in range(2)}
    await browser.post("/cart/update.js", json={"attributes": {"gift": "yes"}})
    told.add((await browser.get("/cart.js")).json()["token"])

    (token,) = told
    bare, _, query = token.partition("?")
    assert bare
    assert query.startswith("key=")
    assert browser.cookies["cart"] == token.replace("?", "%3F").replace("=", "%3D")


async def test_a_token_without_its_key_opens_nobodys_cart(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"id": CHALK})
    bare = browser.cookies["cart"].partition("%3F")[0]
    browser.cookies.clear()
    for guess in (bare, bare + "%3Fkey%3D0"):
        cart = (await browser.get("/cart.js", headers={"cookie": f"cart={guess}"})).json()
        assert cart["item_count"] == 0


async def test_attributes_merge_and_an_empty_text_takes_one_away(browser: httpx.AsyncClient):
    await browser.post("/cart/update.js", json={"attributes": {"gift": "yes", "ribbon": "red"}})
    cart = (await browser.post("/cart/update.js", json={"attributes": {"ribbon": "", "card": "Hi"}})).json()

    assert cart["attributes"] == {"gift": "yes", "card": "Hi"}


async def test_private_attributes_are_kept_and_never_told(browser: httpx.AsyncClient):
    cart = (await browser.post("/cart/update.js", json={"attributes": {"__tg": "companion", "gift": "yes"}})).json()

    assert cart["attributes"] == {"gift": "yes"}
    assert (await browser.get("/cart.js")).json()["attributes"] == {"gift": "yes"}


async def test_clearing_the_cart_leaves_its_attributes(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"id": CHALK})
    await browser.post("/cart/update.js", json={"attributes": {"gift": "yes"}})
    cart = (await browser.post("/cart/clear.js")).json()

    assert (cart["items"], cart["attributes"]) == ([], {"gift": "yes"})


async def test_adding_answers_the_line_and_prices_are_cents(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"id": CHALK})
    line = (await browser.post("/cart/add.js", json={"id": str(CHALK), "quantity": "2"})).json()
    cart = (await browser.get("/cart.js")).json()

    assert (line["variant_id"], line["quantity"], line["price"], line["line_price"]) == (CHALK, 3, 1800, 5400)
    assert (cart["item_count"], cart["total_price"], cart["currency"]) == (3, 5400, "EUR")


async def test_lines_with_other_properties_stay_apart(browser: httpx.AsyncClient):
    said = {"items": [{"id": CHALK}, {"id": CHALK, "properties": {"engraving": "A"}}, {"id": RUST}]}
    added = (await browser.post("/cart/add.js", json=said)).json()

    assert [item["quantity"] for item in added["items"]] == [1, 1, 1]
    assert len((await browser.get("/cart.js")).json()["items"]) == 3


async def test_quantities_change_by_variant_and_by_line(browser: httpx.AsyncClient):
    await browser.post("/cart/add.js", json={"items": [{"id": RUST}, {"id": CHALK}]})
    await browser.post("/cart/change.js", json={"line": 1, "quantity": 4})
    cart = (await browser.post("/cart/update.js", json={"updates": {str(RUST): 0}})).json()

    assert [(item["id"], item["quantity"]) for item in cart["items"]] == [(CHALK, 4)]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/cart/add.js", {"id": 1}),
        ("/cart/add.js", {}),
        ("/cart/add.js", {"id": CHALK, "quantity": -1}),
        ("/cart/change.js", {"line": 9, "quantity": 1}),
        ("/cart/update.js", {"updates": {"x": "y"}}),
    ],
)
async def test_what_cannot_be_done_is_a_cart_error(browser: httpx.AsyncClient, path: str, said: dict):
    answer = await browser.post(path, json=said)

    assert answer.status_code == 422
    assert answer.json()["message"] == "Cart Error"
    assert not browser.cookies


@pytest.mark.parametrize("how", ["data", "files"])
async def test_forms_work_without_scripts(browser: httpx.AsyncClient, how: str):
    fields = {"id": str(CHALK), "quantity": "2", "attributes[gift]": "Käthe"}
    sent = {"data": fields} if how == "data" else {"files": {name: (None, value) for name, value in fields.items()}}
    await browser.post("/cart/update", **sent)
    answer = await browser.post("/cart/add", **sent, follow_redirects=False)
    cart = (await browser.get("/cart.js")).json()

    assert (answer.status_code, answer.headers["location"]) == (303, "/cart")
    assert (cart["item_count"], cart["attributes"]) == (2, {"gift": "Käthe"})

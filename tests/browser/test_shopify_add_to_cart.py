"""Adding to the cart: four ways in which a theme can do it, and one AddToCart for each."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.web.answers import Answer
from tests.browser.storefront import CHALLENGE, TEE, Storefront
from tests.browser.test_shopify_theme import mirrors, until_settled
from tests.browser.tiktok_pixel import BASE_CODE, serve_library

CAP = {
    "content_id": "77",
    "content_name": "Cap",
    "content_category": "Hats",
    "brand": "Acme",
    "price": 15,
    "quantity": 2,
}
"""What becomes of the cart's answer when two pieces were asked for."""

FETCH = "fetch('/cart/add.js', {method: 'POST', body: %s}).then((response) => response.json())"
XHR = """new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/cart/add.js");
    request.responseType = "%s";
    request.onload = () => done(request.response);
    request.send("id=77&quantity=2");
})"""
FORM_DATA = "(() => { const data = new FormData(); data.set('id', 77); data.set('quantity', 2); return data; })()"

REQUESTS = {
    "fetch with JSON": FETCH % "JSON.stringify({items: [{id: 77, quantity: 2}]})",
    "fetch with one variant as JSON": FETCH % "JSON.stringify({id: '77', quantity: '2'})",
    "fetch with a form": FETCH % FORM_DATA,
    "fetch with indexed fields": FETCH % "new URLSearchParams([['items[0][id]', 77], ['items[0][quantity]', 2]])",
    "fetch with an encoded text": FETCH % "'id=77&quantity=2'",
    "fetch of an URL object": (FETCH % "'id=77&quantity=2'").replace(
        "'/cart/add.js'", "new URL('/fr/cart/add.js', location)"
    ),
    "XHR": XHR % "",
    "XHR for JSON": XHR % "json",
}


async def open_shop_page(page: Page, storefront: Storefront, **page_is: str) -> None:
    """A page of the theme, its add-on at work."""
    await page.goto(storefront.theme("/products/tee", "product", product=TEE, **page_is))
    await storefront.until_named("ViewContent")


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_a_request_to_the_cart_is_one_addition(page: Page, storefront: Storefront, request_: str) -> None:
    await open_shop_page(page, storefront)
    answer = await page.evaluate(request_)
    assert "Cap" in str(answer), "the page got its answer untouched"
    await until_settled(page, storefront)
    (added,) = storefront.told("AddToCart")
    assert added["properties"]["contents"] == [CAP]
    assert (added["properties"]["value"], added["properties"]["currency"]) == (30, "EUR")


async def test_a_request_whose_body_cannot_be_read_is_told_by_its_answer(page: Page, storefront: Storefront) -> None:
    await open_shop_page(page, storefront)
    await page.evaluate("fetch(new Request('/cart/add.js', {method: 'POST', body: 'id=77&quantity=2'})).then(() => 1)")
    (added,) = await storefront.until_named("AddToCart")
    assert added["properties"]["contents"] == [{**CAP, "quantity": 5}]


STANDARD = """(outcome) => document.dispatchEvent(Object.assign(new Event("shopify:cart:lines-update"), {
    action: "add",
    context: "product",
    lines: [{ merchandiseId: "gid://shopify/ProductVariant/45", quantity: 3 }],
    promise: Promise.resolve(outcome),
}))"""


async def test_a_standard_event_is_one_addition_of_what_the_page_knows(page: Page, storefront: Storefront) -> None:
    await open_shop_page(page, storefront)
    await page.evaluate(STANDARD, {"cart": {}})
    (added,) = await storefront.until_named("AddToCart")
    (content,) = added["properties"]["contents"]
    assert (content["content_id"], content["content_name"], content["price"], content["quantity"]) == (
        "45",
        TEE["title"],
        24.99,
        3,
    )
    assert added["properties"]["value"] == 74.97


REFUSED = {
    "by a standard event": STANDARD.replace("(outcome) =>", "() =>").replace(
        "Promise.resolve(outcome)", "Promise.resolve({cart: null, userErrors: [{message: 'sold out'}]})"
    ),
    "by a rejected promise": STANDARD.replace("(outcome) =>", "() =>").replace(
        "Promise.resolve(outcome)",
        "(() => { const promise = Promise.reject(new Error()); promise.catch(() => {}); return promise })()",
    ),
    "by the cart": "() => fetch('/cart/add.js', {method: 'POST', body: 'id=77'}).then((response) => response.status)",
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=REFUSED)
async def test_what_the_cart_refuses_is_no_addition(page: Page, storefront: Storefront, attempt: str) -> None:
    storefront.cart_mood = Answer(422, [(b"content-type", b"application/json")], b'{"status": 422}')
    await open_shop_page(page, storefront)
    await page.evaluate(attempt)
    await until_settled(page, storefront)
    assert storefront.told("AddToCart") == []


async def test_a_challenge_instead_of_the_cart_is_no_addition(page: Page, storefront: Storefront) -> None:
    await open_shop_page(page, storefront)
    storefront.cart_mood = CHALLENGE
    assert (
        await page.evaluate(
            "fetch('/cart/add.js', {method: 'POST', body: 'id=77'}).then((response) => response.status)"
        )
        == 429
    )
    await until_settled(page, storefront)
    assert storefront.told("AddToCart") == []


async def test_an_event_a_request_and_a_form_of_one_click_are_one_addition(page: Page, storefront: Storefront) -> None:
    """A new theme: the form is sent by script, which dispatches the standard event and asks the cart."""
    form = """<form action="/cart/add" method="post"><input name="id" value="45"><button>Add</button></form>
    <script>document.querySelector("form").addEventListener("submit", (event) => {
        event.preventDefault();
        const answer = fetch("/cart/add.js", { method: "POST", body: new FormData(event.target) });
        document.dispatchEvent(Object.assign(new Event("shopify:cart:lines-update"), {
            action: "add",
            lines: [{ merchandiseId: "gid://shopify/ProductVariant/45", quantity: 1 }],
            promise: answer.then((response) => response.json()).then((cart) => ({ cart })),
        }));
    });</script>"""
    await open_shop_page(page, storefront, body=form)
    await page.click("button")
    await storefront.until_named("AddToCart")
    await until_settled(page, storefront)
    assert len(storefront.told("AddToCart")) == 1


async def test_an_event_after_the_answer_is_the_same_addition(page: Page, storefront: Storefront) -> None:
    await open_shop_page(page, storefront)
    await page.evaluate(
        f"""() => fetch("/cart/add.js", {{ method: "POST", body: "id=45&quantity=3" }})
            .then((response) => response.json()).then((item) => ({STANDARD})({{ cart: {{}} }}))"""
    )
    await until_settled(page, storefront)
    assert len(storefront.told("AddToCart")) == 1


async def test_adding_twice_is_two_additions(page: Page, storefront: Storefront) -> None:
    await open_shop_page(page, storefront)
    await page.evaluate(
        """() => {
            const post = () => fetch("/cart/add.js", { method: "POST", body: "id=77&quantity=2" });
            const add = () => post().then((response) => response.json());
            return Promise.all([add(), add()]).then(() => 1);
        }"""
    )
    await until_settled(page, storefront)
    assert len(storefront.told("AddToCart")) == 2


async def test_a_form_without_scripts_is_one_addition_told_as_the_page_ends(page: Page, storefront: Storefront) -> None:
    form = """<form action="/cart/add" method="post"><input name="id" value="45"><input name="quantity" value="2">
    <button>Add</button></form>"""
    await open_shop_page(page, storefront, body=form)
    storefront.theme("/cart", "cart")
    await page.click("button")
    await page.wait_for_url("**/cart")
    (added,) = await storefront.until_named("AddToCart")
    (content,) = added["properties"]["contents"]
    assert (content["content_id"], content["price"], content["quantity"]) == ("45", 24.99, 2)
    assert added["page"]["url"] == storefront.url("/products/tee")


async def test_a_form_that_the_page_holds_back_is_no_addition(page: Page, storefront: Storefront) -> None:
    form = """<form action="/cart/add" method="post" onsubmit="return false"><input name="id" value="45">
    <button>Add</button></form>"""
    await open_shop_page(page, storefront, body=form)
    await page.click("button")
    await until_settled(page, storefront)
    assert storefront.told("AddToCart") == []


async def test_other_forms_and_requests_are_none_of_ours(page: Page, storefront: Storefront) -> None:
    form = """<form action="/search"><input name="id" value="45"><button>Find</button></form>"""
    await open_shop_page(page, storefront, body=form)
    await page.evaluate("fetch('/cart/change.js', {method: 'POST', body: 'id=77'}).then(() => 1)")
    await page.evaluate(
        f"fetch('http://t.shop.localhost:{storefront.port}/cart/add.js', {{mode: 'no-cors'}}).catch(() => 0)"
    )
    await page.click("button")
    await until_settled(page, storefront)
    assert storefront.told("AddToCart") == []


async def test_the_pages_own_functions_still_fail_as_they_did(page: Page, storefront: Storefront) -> None:
    await open_shop_page(page, storefront)
    outcome = await page.evaluate(
        """async () => [
            await fetch("/cart/add.js", { method: "GET", body: "no" }).catch((error) => error.name),
            await fetch("http://[", {}).catch((error) => error.name),
            (() => { try { new XMLHttpRequest().send() } catch (error) { return error.name } })(),
        ]"""
    )
    assert outcome == ["TypeError", "TypeError", "InvalidStateError"]


# Where the page's own Pixel reports additions, they are its to report.


@mirrors
@pytest.mark.parametrize("delay_ms", [0, 600], ids=["with the click", "after the answer"])
async def test_an_addition_that_the_pages_pixel_reports_is_left_to_it(
    visitor: BrowserContext, page: Page, storefront: Storefront, delay_ms: int
) -> None:
    await serve_library(visitor)
    await open_shop_page(page, storefront, head=BASE_CODE)
    await page.evaluate(
        """(delay) => {
            const track = () => ttq.track("AddToCart", { content_id: "77" }, { event_id: "the-pixels" });
            delay ? setTimeout(track, delay) : track();
            return fetch("/cart/add.js", { method: "POST", body: "id=77" }).then(() => 1);
        }""",
        delay_ms,
    )
    await storefront.until_named("AddToCart")
    await until_settled(page, storefront)
    assert [event["event_id"] for event in storefront.told("AddToCart")] == ["the-pixels"]


@mirrors
async def test_one_report_of_the_pages_pixel_stands_for_one_addition(
    visitor: BrowserContext, page: Page, storefront: Storefront
) -> None:
    await serve_library(visitor)
    await open_shop_page(page, storefront, head=BASE_CODE)
    await page.evaluate(
        """() => {
            ttq.track("AddToCart", {}, { event_id: "the-pixels" });
            const post = (body) => fetch("/cart/add.js", { method: "POST", body });
            const add = (body) => post(body).then((response) => response.json());
            return Promise.all([add("id=77"), add("id=78")]).then(() => 1);
        }"""
    )
    await until_settled(page, storefront)
    assert len(storefront.told("AddToCart")) == 2

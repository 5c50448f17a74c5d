"""What pages hand over is put into the types that the gateway takes, so that one slip does not cost a whole beacon."""

from __future__ import annotations

from playwright.async_api import Page

from tests.browser.shop import Shop

CASES = {
    "numbers as text": ({"value": "19.90", "num_items": "2"}, {"value": 19.9, "num_items": 2}),
    "zero": ({"value": 0}, {"value": 0}),
    "no number at all": ({"value": "about 5"}, {"value": None}),
    "a fraction of an item": ({"num_items": 1.6}, {"num_items": 2}),
    "blanks": ({"value": "", "currency": "", "order_id": None}, {}),
    "ids as numbers": (
        {"content_ids": [44, "45"], "order_id": 5678},
        {"content_ids": ["44", "45"], "order_id": "5678"},
    ),
    "one product for a list": (
        {"contents": {"content_id": 44, "price": "20", "quantity": "1"}},
        {"contents": [{"content_id": "44", "price": 20, "quantity": 1}]},
    ),
    "the product beside the event": (
        {"content_id": 44, "content_name": "Tee", "price": 20, "value": 20},
        {"contents": [{"content_id": "44", "content_name": "Tee", "price": 20}], "value": 20},
    ),
    "the old name of a search": ({"query": "tee"}, {"search_string": "tee"}),
    "an emoji on the cut": ({"description": "x" * 254 + "\U0001f600"}, {"description": "x" * 254}),
    "strangers and nests": (
        {"secret": "x", "value": {"amount": 5}, "description": ["x"], "contents": [None, {"deep": {"er": 1}}]},
        {"contents": [{}]},
    ),
}


async def test_properties_arrive_in_the_gateways_types(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/"))
    for name, (said, _) in CASES.items():
        await page.evaluate("([name, said]) => tg('track', name, said)", [name, said])
    await shop.until(lambda: len(shop.events) == len(CASES) + 1)
    arrived = {event["event"]: event["properties"] for event in shop.events[1:]}
    assert arrived == {name: {"contents": [], "content_ids": [], **told} for name, (_, told) in CASES.items()}


async def test_long_texts_are_cut_to_what_the_gateway_takes(page: Page, shop: Shop) -> None:
    await page.goto(shop.url("/?" + "q=x&" * 3000))
    await page.evaluate(
        """() => {
            const long = 'x'.repeat(5000);
            tg('identify', {email: long});
            tg('track', long, {description: long, contents: Array(300).fill({content_id: long})}, {event_id: long});
        }"""
    )
    await shop.until(lambda: len(shop.events) == 2)
    name = shop.events[1]["event"]
    assert (len(name), len(shop.events[1]["event_id"])) == (100, 255)

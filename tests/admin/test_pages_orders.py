"""The heal button finds the orders that no webhook told of, sends them and says what it does while it does it."""

from __future__ import annotations

import pytest

from tests.admin.desk import Reader, make_security
from tests.admin.figures import read_words
from tests.ops.stand import SHOP, Stand, open_stand, place, tell, visit

NO_API = {name: SHOP[name] for name in ("shop", "webhook_secrets")}


@pytest.fixture
async def stand(tmp_path, capsys):
    async with open_stand(tmp_path, capsys, security=make_security()) as opened:
        yield opened


async def test_missing_orders_are_sent_and_what_was_done_is_told_line_by_line(stand: Stand):
    told, missing = place(1), place(2)
    stand.admin.orders = [told, missing]
    async with stand.serving() as gateway:
        reader = Reader(gateway)
        await reader.sign_in()
        for order in (told, missing):
            await visit(gateway, order)
        await tell(gateway, told)
        await gateway.drained()
        answer = await reader.post("/admin/orders?days=7")
        words = read_words(answer.text)
        assert "Asking Shopify for its orders… 2 orders compared… 1 accepted by TikTok. 1 missing until now" in words
        assert answer.text.count("<!doctype html>") == 1
        assert answer.text.rstrip().endswith("</html>")
        await gateway.drained()
        assert stand.count_sent()["purchase_2"] == 1
        again = read_words((await reader.post("/admin/orders?days=7")).text)
        assert "2 accepted by TikTok." in again
        assert stand.count_sent()["purchase_2"] == 1


async def test_a_shop_that_does_not_answer_is_told_with_the_mend(stand: Stand):
    stand.admin.scopes.clear()
    async with stand.serving() as gateway:
        reader = Reader(gateway)
        await reader.sign_in()
        words = read_words((await reader.post("/admin/orders")).text)
    assert "It ended early:" in words
    assert "read_orders" in words
    assert "No order changed" not in words


async def test_a_time_without_orders_is_told(stand: Stand):
    async with stand.serving() as gateway:
        reader = Reader(gateway)
        await reader.sign_in()
        assert "No order changed in this time." in read_words((await reader.post("/admin/orders?days=1")).text)


async def test_without_access_the_button_is_off_and_says_why(stand: Stand):
    for shopify, why in ((NO_API, "set client_id and client_secret"), (None, "there is no [stores.shopify] table")):
        stand.change(shopify=shopify)
        async with stand.serving() as gateway:
            reader = Reader(gateway)
            await reader.sign_in()
            page = (await reader.get("/admin/orders")).text
            assert '<button disabled aria-describedby="why-not">' in page
            assert why in read_words(page).replace("There is", "there is")
            assert why in read_words((await reader.post("/admin/orders")).text)
    assert not stand.admin.queries


async def test_another_sites_form_heals_nothing(stand: Stand):
    async with stand.serving() as gateway:
        reader = Reader(gateway)
        await reader.sign_in()
        answer = await reader.post("/admin/orders", headers={"sec-fetch-site": "same-site"})
        assert answer.status_code == 403
    assert not stand.admin.queries

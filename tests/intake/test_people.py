"""A person is erased by whatever names them, and a request that broke off is finished by asking again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.intake.people import People
from gateway.intake.tokens import Tokens
from gateway.model.normalise import hash_external_id
from gateway.model.person import Person
from gateway.model.visitor import Identity, Sighting
from gateway.store import Store
from gateway.store.erase import Erased
from gateway.store.receipt import AnchorKind
from gateway.store.tables import erasures, orders, visitors
from tests.servers import make_settings
from tests.store.samples import make_receipt, read_rows

NOW_MS = 1_790_000_000_000
KEY, OLD_KEY = "the newest key, of 32 bytes and more", "an older key, of 32 bytes and even more"
EMAIL, PHONE, CUSTOMER = "e" * 64, "f" * 64, "42"
SAID = {
    "customer_id": (AnchorKind.CUSTOMER, CUSTOMER),
    "email": (AnchorKind.EMAIL, EMAIL),
    "phone": (AnchorKind.PHONE, PHONE),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(f"sqlite:///{tmp_path}/gateway.db")
    await opened.start(NOW_MS)
    yield opened
    await opened.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    return make_settings(tmp_path).stores[0]


async def visit(store: Store, key: str = KEY, **said: str) -> str:
    """The id of a visitor who said this, linked under this key."""
    anchors = [one for name, value in said.items() for one in Tokens([key]).anchors("acme", SAID[name][0], value)]
    identity = Identity(said.get("email"), said.get("phone"), hash_external_id(said.get("customer_id")))
    recorded = await store.record(make_receipt(anchors=tuple(anchors), sighting=Sighting(NOW_MS, identity=identity)))
    assert recorded.visitor
    return recorded.visitor.id


async def visitor_ids(store: Store) -> list[str]:
    return [row["id"] for row in await read_rows(store, visitors)]


@pytest.mark.parametrize("name", SAID)
async def test_each_name_of_a_person_is_enough(store: Store, settings: Any, name: str):
    other = await visit(store)
    await visit(store, **{name: SAID[name][1]})
    erased = await People(Tokens([KEY]), store).erase(settings, Person(**{name: SAID[name][1]}), NOW_MS)
    assert await visitor_ids(store) == [other]
    assert erased == Erased(visitors=1, links=1)


async def test_a_visitors_own_id_is_enough(store: Store, settings: Any):
    one, other = await visit(store), await visit(store)
    await People(Tokens([KEY]), store).erase(settings, Person(visitor_id=one), NOW_MS)
    assert await visitor_ids(store) == [other]


async def test_all_browsers_of_a_person_are_erased_together(store: Store, settings: Any):
    for said in ({"email": EMAIL}, {"email": EMAIL, "phone": PHONE}, {"customer_id": CUSTOMER}):
        await visit(store, **said)
    erased = await People(Tokens([KEY]), store).erase(settings, Person(CUSTOMER, EMAIL, PHONE), NOW_MS)
    assert await visitor_ids(store) == []
    assert erased.visitors == 3


async def test_a_link_made_under_an_older_key_is_found(store: Store, settings: Any):
    await visit(store, OLD_KEY, email=EMAIL)
    await store.run(lambda cursor: cursor.execute("UPDATE visitors SET email = NULL", ()))
    await People(Tokens([KEY, OLD_KEY]), store).erase(settings, Person(email=EMAIL), NOW_MS)
    assert await visitor_ids(store) == []


async def test_somebody_unknown_is_no_trouble_and_their_orders_are_remembered_as_erased(store: Store, settings: Any):
    person = Person(CUSTOMER, EMAIL, PHONE, order_ids=("7", "8"))
    assert await People(Tokens([KEY]), store).erase(settings, person, NOW_MS) == Erased()
    assert [(row["id"], row["reason"]) for row in await read_rows(store, orders)] == [("7", "erased"), ("8", "erased")]


async def test_nobody_named_is_nobody_erased(store: Store, settings: Any):
    await visit(store, email=EMAIL)
    assert await People(Tokens([KEY]), store).erase(settings, Person(), NOW_MS) == Erased()
    assert len(await visitor_ids(store)) == 1


async def test_an_erasure_that_broke_off_is_finished_by_the_next(
    store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    for _ in range(3):
        await visit(store, email=EMAIL)
    people, run, done = People(Tokens([KEY]), store), store.run, []

    async def run_once(work: Any) -> Any:
        if done:
            raise StoreUnavailable("the disk is full")
        done.append(work)
        return await run(work)

    with monkeypatch.context() as patch:
        patch.setattr(store, "run", run_once)
        with pytest.raises(StoreUnavailable):
            await people.erase(settings, Person(email=EMAIL, order_ids=("7",)), NOW_MS)
    assert len(await visitor_ids(store)) == 2
    assert (await people.erase(settings, Person(email=EMAIL, order_ids=("7",)), NOW_MS)).visitors == 2
    assert await visitor_ids(store) == []
    assert [row["reason"] for row in await read_rows(store, orders)] == ["erased"]


async def test_an_erasure_that_was_stopped_anywhere_is_proved_and_finished_by_the_next(store: Store, settings: Any):
    """One step further each time, until it is through."""
    person = Person(email=EMAIL, order_ids=("7",))
    people, stops, is_through = People(Tokens([KEY]), store), 0, False
    while not is_through:
        for _ in range(3):
            await visit(store, email=EMAIL)
        before = len(await visitor_ids(store))
        stops, taken, is_through = stops + 1, 0, True
        async with contextlib.aclosing(people.erase_in_steps(settings, person, NOW_MS + stops)) as steps:
            async for _ in steps:
                taken += 1
                if taken == stops:
                    is_through = False
                    break
        proved = sum(row["visitors"] for row in await read_rows(store, erasures) if row["erased_ms"] == NOW_MS + stops)
        assert proved == before - len(await visitor_ids(store))
    assert stops > 5
    assert await visitor_ids(store) == []
    assert [row["reason"] for row in await read_rows(store, orders)] == ["erased"]


async def test_each_step_tells_how_far_it_is(store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.intake.people._ROWS", 2)
    for _ in range(3):
        await visit(store, email=EMAIL)
    steps = People(Tokens([KEY]), store).erase_in_steps(settings, Person(email=EMAIL), NOW_MS)
    told = [(step.what, step.done, step.total) async for step in steps]
    assert told[:3] == [("rows searched", 2, 3), ("rows searched", 3, 3), ("rows searched", 3, 3)]
    assert told[3:] == [("visitors erased", number, 3) for number in (1, 2, 3)]


async def test_the_log_tells_how_much_and_not_whose(store: Store, settings: Any, caplog: pytest.LogCaptureFixture):
    visitor_id = await visit(store, email=EMAIL)
    with caplog.at_level(logging.INFO):
        await People(Tokens([KEY]), store).erase(settings, Person(CUSTOMER, EMAIL), NOW_MS)
    assert "erased 1 visitors" in caplog.text
    assert not any(secret in caplog.text for secret in (EMAIL, CUSTOMER, visitor_id))


async def test_a_store_is_erased_to_its_last_row_whatever_its_size(
    store: Store, settings: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("gateway.intake.people._STEP", 2)
    for number in range(5):
        await visit(store, email=f"{number}" * 64)
    await store.record(make_receipt(store_id="other-shop"))
    assert await People(Tokens([KEY]), store).erase_store(settings) == 10
    assert [row["store_id"] for row in await read_rows(store, visitors)] == ["other-shop"]

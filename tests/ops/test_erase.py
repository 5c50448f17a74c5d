"""Erasing finds a person by whatever names them, takes all that is theirs, and leaves everybody else alone."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import CommandError, StoreUnavailable
from gateway.intake import people
from gateway.model.normalise import hash_email, hash_phone
from gateway.model.person import Person
from gateway.ops.erase import parse_person
from gateway.ops.errands import Report, Underway
from gateway.ops.screen import Screen
from gateway.store import Store
from gateway.store.erase import erase_visitor
from gateway.store.tables import metadata
from gateway.web.control import ControlEndpoint
from tests.beacons import Browser
from tests.ops.stand import Stand, open_stand, place, tell
from tests.servers import Gateway, make_tree

ADA = {"email": "ada@example.com", "phone": "+49 30 1234567"}
ADA_ID = "7001"
BETA = {"id": "beta", "host": "t.beta.com", "origins": ["https://beta.com"], "cookie_domain": "beta.com"}


@pytest.fixture
async def stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, capsys) as opened:
        yield opened


async def shop_as_ada(gateway: Gateway) -> Browser:
    """Ada said who she is; somebody else looked around."""
    await Browser(gateway).beacon(user={"email": "grace@example.com"})
    ada = Browser(gateway)
    await ada.beacon(user=ADA, ids={"customer": ADA_ID})
    return ada


@pytest.mark.parametrize("is_running", [True, False])
@pytest.mark.parametrize(
    "named",
    [
        ("--email", " ADA@example.com"),
        ("--phone", "+49 (0)30 1234567"),
        ("--customer", ADA_ID),
        ("--customer", f"gid://shopify/Customer/{ADA_ID}"),
        ("--visitor", None),
    ],
)
async def test_a_person_is_gone_by_whatever_they_are_named(stand: Stand, named: tuple[str, str], is_running: bool):
    option, value = named
    async with stand.serving(deliver=False) as gateway:
        ada = await shop_as_ada(gateway)
        if is_running:
            code, out, err = await stand.run("erase", option, value or ada.visitor_id)
    if not is_running:
        code, out, err = await stand.run("erase", option, value or ada.visitor_id)
    assert (code, out.splitlines()[0]) == (0, "acme: erased 1 visitor, 3 links, 1 event")
    assert err.splitlines()[-1] == "acme: visitors erased: 1 of 1"
    assert [visitor["email"] for visitor in gateway.visitors] == [hash_email("grace@example.com")]
    assert len(gateway.events) == len(gateway.outbox) == 1


async def test_every_browser_of_a_person_is_erased(stand: Stand):
    async with stand.serving() as gateway:
        clicked = Browser(gateway)
        await clicked.beacon(user=ADA, page={"url": "https://www.acme.com/?ttclid=E.C.P.newest"})
        await Browser(gateway).beacon(user=ADA)
        await gateway.drained()
        _, out, _ = await stand.run("erase", "--email", ADA["email"])
        assert out.startswith("acme: erased 2 visitors,")
        assert gateway.visitors == gateway.events == []


async def test_what_waits_is_not_sent_and_an_order_leaves_only_its_number(stand: Stand):
    stand.change(consent="granted")
    async with stand.serving(deliver=False) as gateway:
        await tell(gateway, place(1001))
        code, out, _ = await stand.run("erase", "--email", "buyer1001@example.com")
        assert (code, gateway.outbox) == (0, [])
        assert "1 order" in out
        (order,) = gateway.rows("SELECT * FROM orders")
    assert (order["id"], order["visitor_id"], order["reason"]) == ("1001", None, "erased")


async def test_an_erasure_leaves_a_proof_and_nothing_of_the_person(stand: Stand, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", logger="gateway")
    async with stand.serving() as gateway:
        ada = await shop_as_ada(gateway)
        await gateway.drained()
        secrets = [ADA["email"], ADA["phone"], hash_email(ADA["email"]), hash_phone(ADA["phone"], None), ada.visitor_id]
        assert any(secret in str(gateway.visitors) for secret in secrets)
        _, out, err = await stand.run("erase", "--email", ADA["email"], "--phone", ADA["phone"])
        kept = [gateway.rows(f"SELECT * FROM {table}") for table in metadata.tables]
        [proof] = gateway.rows("SELECT * FROM erasures")
    told = f"{kept} {out} {err} {caplog.text}"
    assert [secret for secret in secrets if str(secret) in told] == []
    assert proof["named_by"] == "email, phone"
    assert (proof["visitors"], proof["links"], proof["events"], proof["attempts"], proof["orders"]) == (1, 3, 1, 1, 0)


@pytest.mark.parametrize("is_running", [True, False])
async def test_an_erasure_interrupted_at_a_terminal_is_finished_by_the_next(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, is_running: bool
):
    show = Screen.show
    has_left = threading.Event()
    begun = itertools.count()

    def erase(*arguments: Any) -> Any:
        if next(begun) == 1:
            assert has_left.wait(20), "or else a quick gateway is done before its client leaves"
        return erase_visitor(*arguments)

    def interrupt(self: Screen, report: Report) -> None:
        show(self, report)
        if isinstance(report, Underway) and report.what == "visitors erased":
            raise KeyboardInterrupt

    async def run() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Screen, "show", interrupt)
            assert (await stand.run("erase", "--email", ADA["email"]))[0] == 130
        await asyncio.sleep(0.1)  # the gateway hears of it
        has_left.set()
        code, _, err = await stand.run("erase", "--email", ADA["email"])
        assert code == 0
        assert "acme: rows searched: " in err

    monkeypatch.setattr(people, "erase_visitor", erase)
    async with stand.serving(deliver=False) as gateway:
        for _ in range(3):
            await Browser(gateway).beacon(user=ADA)
        if is_running:
            await run()
    if not is_running:
        await run()
    assert gateway.visitors == gateway.events == gateway.outbox == []
    assert sum(proof["visitors"] for proof in gateway.rows("SELECT * FROM erasures")) == 3


async def test_an_unknown_person_is_no_error(stand: Stand):
    assert await stand.run("erase", "--email", "nobody@example.com") == (
        0,
        "acme: nothing is known of this person\n",
        "",
    )


async def test_a_person_is_erased_from_all_stores_or_the_one_named(stand: Stand):
    store = make_tree(**stand.overrides)["stores"][0]
    stand.change(stores=[store, store | BETA])
    _, out, _ = await stand.run("erase", "--email", ADA["email"])
    assert [line.partition(":")[0] for line in out.splitlines()] == ["acme", "beta"]
    _, out, _ = await stand.run("erase", "--email", ADA["email"], "--store", "beta")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["beta"]


async def test_no_raw_address_leaves_the_command(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    bodies: list[bytes] = []
    take = ControlEndpoint._open

    async def spy(self: ControlEndpoint, scope: Any, receive: Any) -> Any:
        async def listen() -> Any:
            message = await receive()
            bodies.append(message.get("body", b""))
            return message

        return await take(self, scope, listen)

    monkeypatch.setattr(ControlEndpoint, "_open", spy)
    async with stand.serving():
        code, out, err = await stand.run("erase", "--email", ADA["email"], "--phone", ADA["phone"])
    assert code == 0
    assert (hash_email(ADA["email"]) or "").encode() in bodies[0]
    for told in (*map(bytes.decode, bodies), out, err):
        assert "ada" not in told.replace("data", "")
        assert "1234567" not in told


async def test_a_database_in_trouble_is_told_for_each_store(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    async def fail(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    async with stand.serving():
        monkeypatch.setattr(Store, "read", fail)
        told = await stand.run("erase", "--email", ADA["email"])
        monkeypatch.undo()
    assert told == (1, "", "acme: the disk is full\n")


# -- Whom


def test_a_person_is_known_by_digests():
    assert parse_person("Ada@Example.com", "+49301234567", "gid://shopify/Customer/42", "0" * 32) == Person(
        customer_id="42",
        email=hash_email("ada@example.com"),
        phone=hash_phone("+49301234567", None),
        visitor_id="0" * 32,
    )


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({}, "whom?"),
        ({"email": "ada"}, "--email"),
        ({"email": "", "phone": "030 1234567"}, "--phone"),
        ({"customer": "ada"}, "--customer"),
        ({"visitor": "0" * 31}, "--visitor"),
        ({"visitor": "Z" * 32}, "--visitor"),
        ({"email": "ada@example.com", "phone": "1"}, "--phone"),
    ],
)
def test_nobody_is_erased_by_a_name_that_cannot_be_used(said: dict[str, str], sentence: str):
    given = dict.fromkeys(("email", "phone", "customer", "visitor")) | said
    with pytest.raises(CommandError, match=sentence):
        parse_person(**given)

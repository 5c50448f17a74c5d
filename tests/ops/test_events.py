"""`tag-gateway events list` and `show`: beside a running gateway or without one, they read and change nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import exc, text

from gateway.errors import StoreUnavailable
from gateway.ops.ledger import COLUMNS, open_reader
from gateway.store.reading import Reader
from tests.beacons import CONSENT, Browser, make_event
from tests.ops.stand import Stand, open_stand, place, tell, visit


@pytest.fixture
async def stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, capsys) as opened:
        yield opened


# -- list


async def test_events_are_listed_newest_first_and_tab_separated_when_piped(stand: Stand):
    async with stand.serving() as gateway:
        browser = Browser(gateway)
        await browser.beacon(make_event("ViewContent", event_id="e-1"))
        await browser.beacon(make_event("AddToCart", event_id="e-2"))
        await gateway.drained()
        code, out, err = await stand.run("events", "list")
    header, *lines = [line.split("\t") for line in out.splitlines()]
    assert (code, err, tuple(header)) == (0, "", COLUMNS)
    assert [line[1:6] for line in lines] == [
        ["acme", "AddToCart", "e-2", "accepted", ""],
        ["acme", "ViewContent", "e-1", "accepted", ""],
    ]


@pytest.mark.parametrize(
    ("options", "listed"),
    [
        (["--event", "AddToCart"], ["e-2"]),
        (["--fate", "waiting", "--limit", "1"], ["e-2"]),
        (["--fate", "accepted"], []),
        (["--since", "1h"], ["e-2", "e-1"]),
    ],
)
async def test_a_list_is_narrowed(stand: Stand, options: list[str], listed: list[str]):
    async with stand.serving(deliver=False) as gateway:
        await Browser(gateway).beacon(make_event(event_id="e-1"))
        await Browser(gateway).beacon(make_event("AddToCart", event_id="e-2"))
        _, out, _ = await stand.run("events", "list", "--json", *options)
    assert [json.loads(line)["event_id"] for line in out.splitlines()] == listed


async def test_what_the_web_wrote_steers_no_terminal_and_breaks_no_line(stand: Stand):
    async with stand.serving(deliver=False) as gateway:
        await Browser(gateway).beacon(make_event("Eve\x1b[31m\tnt\n"))
        _, out, _ = await stand.run("events", "list")
    assert "\x1b" not in out
    assert {line.count("\t") for line in out.splitlines()} == {len(COLUMNS) - 1}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--fate", "lost"], "--fate: it is one of"), (["--since", "x"], "--since"), (["--store", "b"], "no store b")],
)
async def test_what_cannot_be_meant_is_named(stand: Stand, options: list[str], sentence: str):
    async with stand.serving():
        code, _, err = await stand.run("events", "list", *options)
    assert code == 2
    assert sentence in err


async def test_without_a_database_the_command_says_what_makes_one(stand: Stand):
    code, _, err = await stand.run("events", "list")
    assert (code, "tag-gateway serve makes it" in err) == (1, True)
    assert not (stand.folder / "gateway.db").exists()


# -- show


@pytest.mark.parametrize("is_running", [True, False])
async def test_an_order_tells_its_whole_account(stand: Stand, is_running: bool):
    order = place(1042)
    async with stand.serving() as gateway:
        await visit(gateway, order)
        await tell(gateway, order)
        await gateway.drained()
        if is_running:
            code, out, err = await stand.run("events", "show", "1042")
    if not is_running:
        code, out, err = await stand.run("events", "show", "1042")
    assert (code, err) == (0, "")
    assert "Order 1042 (acme, Shopify id 1042)" in out
    assert "Shopify's webhook told it" in out
    assert "Allowed when it was taken, told by shopify." in out
    assert "by the cart." in out
    assert "accepted, code 0" in out
    assert "(request " in out
    assert "TikTok accepted it." in out


async def test_an_order_that_was_not_sent_says_why(stand: Stand):
    async with stand.serving() as gateway:
        await tell(gateway, place(7))
        _, out, _ = await stand.run("events", "show", "7")
    assert "Not sent, because its visitor is not known, or did not allow it." in out


async def test_a_person_is_shown_without_their_data(stand: Stand):
    async with stand.serving() as gateway:
        await Browser(gateway).beacon(user={"email": "ada@example.com"}, consent=CONSENT)
        code, out, _ = await stand.run("events", "show", "ada@example.com")
    assert code == 0
    assert "from an IPv4 address, Chrome" in out
    for secret in ("ada@", "203.0.113.7", "Mozilla", "acme.com/products"):
        assert secret not in out


async def test_nothing_found_ends_with_one(stand: Stand):
    async with stand.serving():
        code, out, err = await stand.run("events", "show", "nobody@example.com")
    assert (code, out) == (1, "")
    assert "nothing is known" in err
    assert "nobody@" not in err


# -- Only reading


async def test_a_reader_can_neither_change_nor_checkpoint(stand: Stand):
    """The WAL stays as it was, though the reader is the last to close: the writer died without a checkpoint."""
    async with stand.serving(deliver=False) as gateway:
        await Browser(gateway).beacon()
        database = gateway.database
        copy = stand.folder / "copy"
        copy.mkdir()
        for name in (database.name, database.name + "-wal"):
            (copy / name).write_bytes((database.parent / name).read_bytes())
    wal = copy / (database.name + "-wal")
    before = wal.read_bytes()
    assert before
    with Reader(f"sqlite:///{copy / database.name}") as reader:
        assert reader.read(lambda connection: connection.execute(text("SELECT count(*) FROM events")).scalar()) == 1
        with pytest.raises((exc.OperationalError, StoreUnavailable)):
            reader.read(lambda connection: connection.execute(text("DELETE FROM events")))
        with pytest.raises(StoreUnavailable):
            reader.read(lambda connection: connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).all())
    assert wal.read_bytes() == before


async def test_a_database_of_another_version_is_not_read(stand: Stand):
    async with stand.serving() as gateway:
        await gateway.beacon({})
    with sqlite3.connect(gateway.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    with pytest.raises(StoreUnavailable, match="another version"):
        open_reader(stand.settings)

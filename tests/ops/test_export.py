"""`tag-gateway events export`: whole or not at all, no formula, nothing personal, and a page at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import CommandError
from gateway.model.telling import tell_time
from gateway.ops import export as exporting
from gateway.ops.export import COLUMNS, Format, export, replacing, to_row
from gateway.ops.ledger import open_reader
from gateway.store.walk import Wanted, count_events
from tests.beacons import Browser, make_event
from tests.model.test_telling import AT_MS, make_dossier
from tests.ops.stand import Stand, open_stand
from tests.servers import Gateway


@pytest.fixture
async def stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, capsys) as opened:
        yield opened


async def shop(gateway: Gateway, *event_ids: str) -> None:
    for event_id in event_ids:
        await Browser(gateway).beacon(make_event(event_id=event_id), user={"email": "ada@example.com"})
    await gateway.drained()


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_csv_to_stdout_has_a_row_for_each_event(stand: Stand):
    async with stand.serving() as gateway:
        await shop(gateway, "e-1", "e-2")
        code, out, err = await stand.run("events", "export")
    rows = read_csv(out)
    assert (code, err) == (0, "events read: 2 of 2\n")
    assert tuple(rows[0]) == COLUMNS
    assert [(row["event_id"], row["fate"], row["code"], row["attempts"]) for row in rows] == [
        ("e-2", "accepted", "0", "1"),
        ("e-1", "accepted", "0", "1"),
    ]
    assert rows[0]["value"] == "20.0"
    assert "email" in rows[0]["match_keys"]


async def test_json_lines_go_to_a_file_that_only_its_owner_reads(stand: Stand):
    path = stand.folder / "out.jsonl"
    async with stand.serving() as gateway:
        await shop(gateway, "e-1")
        code, out, err = await stand.run("events", "export", "--format", "jsonl", "--out", str(path))
    [event] = [json.loads(line) for line in path.read_text().splitlines()]
    assert (code, out, err) == (0, "", f"events read: 1 of 1\nwrote 1 events to {path}\n")
    assert event["attempts"][0]["code"] == 0
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
async def test_an_export_has_nothing_personal_in_it(stand: Stand, format_: str):
    async with stand.serving() as gateway:
        await shop(gateway, "e-1")
        _, out, _ = await stand.run("events", "export", "--format", format_)
        [event] = gateway.events
    assert "IPv4" in out
    for secret in (event["ip"], event["body"]["user"]["email"][0], "Mozilla", "acme.com/"):
        assert secret not in out


async def test_what_is_exported_can_be_narrowed(stand: Stand):
    async with stand.serving() as gateway:
        await shop(gateway, "e-1")
        assert len(read_csv((await stand.run("events", "export", "--fate", "accepted"))[1])) == 1
        assert read_csv((await stand.run("events", "export", "--event", "Purchase"))[1]) == []
        code, _, err = await stand.run("events", "export", "--format", "xml")
    assert (code, "--format: it is one of csv, jsonl" in err) == (2, True)


async def test_an_export_stopped_half_way_leaves_what_was_there(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    path = stand.folder / "out.csv"
    path.write_text("yesterday's\n")
    rows: list[Any] = []

    def stop(event: Any) -> list[str]:
        rows.append(event)
        if len(rows) == 2:
            raise KeyboardInterrupt
        return to_row(event)

    async with stand.serving() as gateway:
        await shop(gateway, "e-1", "e-2", "e-3")
        monkeypatch.setattr(exporting, "to_row", stop)
        code, _, _ = await stand.run("events", "export", "--out", str(path))
    assert code == 130
    assert path.read_text() == "yesterday's\n"
    assert not list(stand.folder.glob(".*.part"))


async def test_an_export_is_read_in_pages(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    """Each page is a transaction of its own, so that a long export holds up no checkpoint."""
    async with stand.serving() as gateway:
        await shop(gateway, *(f"e-{number}" for number in range(5)))
        sizes: list[int] = []
        reader = open_reader(stand.settings)
        read = reader.read

        def note(work: Any) -> Any:
            if work.func is count_events:
                return read(work)
            page = read(lambda connection: work(connection, size=2))
            sizes.append(page.seen)
            return page

        monkeypatch.setattr(reader, "read", note)
        file = io.StringIO()
        assert export(reader, ["acme"], Wanted(), Format.CSV, file) == 5
        reader.close()
    assert sizes == [2, 2, 1]
    assert [row["event_id"] for row in read_csv(file.getvalue())] == [f"e-{number}" for number in (4, 3, 2, 1, 0)]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(CommandError, match="cannot be written"), replacing(tmp_path / "nowhere" / "out.csv"):
        raise AssertionError("there is no file to write to")


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),  # noqa: RUF001 - the wide one is meant
        ("-20.5", "-20.5"),
        ("ViewContent", "ViewContent"),
    ],
)
def test_no_cell_is_a_formula(said: str, written: str):
    assert to_row(make_dossier(event=said))[COLUMNS.index("event")] == written


def test_times_are_exact():
    row = to_row(make_dossier(received_ms=AT_MS + 7))
    assert row[COLUMNS.index("received_at")] == "2026-09-21T14:13:20.007+00:00"
    assert tell_time(AT_MS).startswith("2026-09-21 14:13:20")

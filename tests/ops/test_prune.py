"""`tag-gateway events prune`: who was erased is in no export either, and what is no export is left alone."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import pytest

from gateway.ops import prune as pruning
from gateway.ops.export import Format
from tests.beacons import Browser, make_event
from tests.ops.stand import Stand, open_stand
from tests.servers import Gateway

ADA = "ada@example.com"
FORMATS = list(Format)


@pytest.fixture
async def stand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Stand]:
    async with open_stand(tmp_path, capsys) as opened:
        yield opened


async def shop(gateway: Gateway, count: int = 3) -> None:
    """Each event is of somebody else, and the second is Ada's."""
    for number in range(count):
        email = ADA if number == 1 else f"buyer{number}@example.com"
        await Browser(gateway).beacon(make_event(event_id=f"e-{number}"), user={"email": email})
    await gateway.drained()


def write(gateway: Gateway, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(gateway.database)) as connection, connection:
        connection.execute(statement)


async def export(stand: Stand, format_: Format = Format.CSV) -> Path:
    path = stand.folder / f"out.{format_}"
    code, _, err = await stand.run("events", "export", "--format", format_, "--out", str(path))
    assert code == 0, err
    return path


@pytest.mark.parametrize("format_", FORMATS)
async def test_who_was_erased_is_in_no_export_and_all_others_are_to_the_byte(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, format_: Format
):
    monkeypatch.setattr(pruning, "STEP", 2)
    async with stand.serving() as gateway:
        await shop(gateway, count=5)
        path = await export(stand, format_)
        before = path.read_bytes().splitlines(keepends=True)
        _, out, _ = await stand.run("erase", "--email", ADA)
        assert out.splitlines()[1:] == ["Exports made before still have these events: tag-gateway events prune FILE..."]
        code, out, err = await stand.run("events", "prune", str(path))
    assert (code, out) == (0, f"{path}: 1 events taken out, 4 kept\n")
    size = sum(map(len, before))
    assert err.splitlines()[-1] == f"{path.name}, bytes: {size:,} of {size:,}"
    assert path.read_bytes() == b"".join(line for line in before if b"e-1" not in line)


@pytest.mark.parametrize("format_", FORMATS)
async def test_a_file_of_which_nothing_is_left_is_an_export_without_events(stand: Stand, format_: Format):
    async with stand.serving() as gateway:
        await shop(gateway)
        path = await export(stand, format_)
        write(gateway, "DELETE FROM events")
        assert (await stand.run("events", "prune", str(path)))[1] == f"{path}: 3 events taken out, 0 kept\n"
        assert path.read_bytes() == (await export(stand, format_)).read_bytes()
        assert (await stand.run("events", "prune", str(path)))[1] == f"{path}: 0 events taken out, 0 kept\n"


async def test_a_row_of_several_lines_goes_or_stays_as_one(stand: Stand):
    """A message of TikTok's may hold what it likes."""
    async with stand.serving() as gateway:
        await shop(gateway)
        write(gateway, "UPDATE attempts SET message = 'two\nlines, \"quoted\"'")
        path = await export(stand)
        await stand.run("erase", "--email", ADA)
        await stand.run("events", "prune", str(path))
        assert path.read_bytes() == (await export(stand)).read_bytes()


async def test_a_link_and_the_rights_stay_what_they_were(stand: Stand):
    async with stand.serving() as gateway:
        await shop(gateway)
        path = await export(stand)
        path.chmod(0o640)
        link = stand.folder / "newest.csv"
        link.symlink_to(path.name)
        await stand.run("erase", "--email", ADA)
        assert (await stand.run("events", "prune", str(link)))[0] == 0
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert "e-1" not in path.read_text()


# -- What is left alone

GOOD = {"store_id": "acme", "pixel_code": "C", "event_id": "e", "id": "0" * 32}
NOT_OURS = "this is not as `tag-gateway events export` writes it"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,age\nAda,36\n", f"line 1: {NOT_OURS}"),
        ("store_id,pixel_code,event_id,id\nacme,C,e\n", f"line 2: {NOT_OURS}"),
        ("store_id,pixel_code,event_id,id\nacme,C,e,1.9E+31\n", f"line 2: {NOT_OURS}"),
        ('store_id,pixel_code,event_id,id\nacme,C,"e\n', f"line 2: {NOT_OURS}"),
        (f"store_id,pixel_code,event_id,id\nacme,C,e,{'0' * 32}", "line 2: it is cut off"),
        ("\xff\xfe", "line 1: it is cut off"),
        ("\xff\n", f"line 1: {NOT_OURS}"),
        (json.dumps(GOOD) + "\n" + json.dumps(GOOD)[:40], "line 2: it is cut off"),
        (json.dumps(GOOD) + "\n{}\n", f"line 2: {NOT_OURS}"),
        (json.dumps(GOOD | {"id": "1"}) + "\n", f"line 1: {NOT_OURS}"),
        ("{" + " " * 1_000_000 + "}\n", "line 1: it is cut off"),
        (
            json.dumps(GOOD | {"store_id": "beta"}) + "\n",
            "line 1: it is of a store 'beta', which this configuration does not have",
        ),
    ],
)
async def test_a_file_that_is_no_export_of_these_stores_is_named_and_left(stand: Stand, text: str, said: str):
    path = stand.folder / "out"
    path.write_bytes(text.encode("latin-1"))
    async with stand.serving():
        code, out, err = await stand.run("events", "prune", str(path))
    assert (code, out, err) == (2, "", f"{path}, {said}; the file is as it was\n")
    assert path.read_bytes() == text.encode("latin-1")
    assert not list(stand.folder.glob(".*.part"))


async def test_files_that_cannot_be_rewritten_are_told(stand: Stand, monkeypatch: pytest.MonkeyPatch):
    path = stand.folder / "out.jsonl"
    path.write_text(json.dumps(GOOD) + "\n")
    async with stand.serving():
        assert (await stand.run("events", "prune", "nowhere.csv"))[::2] == (2, "there is no file nowhere.csv\n")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", refuse)  # to root nothing is forbidden
            told = await stand.run("events", "prune", str(path))
        assert told == (2, "", f"{path} cannot be rewritten: Permission denied\n")
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fill_up)
            code, _, err = await stand.run("events", "prune", str(path))
        assert (code, err.splitlines()[-1]) == (2, f"{path} cannot be written: No space left on device")
    assert path.read_text() == json.dumps(GOOD) + "\n"


def refuse(path: Path, *how: Any, **more: Any) -> IO[Any]:
    if path.suffix == ".jsonl":
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return open(path, *how, **more)  # noqa: PTH123 - it stands for Path.open


def fill_up(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_stopped_at_any_step_the_file_is_whole_and_the_next_run_does_it(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pruning, "STEP", 1)
    find, calls = pruning.find_rows, [0]

    def stop(*given: object, **said: object) -> list[str]:
        calls[0] -= 1
        if not calls[0]:
            raise KeyboardInterrupt
        return find(*given, **said)  # type: ignore[arg-type]

    async with stand.serving() as gateway:
        await shop(gateway)
        path = await export(stand)
        before = path.read_bytes()
        await stand.run("erase", "--email", ADA)
        for calls[0] in (1, 2, 3):
            with monkeypatch.context() as patch:
                patch.setattr(pruning, "find_rows", stop)
                assert (await stand.run("events", "prune", str(path)))[0] == 130
            assert path.read_bytes() == before
            assert not list(stand.folder.glob(".*.part"))
        assert (await stand.run("events", "prune", str(path)))[1] == f"{path}: 1 events taken out, 2 kept\n"

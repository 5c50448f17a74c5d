"""A backup taken under load holds what was answered before it; restored, it sends nothing that could count twice."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import signal
import sqlite3
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import main
from gateway.clock import now_ms
from gateway.demo.fake_tiktok import FakeTikTok
from gateway.errors import CommandError, StoreLocked, StoreUnavailable
from gateway.ops.backup import back_up, restore
from gateway.store.backup import copy_file
from tests.beacons import make_beacon, make_event
from tests.faults.test_kill import Burst, end, find_answered, gateway_process
from tests.servers import PIXEL, Gateway, make_settings, running_gateway, running_process, write_config

HOUR_MS = 3_600_000


@pytest.fixture
def tiktok() -> Iterator[FakeTikTok]:
    fake = FakeTikTok({PIXEL: "token-of-a-test"})
    fake.url = fake.start()  # type: ignore[attr-defined]
    yield fake
    fake.stop()


def read_ids(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return {event_id for (event_id,) in connection.execute("SELECT event_id FROM events")}


def find_parts(folder: Path) -> list[Path]:
    return list(folder.glob(".*.part"))


async def send(gateway: Gateway, *event_ids: str) -> None:
    for event_id in event_ids:
        assert (await gateway.beacon(make_beacon(make_event(event_id=event_id)))).status_code == 204


async def make_backup(folder: Path, out: Path, at_ms: int, *event_ids: str) -> None:
    """A backup of a database in which these events wait."""
    settings = make_settings(folder, consent="granted")
    async with running_gateway(settings) as gateway:
        await send(gateway, *event_ids)
        await asyncio.to_thread(back_up, settings, out, at_ms)


# -- Under load, and back


async def test_what_was_answered_before_a_backup_is_delivered_after_it_is_restored(tmp_path: Path, tiktok: FakeTikTok):
    """The gateway goes on sending after the backup, so some is sent twice, and TikTok counts it once."""
    out = tmp_path / "gateway.backup"
    async with gateway_process(tmp_path, tiktok) as gateway, Burst(gateway).running() as burst:
        await burst.until(200)
        before = set(burst.acknowledged)
        await asyncio.to_thread(back_up, gateway.settings, out, now_ms())
        during = len(burst.acknowledged)
        await burst.until(during + 100)
        await end(gateway, signal.SIGKILL)
    assert before <= read_ids(out)
    restore(gateway.settings, out, now_ms())
    assert read_ids(tmp_path / "gateway.db") == read_ids(out)  # and nothing of the killed gateway's WAL
    async with gateway_process(tmp_path, tiktok) as gateway:
        await tiktok.until(lambda: before <= find_answered(tiktok), timeout_s=60)
        await gateway.drained(timeout_s=60)
    assert set(tiktok.counts.values()) == {1}


async def test_what_waited_in_an_old_backup_is_not_sent_when_tiktok_would_count_it_again(
    tmp_path: Path, tiktok: FakeTikTok
):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms() - 49 * HOUR_MS, "e-1")
    settings = make_settings(tmp_path, consent="granted", delivery={"api_base": tiktok.url})  # type: ignore[attr-defined]
    restore(settings, out, now_ms())
    async with running_gateway(settings, deliver=True) as gateway:
        await gateway.drained()
        (event,) = gateway.events
    assert (event["fate"], tiktok.requests) == ("expired", deque())
    assert "48 hours ago: TikTok could count it twice" in event["reason"]


async def test_what_waited_in_a_new_backup_is_sent(tmp_path: Path, tiktok: FakeTikTok):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms() - 47 * HOUR_MS, "e-1")
    settings = make_settings(tmp_path, consent="granted", delivery={"api_base": tiktok.url})  # type: ignore[attr-defined]
    restore(settings, out, now_ms())
    async with running_gateway(settings, deliver=True) as gateway:
        await gateway.drained()
    assert [key[2] for key in tiktok.counts] == ["e-1"]


async def test_beacons_are_answered_while_a_backup_is_made_and_are_not_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A page at a time, and a beacon between each two: the copy is of the moment in which it began."""
    out, settings, loop = (
        tmp_path / "gateway.backup",
        make_settings(tmp_path, consent="granted"),
        asyncio.get_running_loop(),
    )
    during: list[str] = []

    def go_on(_what: str, done: int, total: int) -> None:
        if len(during) < 20 and done < total:
            during.append(f"during-{done}")
            asyncio.run_coroutine_threadsafe(send(gateway, during[-1]), loop).result(60)

    monkeypatch.setattr("gateway.store.backup.PAGES", 1)
    monkeypatch.setattr("gateway.ops.backup.following", lambda: contextlib.nullcontext(go_on))
    async with running_gateway(settings) as gateway:
        await send(gateway, "before")
        await asyncio.to_thread(back_up, settings, out, now_ms())
    assert len(during) == 20
    assert read_ids(out) == {"before"}
    assert read_ids(gateway.database) == {"before", *during}


# -- The file


async def test_a_backup_is_its_owners_alone_and_one_file(tmp_path: Path):
    out = tmp_path / "kept" / "gateway.backup"
    out.parent.mkdir()
    await make_backup(tmp_path, out, now_ms(), "e-1")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert read_ids(out) == {"e-1"}
    assert [path.name for path in out.parent.iterdir()] == ["gateway.backup"]


async def test_a_backup_changes_nothing_for_the_gateway(tmp_path: Path):
    settings = make_settings(tmp_path, consent="granted")
    async with running_gateway(settings) as gateway:
        await send(gateway, "e-1")
        before = gateway.rows("SELECT * FROM outbox")
        await asyncio.to_thread(back_up, settings, tmp_path / "a", now_ms())
        assert gateway.rows("SELECT * FROM outbox") == before
        await send(gateway, "e-2")
        await asyncio.to_thread(back_up, settings, tmp_path / "b", now_ms())
    assert (read_ids(tmp_path / "a"), read_ids(tmp_path / "b")) == ({"e-1"}, {"e-1", "e-2"})


async def test_an_existing_file_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")
    before = out.read_bytes()
    settings = make_settings(tmp_path)
    with pytest.raises(CommandError, match="never overwrites"):
        back_up(settings, out, now_ms())
    monkeypatch.setattr(Path, "exists", lambda _: False)  # it came while the backup was made
    with pytest.raises(CommandError, match="File exists"):
        back_up(settings, out, now_ms())
    monkeypatch.setattr(os, "link", refuse_to_link)
    with pytest.raises(CommandError, match="File exists"):
        back_up(settings, out, now_ms())
    assert out.read_bytes() == before
    assert not find_parts(tmp_path)


def refuse_to_link(*_: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


async def test_a_backup_is_made_where_files_have_no_second_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "link", refuse_to_link)
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")
    assert read_ids(out) == {"e-1"}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not find_parts(tmp_path)


async def test_a_backup_that_is_stopped_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await make_backup(tmp_path, tmp_path / "a", now_ms(), "e-1")

    def stop(*arguments: object) -> None:
        copy_file(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.ops.backup.copy_file", stop)
    with pytest.raises(KeyboardInterrupt):
        back_up(make_settings(tmp_path), tmp_path / "b", now_ms())
    assert not (tmp_path / "b").exists()
    assert not find_parts(tmp_path)


def test_a_folder_that_is_not_there_takes_no_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_config(tmp_path)
    config = str(tmp_path / "gateway.toml")
    assert main(["backup", "--config", config, "--out", str(tmp_path / "a")]) == 2
    assert "no database" in capsys.readouterr().err
    (tmp_path / "gateway.db").touch()
    assert main(["backup", "--config", config, "--out", str(tmp_path / "nowhere" / "a")]) == 2
    assert "cannot be written" in capsys.readouterr().err


# -- Restoring


async def test_the_commands_bring_back_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, config = tmp_path / "gateway.backup", str(write_config(tmp_path, consent="granted"))
    settings = make_settings(tmp_path, consent="granted")
    async with running_gateway(settings) as gateway:
        await send(gateway, "e-1")
        assert await asyncio.to_thread(main, ["backup", "--config", config, "--out", str(out)]) == 0
        assert f"bytes to {out}. To go back to it: tag-gateway restore {out}" in capsys.readouterr().out
        await send(gateway, "e-2")
    assert await asyncio.to_thread(main, ["restore", "--config", config, str(out)]) == 0
    told = capsys.readouterr().out
    assert read_ids(gateway.database) == {"e-1"}
    (kept,) = re.findall(r"what was there is (.*)", told)
    assert read_ids(Path(kept)) == {"e-1", "e-2"}
    async with running_gateway(settings) as gateway:
        await send(gateway, "e-3")
    assert read_ids(gateway.database) == {"e-1", "e-3"}


async def test_what_a_restore_replaces_is_kept_whole(tmp_path: Path):
    """A killed gateway's last commits are in its WAL alone."""
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")
    async with running_process(tmp_path, "--no-deliver", consent="granted") as gateway:
        await send(gateway, "e-2")
        await end(gateway, signal.SIGKILL)
    kept = restore(gateway.settings, out, now_ms())
    assert kept
    assert read_ids(kept) == {"e-1", "e-2"}
    assert read_ids(gateway.database) == {"e-1"}
    assert stat.S_IMODE(gateway.database.stat().st_mode) == 0o600


async def test_what_a_restore_has_set_aside_can_be_restored_itself(tmp_path: Path):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")
    async with running_process(tmp_path, "--no-deliver", consent="granted") as gateway:
        await send(gateway, "e-2")
        await end(gateway, signal.SIGKILL)
    kept = restore(gateway.settings, out, now_ms())
    assert kept
    restore(gateway.settings, kept, now_ms())
    assert read_ids(gateway.database) == {"e-1", "e-2"}
    assert all(row["maybe_sent_ms"] for row in gateway.outbox)


async def test_a_disk_that_is_full_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")

    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gateway.ops.backup.copy_file", fill_up)
    with pytest.raises(CommandError, match="No space left"):
        restore(make_settings(tmp_path), out, now_ms())
    assert read_ids(tmp_path / "gateway.db") == {"e-1"}
    assert not find_parts(tmp_path)


async def test_a_restore_needs_no_database_to_replace(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")
    config = write_config(tmp_path, storage={"url": "sqlite:///new/gateway.db"})
    assert main(["restore", "--config", str(config), str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"{out} is the database now\nNext: tag-gateway serve")
    assert read_ids(tmp_path / "new" / "gateway.db") == {"e-1"}


async def test_nothing_is_restored_under_a_running_gateway(tmp_path: Path):
    out = tmp_path / "gateway.backup"
    await make_backup(tmp_path, out, now_ms(), "e-1")
    settings = make_settings(tmp_path, consent="granted")
    async with running_gateway(settings) as gateway:
        with pytest.raises(StoreLocked):
            await asyncio.to_thread(restore, settings, out, now_ms())
        await send(gateway, "e-2")
    assert read_ids(gateway.database) == {"e-1", "e-2"}


async def test_a_damaged_backup_and_another_programs_file_are_refused(tmp_path: Path):
    out, theirs = tmp_path / "gateway.backup", tmp_path / "theirs.db"
    await make_backup(tmp_path, out, now_ms(), *(f"e-{number}" for number in range(100)))
    settings = make_settings(tmp_path)
    with contextlib.closing(sqlite3.connect(theirs)) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    with pytest.raises(StoreUnavailable, match="no database of the gateway's"):
        restore(settings, theirs, now_ms())
    os.truncate(out, out.stat().st_size // 2)
    with pytest.raises(StoreUnavailable):
        restore(settings, out, now_ms())
    out.write_text("not a database at all" * 100)
    with pytest.raises(StoreUnavailable):
        restore(settings, out, now_ms())
    with pytest.raises(CommandError, match="no file"):
        restore(settings, tmp_path / "nothing", now_ms())
    assert len(read_ids(tmp_path / "gateway.db")) == 100


def test_postgresql_is_backed_up_with_its_own_tools(tmp_path: Path):
    settings = make_settings(tmp_path, storage={"url": "postgresql://127.0.0.1:1/none"})
    for act in (back_up, restore):
        with pytest.raises(CommandError, match="its own tools"):
            act(settings, tmp_path / "file", now_ms())

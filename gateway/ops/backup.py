"""`tag-gateway backup` and `restore`: a SQLite database as a file, taken while the gateway runs and put back when not.

Called by `gateway.cli`; what is in the file is `gateway.store.backup`'s.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from gateway.errors import CommandError
from gateway.ops.progress import following
from gateway.settings import Settings
from gateway.store.backup import copy_file, find_last_write_ms
from gateway.store.sqlite import Lock


def back_up(settings: Settings, out: Path, now_ms: int) -> int:
    """The file holds everything that was answered before, on disk and for its owner alone; its size in bytes.

    Raises: CommandError when there is such a file, or none can be made; StoreUnavailable.
    """
    source = _find_database(settings)
    if not source.is_file():
        raise CommandError(f"there is no database at {source} yet")
    with _filling(out) as part:
        _copy(source, part, now_ms)
    return out.stat().st_size


def restore(settings: Settings, file: Path, now_ms: int) -> Path | None:
    """The file's content is the database; what was there has another name, which is returned if there was any.

    Any database of a gateway's will do, one that was set aside with its WAL too. Raises: CommandError when there is no
    such file, StoreLocked while a gateway runs, StoreUnavailable when the file is damaged or another program's.
    """
    database = _find_database(settings)
    if not file.is_file():
        raise CommandError(f"there is no file {file}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_telling(database))
        database.parent.mkdir(parents=True, exist_ok=True)
        part = stack.enter_context(_making(database))
        stack.callback(Lock(database).release)
        _copy(file, part, find_last_write_ms(file))
        kept = _set_aside(database, now_ms)
        part.replace(database)
    return kept


def _copy(source: Path, part: Path, sent_ms: int) -> None:
    with following() as tell:
        copy_file(source, part, sent_ms, lambda left, total: tell("pages copied", total - left, total))
    _sync(part)


def _find_database(settings: Settings) -> Path:
    if not settings.storage.is_sqlite:
        raise CommandError("storage.url is PostgreSQL, which has its own tools: see docs/operations.md")
    return Path(make_url(settings.storage.url.get_secret_value()).database or "")


def _set_aside(database: Path, now_ms: int) -> Path | None:
    """Nothing has the database's name. Its WAL goes with it: SQLite would apply it to whatever comes in its place."""
    kept = database.with_name(f"{database.name}.before-{now_ms}")
    for end in ("-shm", "-wal", ""):
        with contextlib.suppress(FileNotFoundError):
            database.with_name(database.name + end).rename(kept.with_name(kept.name + end))
    return kept if kept.exists() else None


@contextlib.contextmanager
def _filling(out: Path) -> Iterator[Path]:
    """A file that gets this name when all of it is on disk, unless another has it by then."""
    if out.exists():
        raise CommandError(f"--out: {out} exists already, and a backup never overwrites: name another")
    with _telling(out), _making(out) as part:
        yield part
        _name(part, out)


def _name(part: Path, out: Path) -> None:
    """The file has this name. Raises: FileExistsError when another has it, OSError."""
    try:
        os.link(part, out)
    except FileExistsError:
        raise
    except OSError:  # no links here, as on many a USB stick: an empty file takes the name first, if nothing has it
        os.close(os.open(out, os.O_CREAT | os.O_EXCL, 0o600))
        part.replace(out)


@contextlib.contextmanager
def _making(path: Path) -> Iterator[Path]:
    """A new file beside this one, for its owner alone; gone afterwards unless renamed, and the folder on disk."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
    _sync(path.parent)


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    """A folder that takes no file, or a disk that is full, leaves this block as a CommandError."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None


def _sync(path: Path) -> None:
    """What this file or folder holds is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

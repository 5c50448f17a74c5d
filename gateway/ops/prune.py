"""Takes out of export files what the ledger no longer holds, so that who is erased is in no export either.

Called by `gateway.cli.events`; the files are those of `gateway.ops.export`. What stays in a file stays to the byte.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO, Annotated

import msgspec
from msgspec import Meta, Struct

from gateway.errors import CommandError
from gateway.ops.export import replacing
from gateway.ops.progress import following
from gateway.store.reading import Reader
from gateway.store.walk import find_rows

STEP = 500
"""Rows that are looked up together: more would be more than a database takes in one statement."""

LONGEST_LINE_BYTES = 1_000_000
"""No line of an export comes near it; what is longer is some other file."""


class Pruned(Struct, frozen=True):
    """How many events are still in a file, and how many were taken out."""

    kept: int
    gone: int


class _Named(Struct, frozen=True):
    """The event that a row is of: what every export has told of one, and no other file does."""

    store_id: str
    pixel_code: str
    event_id: str
    id: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]


_Row = tuple[_Named | None, bytes]
"""What a row is of, None for the names of the columns, and its line or lines."""


class _Strange(Exception):
    """What is wrong with a line."""


def prune(reader: Reader, store_ids: Collection[str], path: Path) -> Pruned:
    """The file has only events that these stores' ledgers hold, on disk; stopped before, it is what it was.

    Raises: CommandError when it is no export of these stores', or cannot be written; then too.
    """
    if not path.is_file():
        raise CommandError(f"there is no file {path}")
    path = path.resolve()  # or a link would be replaced, and not what it leads to
    with _open(path) as source, replacing(path, like=os.fstat(source.fileno())) as file:
        lines = _Lines(source)
        try:
            return _copy(reader, store_ids, lines, path, file)
        except _Strange as fault:
            raise CommandError(f"{path}, line {lines.number}: {fault}; the file is as it was") from None


def _open(path: Path) -> IO[bytes]:
    """The file, which this user may write to: to replace it, a right to its folder would do."""
    try:
        return path.open("r+b")
    except OSError as error:
        raise CommandError(f"{path} cannot be rewritten: {error.strerror}") from None


def _copy(reader: Reader, store_ids: Collection[str], lines: _Lines, path: Path, file: TextIOWrapper) -> Pruned:
    kept = gone = 0
    rows = _read_rows(lines)
    with following() as tell:
        while step := list(islice(rows, STEP)):
            named = [one for one, _ in step if one]
            there = _find_there(reader, store_ids, named)
            stays = [line for one, line in step if one is None or (one.store_id, one.id) in there]
            file.buffer.write(b"".join(stays))
            stay = sum((one.store_id, one.id) in there for one in named)
            kept, gone = kept + stay, gone + len(named) - stay
            tell(f"{path.name}, bytes", lines.taken_bytes, lines.total_bytes)
    return Pruned(kept, gone)


def _find_there(reader: Reader, store_ids: Collection[str], named: Sequence[_Named]) -> set[tuple[str, str]]:
    """Which of these events are in the ledger, by store and id."""
    found: set[tuple[str, str]] = set()
    for store_id in {one.store_id for one in named}:
        if store_id not in store_ids:  # its events are not gone, they are elsewhere
            raise _Strange(f"it is of a store {store_id!r:.80}, which this configuration does not have")
        ids = [one.id for one in named if one.store_id == store_id]
        found |= {(store_id, id_) for id_ in reader.read(partial(find_rows, store_id=store_id, ids=ids))}
    return found


class _Lines:
    """The lines of a file, each whole; how far it is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.total_bytes = os.fstat(file.fileno()).st_size
        self.taken_bytes = self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        while line := self._file.readline(LONGEST_LINE_BYTES):
            self.number += 1
            self.taken_bytes += len(line)
            if not line.endswith(b"\n"):
                raise _Strange("it is cut off")
            yield line


def _read_rows(lines: _Lines) -> Iterator[_Row]:
    """Every row, of either format. An empty file is an export without events."""
    each = iter(lines)
    for first in each:
        read = _read_json if first.startswith(b"{") else _read_csv
        try:
            yield from read(chain([first], each))
        except (msgspec.MsgspecError, csv.Error, ValueError):
            raise _Strange("this is not as `tag-gateway events export` writes it") from None


def _read_json(lines: Iterator[bytes]) -> Iterator[_Row]:
    decoder = msgspec.json.Decoder(_Named)
    for line in lines:
        yield decoder.decode(line), line


def _read_csv(lines: Iterator[bytes]) -> Iterator[_Row]:
    """A row may go over several lines: a message of TikTok's is quoted as it is."""
    taken: list[bytes] = []

    def take() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line.decode()

    rows = csv.reader(take(), strict=True)
    columns = next(rows)
    if not {*_Named.__struct_fields__} <= {*columns}:
        raise csv.Error
    yield None, b"".join(taken)
    taken.clear()
    for cells in rows:
        yield msgspec.convert(dict(zip(columns, cells, strict=True)), _Named), b"".join(taken)
        taken.clear()

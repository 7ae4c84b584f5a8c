"""The files of a journal: their names, their lines, and how one is begun."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SETTLED = b'{"kind":"settled",'
"""The beginning of each line that says how a request ended."""

_NAME = re.compile(r"0[0-9]{11}\.jsonl")
_BLOCK = 256 * 1024
_LONGEST_LINE = 1024 * 1024
_TRIES = 100


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between two lines of a journal.

    Attributes:
        segment: The number of the file.
        offset: Bytes from its beginning.
    """

    segment: int
    offset: int


def segment_path(folder: Path, number: int) -> Path:
    """Return the file of a segment."""
    return folder / f"{number:012d}.jsonl"


def segments_in(folder: Path) -> list[int]:
    """Return the numbers of the segments in a folder, oldest first; whatever else lies there is left alone."""
    with os.scandir(folder) as entries:
        names = [
            entry.name for entry in entries if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]
    return sorted(int(name.removesuffix(".jsonl")) for name in names)


def begin_segment(folder: Path, number: int, head: bytes) -> tuple[int, int]:
    """Make a new segment with its head, whole or not at all.

    Args:
        folder: Where the segments lie.
        number: The number of the segment; the next free one is taken where something else has its name.
        head: What it begins with.

    Returns:
        The number, and the descriptor, open for appending.

    Raises:
        OSError: If the disk refuses.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    for candidate in range(number, number + _TRIES):
        path = segment_path(folder, candidate)
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError:
            continue
        try:
            _write_whole(descriptor, head)
        except BaseException:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return candidate, descriptor
    raise FileExistsError(f"{folder} is full of other files with the names of segments; move them away")


def _write_whole(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written != len(data):
        raise OSError(f"the disk took {written} of {len(data)} bytes; is it full?")


def whole_lines(path: Path, *, start: int = 0, limit: int | None = None) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a file that end, each with the place after it; a line beyond all measure is yielded empty.

    Args:
        path: The file; a link or a pipe is none.
        start: Bytes to skip.
        limit: Bytes of the file that count; a line that goes beyond them is left out.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield from _lines_of(descriptor, start, float("inf") if limit is None else limit)
    finally:
        os.close(descriptor)


def lines_of_deleted(descriptor: int, *, start: int, limit: int) -> Iterator[bytes]:
    """Yield the lines of a file that is open for writing alone, and whose name is gone; Linux can open it once more."""
    reader = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for line, _ in _lines_of(reader, start, limit):
            yield line
    finally:
        os.close(reader)


def _lines_of(descriptor: int, start: int, limit: float) -> Iterator[tuple[bytes, int]]:
    place = start
    pending = b""
    is_too_long = False
    while block := os.pread(descriptor, _BLOCK, place + len(pending)):
        *lines, pending = (pending + block).split(b"\n")
        for line in lines:
            place += len(line) + 1
            if place > limit:
                return
            yield (b"" if is_too_long else line + b"\n"), place
            is_too_long = False
        if len(pending) > _LONGEST_LINE:  # what is left of it is passed over
            place += len(pending)
            pending = b""
            is_too_long = True


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return what a line of the journal says, or None where it cannot be read."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("kind"), str) else None

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

_NAME = re.compile(r"\d{12}\.jsonl")


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
    """Return the numbers of the segments in a folder, oldest first; files of other names are left alone."""
    return sorted(int(path.stem) for path in folder.iterdir() if _NAME.fullmatch(path.name))


def begin_segment(path: Path, head: bytes) -> int:
    """Make a new segment with its head, whole or not at all.

    Returns:
        The descriptor, open for appending.

    Raises:
        OSError: If the disk refuses.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        _write_whole(descriptor, head)
    except BaseException:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def _write_whole(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    if written != len(data):
        raise OSError(f"the disk took {written} of {len(data)} bytes; is it full?")


def whole_lines(path: Path, *, start: int = 0, limit: int | None = None) -> Iterator[bytes]:
    """Yield the lines of a file that end, with their ends.

    Args:
        path: The file.
        start: Bytes to skip.
        limit: Bytes of the file that count; a line that goes beyond them is left out.
    """
    with path.open("rb") as file:
        file.seek(start)
        place = start
        for line in file:
            place += len(line)
            if not line.endswith(b"\n") or (limit is not None and place > limit):
                return  # torn by a kill in the middle of a write, or written later
            yield line


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return what a line of the journal says, or None where it cannot be read."""
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("kind"), str) else None

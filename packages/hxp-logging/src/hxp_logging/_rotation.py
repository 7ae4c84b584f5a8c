"""When a file is put aside, what it is called then, and which of those may go: decisions only, no file is touched."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._options import Rotation

_PERIODS = {"hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class Aside:
    """A file that was put aside.

    Attributes:
        number: Counts up; the order in which files were put aside, whatever the clock said.
        modified: Seconds since 1970, of its last line.
    """

    name: str
    number: int
    size: int
    modified: float


def period_of(rotation: "Rotation", now: float) -> int:
    """Number the stretch of time that `now` lies in; UTC knows no daylight saving, and time stamps no leap seconds."""
    if rotation.every is None:
        return 0
    length = _PERIODS[rotation.every] if isinstance(rotation.every, str) else rotation.every
    return int(now // length)


def is_due(rotation: "Rotation", *, size: int, period: int, now_period: int) -> bool:
    """Tell whether a file is to be put aside: it is full, or its stretch of time is over.

    An empty file never is. A clock that was set back does not end a stretch.
    """
    full = rotation.size is not None and size >= rotation.size
    return size > 0 and (full or now_period > period)


def aside_number(base: str, name: str) -> int | None:
    """Read the number in the name of a file put aside: `app.log.000042`, or the same with `.gz`."""
    match = re.fullmatch(re.escape(base) + r"\.(\d{6,})(?:\.gz)?", name)
    return int(match[1]) if match else None


def next_name(base: str, names: Iterable[str]) -> str:
    """Return the name under which to put a file aside, given all names in its folder."""
    numbers = (aside_number(base, name) for name in names)
    return f"{base}.{max((number for number in numbers if number is not None), default=0) + 1:06d}"


def surplus(rotation: "Rotation", files: Iterable[Aside], *, now: float) -> list[Aside]:
    """Return the files that may go, the oldest first: too many, too old, or too big together."""
    newest_first = sorted(files, key=lambda file: file.number, reverse=True)
    gone: list[Aside] = []
    kept_bytes = 0
    for kept, file in enumerate(newest_first):
        kept_bytes += file.size
        if (
            (rotation.keep is not None and kept >= rotation.keep)
            or (rotation.keep_for is not None and now - file.modified > rotation.keep_for)
            or (rotation.keep_bytes is not None and kept_bytes > rotation.keep_bytes)
        ):
            gone.append(file)
    return gone[::-1]

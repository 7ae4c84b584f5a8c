"""What a child writes, bounded: its log, and a file that never blocks it for the rest, such as uncaught errors."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from hxp_logging import Rotation

if TYPE_CHECKING:
    from pathlib import Path

    from hxp_schemas import LogRotation

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_TAIL = 4096
_DAY = 86_400.0


def rotation_of(config: LogRotation) -> Rotation:
    """A stack's rotation as the log's own options."""
    return Rotation(
        size=config.size,
        every=config.every,
        keep=config.keep,
        keep_for=None if config.keep_days is None else config.keep_days * _DAY,
    )


class RawOutput:
    """A file that a child appends to and its parent cuts.

    The child holds the file itself and not a pipe, so that it neither waits for a parent that is slow nor dies with
    one that is gone. Its parent looks at the size now and then: the newest half goes into `NAME.out.000001`, and the
    file begins anew.

    Args:
        path: Where it lies.
        limit: Bytes after which it is cut.
    """

    def __init__(self, path: Path, *, limit: int) -> None:
        self.path = path
        self._limit = limit

    def open(self) -> int:
        """Open the file for a child.

        Returns:
            A descriptor, which the caller closes.

        Raises:
            OSError: If there is no room, or no right, to make it.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, _FLAGS, 0o600)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o600)
        self.trim()
        return descriptor

    def trim(self) -> None:
        """Put the newest half aside and begin anew, if the file is too long; on a full disk it is only emptied."""
        with contextlib.suppress(OSError):
            if self.path.stat().st_size > self._limit:
                with contextlib.suppress(OSError):
                    self._put_aside()
                os.truncate(self.path, 0)  # everybody appends, so the next write begins at the new end

    def _put_aside(self) -> None:
        draft = self.path.with_name(f".{self.path.name}.part")
        try:
            descriptor = os.open(draft, _FLAGS | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as target, self.path.open("rb") as source:
                source.seek(-(self._limit // 2), os.SEEK_END)
                source.readline()  # the rest of a line that is cut in the middle
                target.write(source.read(self._limit // 2))
            draft.replace(self.path.with_name(f"{self.path.name}.000001"))
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def last_words(self, *, since: int = 0) -> str:
        """Return the last line that was written after the first `since` bytes, empty where there is none."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(since, self.path.stat().st_size - _TAIL))
                lines = file.read(_TAIL).decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def size(self) -> int:
        """Return how long the file is now; 0 where there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

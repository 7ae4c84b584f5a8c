"""An engine's output, in a log file that rotates: read by its parent, bounded in size, rate and memory."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from hxp_logging import FileOutput, Logging, LoggingOptions, Rotation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

ROTATION = Rotation(size=10_000_000, keep=5)
"""Sixty megabytes at the most, compressed less; the same policy as that of any other log file."""
_LINE = 4096
"""Bytes of a line that are kept."""
_RATE = 200
"""Lines a second that are written; more are counted."""
_LAST = 20


class EngineLog:
    """Takes the output of an engine line by line.

    Args:
        path: The file; JSON lines.
        rotation: When it is put aside, and what is kept.
        clock: Monotonic seconds, for the rate.
    """

    def __init__(
        self, path: Path, *, rotation: Rotation = ROTATION, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        output = FileOutput(path=str(path), rotation=rotation)
        self._logging = Logging(LoggingOptions(level="DEBUG", outputs=(output,)))
        self._log = self._logging.get_logger("engine")
        self._clock = clock
        self._second = clock()
        self._written = 0
        self._left_out = 0
        self._last: deque[str] = deque(maxlen=_LAST)

    async def pump(self, stream: asyncio.StreamReader) -> None:
        """Write what `stream` says until it ends; a line is cut at 4 KiB."""
        rest = b""
        while chunk := await stream.read(_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) >= _LINE:
                lines.append(rest)
                rest = b""
            for line in lines:
                with contextlib.suppress(Exception):  # an engine blocks if nobody reads
                    self.write(line)
        self.write(rest)

    def write(self, line: bytes) -> None:
        """Write one line, unless this second has had its share."""
        text = line[:_LINE].decode(errors="replace").strip()
        if not text:
            return
        self._last.append(text)
        now = self._clock()
        if now - self._second >= 1.0:
            self._tell_left_out()
            self._second, self._written = now, 0
        if self._written < _RATE:
            self._written += 1
            self._log.info(text)
        else:
            self._left_out += 1

    def last_words(self, lines: int = 5) -> str:
        """The end of what was said, for the error message."""
        said = " | ".join(list(self._last)[-lines:])[-_LINE:] or "none"
        return f"its last words: {said} (see {self.path})"

    def close(self) -> None:
        """Close the file."""
        self._tell_left_out()
        self._logging.close()

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._log.warning("the engine said too much; lines were left out", lines=self._left_out)
            self._left_out = 0

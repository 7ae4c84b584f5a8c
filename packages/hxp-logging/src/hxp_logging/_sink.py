"""Where lines go. A sink that fails never raises into the program: the door drops, counts, and says so once."""

import errno
import os
from typing import Protocol, TextIO

from ._fork import ForkSafeLock


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, line: bytes, level: int, /) -> None:
        """Write one line.

        Raises:
            Exception: The line, or a part of it, was not written.
        """

    def flush(self, timeout: float, /) -> None:
        """Wait, at most so many seconds, until every line has left."""

    def reopen(self) -> None:
        """Open again, soon, what somebody may have renamed; called from signal handlers."""

    def close(self) -> None:
        """Let go of what the sink opened itself."""


class DescriptorSink:
    """Writes to an open file descriptor.

    Args:
        descriptor: Its number.
        owner: The stream that it belongs to; once that is closed, the number may be given to another file.
    """

    def __init__(self, descriptor: int, owner: TextIO) -> None:
        self._descriptor = descriptor
        self._owner = owner
        self._torn = False
        self._lock = ForkSafeLock()  # a pipe takes at most 4096 bytes in one piece

    def write(self, line: bytes, _level: int, /) -> None:
        """Write one line; after a line that was cut short, begin on a new one."""
        with self._lock:
            if self._owner.closed:
                raise OSError(errno.EBADF, "the stream is closed")
            if self._torn:
                line = b"\n" + line
            written = os.write(self._descriptor, line)
            self._torn = written < len(line)
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            self._torn = False

    def flush(self, _timeout: float, /) -> None:
        """Nothing waits here."""

    def reopen(self) -> None:
        """Nothing was opened."""

    def close(self) -> None:
        """Leave the descriptor open."""


class StreamSink:
    """Writes to a text stream without a descriptor, such as `io.StringIO`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = ForkSafeLock()

    def write(self, line: bytes, _level: int, /) -> None:
        """Write one line."""
        with self._lock:
            self._stream.write(line.decode())
            self._stream.flush()

    def flush(self, _timeout: float, /) -> None:
        """Nothing waits here."""

    def reopen(self) -> None:
        """Nothing was opened."""

    def close(self) -> None:
        """Leave the stream open."""


class Door:
    """The one way out to a sink: a failure stays here.

    Attributes:
        written: Lines that the sink took.
        lost: Lines that could not be made or written.
        unsaid: Those of the lost ones that no line has told of yet.
    """

    __slots__ = ("_lock", "lost", "sink", "unsaid", "write_unguarded", "written")

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.write_unguarded = sink.write
        self.written = 0
        self.lost = 0
        self._lock = ForkSafeLock()
        self.unsaid = 0

    def count_loss(self) -> None:
        """Count a line that could not be made or written."""
        with self._lock:
            self.lost += 1
            self.unsaid += 1

    def count_late_loss(self) -> None:
        """Count a line that had been taken for written."""
        with self._lock:
            self.lost += 1
            self.written -= 1

    def take_unsaid(self) -> int:
        """Return how many losses nobody has been told of, as somebody is told now."""
        with self._lock:
            healed, self.unsaid = self.unsaid, 0
        return healed


def stream_sink(stream: TextIO) -> Sink:
    """Write to the stream's descriptor where it has one, past its buffer."""
    try:
        stream.flush()
        return DescriptorSink(stream.fileno(), stream)
    except (AttributeError, OSError, ValueError):
        return StreamSink(stream)

"""Where lines go. A sink that fails never raises: it drops, counts, and says so once when it heals."""

import errno
import os
from pathlib import Path
from threading import RLock
from typing import Protocol, TextIO

_CLOSED = -1


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, line: bytes) -> None:
        """Write one line.

        Raises:
            Exception: The line, or a part of it, was not written.
        """

    def close(self) -> None:
        """Let go of what the sink opened itself."""


class DescriptorSink:
    """Writes to an open file descriptor.

    Args:
        descriptor: Its number.
        owner: The stream that it belongs to; once that is closed, the number may be given to another file.
    """

    def __init__(self, descriptor: int, owner: TextIO | None = None) -> None:
        self._descriptor = descriptor
        self._owner = owner
        self._torn = False

    def write(self, line: bytes) -> None:
        """Write one line; after a line that was cut short, begin on a new one."""
        if self._owner is not None and self._owner.closed:
            raise OSError(errno.EBADF, "the stream is closed")
        if self._torn:
            line = b"\n" + line
        written = os.write(self._descriptor, line)
        self._torn = written < len(line)
        while written < len(line):
            written += os.write(self._descriptor, line[written:])
        self._torn = False

    def close(self) -> None:
        """Leave the descriptor open."""


class FileSink(DescriptorSink):
    """Appends to a file, and opens it again after a failure."""

    def __init__(self, path: str) -> None:
        super().__init__(_CLOSED)
        self._path = Path(path)

    def write(self, line: bytes) -> None:
        """Write one line, making the file and its folder where they are missing."""
        if self._descriptor == _CLOSED:
            self._open()
        try:
            super().write(line)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        if self._descriptor != _CLOSED:
            os.close(self._descriptor)
            self._descriptor = _CLOSED

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class StreamSink:
    """Writes to a text stream without a descriptor, such as `io.StringIO`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Write one line."""
        self._stream.write(line.decode())
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open."""


class Door:
    """The one way out: lines leave one after the other, and a failure stays here."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.written = 0
        self.lost = 0
        self._lock = RLock()  # a signal handler may log while its own thread is writing
        self._unsaid = 0

    def write(self, line: bytes) -> int:
        """Write a line.

        Returns:
            How many lines were lost since the last success, if this is the first success after that.
        """
        with self._lock:
            try:
                self.sink.write(line)
            except Exception:  # noqa: BLE001 - OSError for the most part, but a stream may be anybody's
                self.count_loss()
                return 0
            self.written += 1
            healed, self._unsaid = self._unsaid, 0
            return healed

    def count_loss(self) -> None:
        """Count a line that could not be made or written."""
        with self._lock:
            self.lost += 1
            self._unsaid += 1

    def close(self) -> None:
        """Close the sink."""
        with self._lock:
            self.sink.close()


def stream_sink(stream: TextIO) -> Sink:
    """Write to the stream's descriptor where it has one, past its buffer."""
    try:
        stream.flush()
        return DescriptorSink(stream.fileno(), stream)
    except (AttributeError, OSError, ValueError):
        return StreamSink(stream)

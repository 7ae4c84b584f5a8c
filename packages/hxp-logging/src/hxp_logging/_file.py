"""A log file that many threads and processes append to, and any of them may put aside.

No lock is taken for a line: an append of one buffer lands in one piece. Each writer holds a shared `flock` on the file
it has open; whoever puts it aside takes the exclusive one on a file beside it, renames, and opens the next. The others
find out because they compare the inode at most every 100 ms, before they write, and exchange what is behind their
descriptor number (`dup2`), so a thread in the middle of a write is never left without a file. What was put aside is
compressed or removed only by one who gets the exclusive lock on it: then nobody can still be writing to it.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from time import monotonic, time
from typing import TYPE_CHECKING

from ._fork import ForkSafeLock
from ._place import is_at
from ._rotation import is_due, next_name, period_of

if TYPE_CHECKING:
    from ._archive import Archive
    from ._options import Rotation

_CLOSED = -1
_LOOK_EVERY = 0.1
_TRY_AGAIN = 1.0
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o640
_OPENINGS = 100
_ENOUGH = 1 << 20  # bytes between two looks, should the clock stand still


class FileSink:
    """Appends to a file; opens it again after a failure, and when it was renamed or removed.

    Args:
        path: Its folder is made where it is missing.
        rotation: When to put it aside; never, unless given.
        clock: Seconds since 1970.
        monotonic: Seconds, never set back.

    Attributes:
        descriptor: The open file's; its number stays the same.
        room: Bytes that may be written before the next look.
    """

    def __init__(
        self,
        path: str,
        rotation: "Rotation | None" = None,
        *,
        clock: Callable[[], float] = time,
        monotonic: Callable[[], float] = monotonic,
    ) -> None:
        # No pathlib here: importing it would cost more than all of this package. A daemon may change its folder.
        self._path = os.path.abspath(path)  # noqa: PTH100 - as above
        self._folder, self._name = os.path.split(self._path)
        self._rotation = rotation
        self._clock = clock
        self._now = monotonic
        self._lock = ForkSafeLock()
        self._archive = _archive(self._path, rotation, clock) if rotation is not None else None
        self.descriptor = _CLOSED
        self._look_at = 0.0
        self.room = 0
        self._period = 0
        self._begin_anew = False
        self._is_open = False

    def write(self, line: bytes, _level: int, /) -> None:
        """Write one line, making the file and its folder where they are missing."""
        now = self._now()
        if now >= self._look_at or self.room <= 0:
            self._look(now)
            if self._begin_anew:
                self._begin_anew = False
                line = b"\n" + line
        try:
            written = os.write(self.descriptor, line)
        except OSError:
            self.reopen()
            raise
        self.room -= written
        if written < len(line):
            self.take_back(line[:written])

    def flush(self, timeout: float, /) -> None:
        """Wait for the compression of what was put aside."""
        if self._archive is not None:
            self._archive.wait(timeout)

    def reopen(self) -> None:
        """Look for the file before the next line."""
        self._look_at = 0.0
        self.room = 0

    def seconds_to_look(self) -> float:
        """Tell for how long lines may be written without a look at the file, as long as there is `room`."""
        return self._look_at - self._now()

    def close(self) -> None:
        """Have the next line open the file again.

        The file itself is let go when this object goes: another thread may be about to write to it, and its line must
        neither be lost nor land in what the program has opened since under the same number.
        """
        with self._lock:
            self.reopen()
            self._is_open = False

    def __del__(self) -> None:
        if getattr(self, "descriptor", _CLOSED) != _CLOSED:
            os.close(self.descriptor)

    def _look(self, now: float) -> None:
        """Open the file if it is not open or not there any more; put it aside if that is due."""
        if not self._lock.acquire(blocking=not self._is_open):
            return  # another thread is looking
        try:
            if not self._is_open or not self._is_current():
                self._open()
            self._look_at = now + _LOOK_EVERY  # not before: other threads may write from here on
            self.room = _ENOUGH
            if self._rotation is not None:
                self._look_at_size_and_time(self._rotation, now)
        except OSError:
            if not self._is_open or not os.fstat(self.descriptor).st_nlink:
                self.reopen()
                raise
            self._look_at, self.room = now + _LOOK_EVERY, _ENOUGH  # only renamed: better a line there than none
        finally:
            self._lock.release()

    def _look_at_size_and_time(self, rotation: "Rotation", now: float) -> None:
        size = os.fstat(self.descriptor).st_size
        now_period = period_of(rotation, self._clock())
        if is_due(rotation, size=size, period=self._period, now_period=now_period):
            try:
                self._put_aside(rotation, now_period)
            except OSError:  # a read-only folder, for one: better a long file than a lost line
                self._look_at, self.room = now + _TRY_AGAIN, _ENOUGH
            return
        self._period = min(self._period, now_period)  # the clock was set back: the next boundary counts again
        if rotation.size is not None:
            self.room = rotation.size - size

    def _put_aside(self, rotation: "Rotation", now_period: int) -> None:
        assert self._archive is not None  # noqa: S101 - for the type checker: it is there whenever a rotation is
        with self._archive.exclusive() as alone:
            if not alone:
                return  # another process is at it; the next look finds the new file
            if self._is_current():
                aside = next_name(self._name, os.listdir(self._folder))  # noqa: PTH208 - as above
                os.rename(self._path, os.path.join(self._folder, aside))  # noqa: PTH104, PTH118 - as above
        self._open()
        self._period = now_period
        self.room = rotation.size or _ENOUGH
        self._archive.tidy()

    def _is_current(self) -> bool:
        """Tell whether the path still leads to the file that is open."""
        return is_at(self.descriptor, self._path)

    def _open(self) -> None:
        """Open the file and hold it, behind the same number as before."""
        os.makedirs(self._folder, exist_ok=True)  # noqa: PTH103 - as above
        for _ in range(_OPENINGS):
            descriptor = os.open(self._path, _FLAGS, _MODE)
            if (self._rotation is None or _hold(descriptor)) and is_at(descriptor, self._path):
                break
            os.close(descriptor)
        else:
            raise OSError(f"{self._path} is renamed faster than it can be opened")
        if self._rotation is not None:
            status = os.fstat(descriptor)
            self._period = period_of(self._rotation, status.st_mtime if status.st_size else self._clock())
        if self.descriptor == _CLOSED:
            self.descriptor = descriptor
        else:
            os.dup2(descriptor, self.descriptor, inheritable=False)
            os.close(descriptor)
        self._is_open = True

    def take_back(self, part: bytes) -> None:
        """Remove half a line, which would spoil another's, if it is still the end of the file.

        Raises:
            OSError: Always: the disk is full, or the file as long as it may be.
        """
        self.reopen()
        self._begin_anew = True
        reader = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = os.fstat(reader).st_size
            if self._is_current() and os.pread(reader, len(part), end - len(part)) == part:
                os.ftruncate(self.descriptor, end - len(part))
                self._begin_anew = False
        finally:
            os.close(reader)
        raise OSError(errno.ENOSPC, f"only {len(part)} bytes of a line could be written to {self._path}")


def _hold(descriptor: int) -> bool:
    """Take the shared lock on an open file, unless somebody is compressing it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: then nothing there is ever compressed either
        return True
    return True


def _archive(path: str, rotation: "Rotation", clock: Callable[[], float]) -> "Archive":
    from ._archive import Archive  # noqa: PLC0415 - what it imports would cost the others as much as all of this package

    return Archive(path, rotation, clock=clock)

"""What was put aside: compressed and removed in a thread of its own, started when there is something to do."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from ._fork import ForkSafeLock, after_fork
from ._place import is_at
from ._rotation import Aside, aside_number, surplus

if TYPE_CHECKING:
    from ._options import Rotation

_CHUNK = 1 << 20


class Archive:
    """The files put aside next to a log file.

    Args:
        path: The log file.
        clock: Seconds since 1970.
    """

    def __init__(self, path: str, rotation: "Rotation", *, clock: Callable[[], float]) -> None:
        self._path = Path(path)
        self._rotation = rotation
        self._clock = clock
        self._lock = ForkSafeLock()
        self._thread: Thread | None = None
        self._again = False
        after_fork(self._forget_thread)

    @contextmanager
    def exclusive(self) -> Iterator[bool]:
        """Be the only process that renames; tells whether that worked, and does not wait."""
        descriptor = os.open(
            self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640
        )
        try:
            yield _try_exclusive(descriptor)
        finally:
            os.close(descriptor)  # which gives the lock back, as the end of the process would

    def tidy(self) -> None:
        """Compress and remove what may be, in a thread, unless one is at it already."""
        with self._lock:
            self._again = True
            if self._thread is None:
                thread = Thread(target=self._run, name="hxp-logging-archive", daemon=True)
                with suppress(RuntimeError):  # the interpreter is ending: the next rotation will do it
                    thread.start()
                    self._thread = thread

    def wait(self, timeout: float) -> None:
        """Wait for the thread, at most so many seconds."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def files(self) -> list[Aside]:
        """List what was put aside."""
        found = []
        for path in self._path.parent.iterdir():
            number = aside_number(self._path.name, path.name)
            if number is not None:
                with suppress(OSError):  # removed by another process in between
                    status = path.stat()
                    found.append(Aside(path.name, number, status.st_size, status.st_mtime))
        return sorted(found, key=lambda file: (file.number, file.name))

    def tidy_now(self) -> None:
        """Compress, then remove what is too much."""
        if self._rotation.compress:
            for file in self.files():
                if not file.name.endswith(".gz"):
                    with suppress(OSError):  # a full disk: the next rotation tries again
                        self._compress(self._path.with_name(file.name))
        for file in surplus(self._rotation, self.files(), now=self._clock()):
            with suppress(OSError), _held_alone(self._path.with_name(file.name)) as source:
                if source is not None:
                    self._path.with_name(file.name).unlink()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._again:
                    self._thread = None
                    return
                self._again = False
            with suppress(OSError):  # the folder is gone, for one: there is nothing to tidy
                self.tidy_now()

    def _compress(self, path: Path) -> None:
        import gzip  # noqa: PLC0415 - only where there is something to compress
        import shutil  # noqa: PLC0415

        target = path.with_name(f"{path.name}.gz")
        with _held_alone(path) as source:
            if source is None:
                return
            if not target.exists():  # else somebody was stopped between the last two steps
                partial = path.with_name(f".{path.name}.gz.part")
                try:
                    with open(source, "rb", closefd=False) as plain, partial.open("wb") as file:
                        with gzip.GzipFile(path.name, "wb", fileobj=file) as packed:
                            shutil.copyfileobj(plain, packed, _CHUNK)
                        file.flush()
                        os.fsync(file.fileno())
                except OSError:
                    partial.unlink(missing_ok=True)
                    raise
                status = os.fstat(source)
                os.utime(partial, ns=(status.st_atime_ns, status.st_mtime_ns))
                partial.chmod(status.st_mode & 0o777)
                partial.rename(target)
            path.unlink()

    def _forget_thread(self) -> None:
        self._thread = None


@contextmanager
def _held_alone(path: Path) -> Iterator[int | None]:
    """Open a file that nobody else has open for logging; None if somebody has."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor if _try_exclusive(descriptor) and is_at(descriptor, path) else None
    finally:
        os.close(descriptor)


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

"""Lines that leave from a thread of their own, so that a sink that blocks keeps nobody waiting."""

import atexit
import time
import weakref
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread, current_thread
from typing import TYPE_CHECKING

from ._fork import after_fork
from ._level import CRITICAL, DEBUG, ERROR, INFO, WARNING

if TYPE_CHECKING:
    from ._sink import Sink

_LEVELS = (DEBUG, INFO, WARNING, ERROR, CRITICAL)


class Backlog:
    """Lines that wait: in order, bounded, and the least important dropped first; knows no thread and no sink.

    Args:
        capacity: Lines that may wait.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lines: dict[int, deque[tuple[int, bytes]]] = {level: deque() for level in _LEVELS}
        self._sequence = 0
        self.size = 0

    def put(self, line: bytes, level: int) -> int:
        """Add a line.

        Returns:
            The level of the line that was dropped for it, or its own if it was; 0 if there was room.
        """
        dropped = 0
        if self.size >= self._capacity:
            dropped = next(lowest for lowest in _LEVELS if self._lines[lowest] or lowest == level)
            if dropped == level:
                return dropped  # what is new is no more important than what waits
            self._lines[dropped].popleft()
            self.size -= 1
        self._sequence += 1
        self._lines[level].append((self._sequence, line))
        self.size += 1
        return dropped

    def take(self) -> tuple[bytes, int]:
        """Remove the oldest line."""
        level = min((level for level in _LEVELS if self._lines[level]), key=lambda level: self._lines[level][0][0])
        self.size -= 1
        return self._lines[level].popleft()[1], level


class BackgroundWriter:
    """Writes to a sink from a thread, which starts with the first line.

    A full backlog drops DEBUG first, then INFO, and so on; `write` never waits. In a forked child it begins anew: what
    waited is the parent's to write.

    Args:
        sink: May block as it likes.
        on_loss: Called for each line that was lost.
        on_heal: Told how many were lost, once the sink takes lines again and nothing waits any more.
    """

    def __init__(
        self,
        sink: "Sink",
        *,
        capacity: int,
        flush_timeout: float,
        on_loss: Callable[[], None],
        on_heal: Callable[[int], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._capacity = capacity
        self._flush_timeout = flush_timeout
        self._on_loss = on_loss
        self._on_heal = on_heal
        self._now = monotonic
        self.dropped: dict[int, int] = dict.fromkeys(_LEVELS, 0)
        self._changed = Condition()  # on a re-entrant lock: a signal handler may log
        self._backlog = Backlog(capacity)
        self._thread: Thread | None = None
        self._is_idle = True
        self._is_healthy = True
        self._unsaid = 0
        after_fork(self._begin_anew)
        reference = weakref.WeakMethod(self._flush_at_exit)
        self._at_exit = lambda: (method := reference()) is not None and method()

    def write(self, line: bytes, level: int, /) -> None:
        """Let a line wait for its turn."""
        with self._changed:
            dropped = self._backlog.put(line, level)
            if dropped:
                self._count_loss(dropped)
            if self._thread is None:
                self._start()
            elif self._is_idle:
                self._changed.notify_all()

    def flush(self, timeout: float, /) -> None:
        """Wait until every line has left, at most so many seconds."""
        until = self._now() + timeout
        with self._changed:
            while (self._backlog.size or not self._is_idle) and self._thread not in {None, current_thread()}:
                left = until - self._now()
                if left <= 0:
                    return
                self._changed.wait(left)
        self._sink.flush(max(0.0, until - self._now()))

    def reopen(self) -> None:
        """Pass the wish on."""
        self._sink.reopen()

    def close(self) -> None:
        """Write what waits, end the thread, and close the sink."""
        self._flush_at_exit()
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not current_thread():
            thread.join(self._flush_timeout)
        self._sink.close()
        atexit.unregister(self._at_exit)

    def _flush_at_exit(self) -> None:
        self.flush(self._flush_timeout)

    def _start(self) -> None:
        self._is_idle = False
        atexit.unregister(self._at_exit)
        atexit.register(self._at_exit)  # also for a line that comes after the end of the thread before
        self._thread = thread = Thread(target=self._run, name="hxp-logging-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending, and starts no more threads
            self._thread = None
            while self._backlog.size:
                self._write(*self._backlog.take())

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            if isinstance(taken, int):
                self._on_heal(taken)
            else:
                self._write(*taken)

    def _next(self) -> tuple[bytes, int] | int | None:
        """Wait for a line; return instead the number of lost ones if that can be told now, or None at the end."""
        with self._changed:
            while not self._backlog.size:
                if self._unsaid and self._is_healthy:
                    lost, self._unsaid = self._unsaid, 0
                    return lost
                self._is_idle = True
                self._changed.notify_all()
                if self._thread is not current_thread():
                    return None
                self._changed.wait()
            self._is_idle = False
            return self._backlog.take()

    def _write(self, line: bytes, level: int) -> None:
        try:
            self._sink.write(line, level)
            self._is_healthy = True
        except Exception:  # noqa: BLE001 - a line was lost, and the next one may not be
            self._is_healthy = False
            with self._changed:
                self._count_loss(level)

    def _count_loss(self, level: int) -> None:
        self.dropped[level] += 1
        self._unsaid += 1
        self._on_loss()

    def _begin_anew(self) -> None:
        self._changed = Condition()
        self._backlog = Backlog(self._capacity)
        self._thread = None
        self._is_idle = True
        self._is_healthy = True
        self._unsaid = 0

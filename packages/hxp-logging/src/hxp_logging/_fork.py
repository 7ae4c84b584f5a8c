"""A lock that a forked child does not inherit in a locked state."""

import os
import weakref
from collections.abc import Callable
from threading import RLock
from types import TracebackType
from typing import Any


def after_fork(method: Callable[[], Any]) -> None:
    """Call a bound method in every child that is forked while its object lives."""
    reference = weakref.WeakMethod(method)

    def call() -> None:
        if (alive := reference()) is not None:
            alive()

    os.register_at_fork(after_in_child=call)


class ForkSafeLock:
    """A re-entrant lock: a signal handler may log while its own thread is writing.

    A fork copies only the thread that forks. A lock that another thread held at that moment would stay locked in the
    child for ever, so the child gets a new one.
    """

    def __init__(self) -> None:
        self._renew()
        after_fork(self._renew)

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take the lock, or tell that another thread has it."""
        return self._lock.acquire(blocking=blocking)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = RLock()

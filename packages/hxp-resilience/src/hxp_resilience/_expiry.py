"""Many timeouts of one length behind one timer of the loop.

A timer of its own costs a call about five microseconds: a handle on the loop's heap, and later a cancelled one to be
swept away. Timeouts of the same length end in the order in which they began, so a dict in order of insertion is the
queue, removing is O(1), and one timer at its head is enough. (A deque would be as quick, and keep the calls that are
done for as long as the timeout is.) When the last call is done the timer still fires once, finds nothing, and is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any


class _Unknown:
    """A loop that does not say in which thread it runs."""

    _thread_id: ClassVar[None] = None


_UNKNOWN = _Unknown()


class Expiries:
    """The tasks under one timeout in one event loop.

    Args:
        loop: The event loop.
        seconds: How long each may take.

    Attributes:
        runs: Whose `_thread_id` says in which thread the loop runs now: the loop itself, if it is one of asyncio's. To
            ask `get_running_loop` instead is a system call in Python 3.11, and a third of what a timeout costs.
        pending: When the time of each task is over, on the clock of the loop; with a minus once it is and the task has
            been cancelled.
        before: Cancellations that had been asked of each task when its time began.
    """

    __slots__ = ("armed", "loop", "pending", "runs", "seconds", "time")

    alone: ClassVar[bool] = False
    before: ClassVar[int] = 0
    by_deadline: ClassVar[bool] = False

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self.loop = loop
        self.runs: Any = loop if hasattr(loop, "_thread_id") else _UNKNOWN
        self.seconds = seconds
        self.time: Callable[[], float] = loop.time
        self.pending: dict[asyncio.Task[Any], float] = {}
        self.armed = False

    def arm(self, when: float) -> None:
        """Start the timer, when there is none."""
        self.armed = True
        self.loop.call_at(when, self._fire)

    def _fire(self) -> None:
        now = self.time()
        due: list[asyncio.Task[Any]] = []
        for task, when in self.pending.items():
            if when > now:
                self.arm(when)
                break
            if when >= 0:
                due.append(task)
        else:
            self.armed = False
        for task in due:
            expire(self.pending, task)


class OneExpiry:
    """One task with a timer of its own: its time is shorter than that of the others, or it is only watched.

    Args:
        task: Which.
        loop: Its event loop.
        seconds: How long it may take.
        by_deadline: Whether the deadline says so.
        watched: Whether it is not ended then.
    """

    __slots__ = ("before", "by_deadline", "handle", "pending", "seconds", "time")

    alone: ClassVar[bool] = True

    def __init__(
        self,
        task: asyncio.Task[Any],
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        *,
        by_deadline: bool,
        watched: bool,
    ) -> None:
        self.before = task.cancelling()
        self.by_deadline = by_deadline
        self.seconds = seconds
        self.time: Callable[[], float] = loop.time
        when = self.time() + seconds
        self.pending = {task: when}
        self.handle = None if watched else loop.call_at(when, expire, self.pending, task)

    def end(self) -> None:
        """Stop the timer."""
        if self.handle is not None:
            self.handle.cancel()


def expire(pending: dict[asyncio.Task[Any], float], task: asyncio.Task[Any]) -> None:
    """Cancel a task whose time is over."""
    pending[task] = -abs(pending[task])
    task.cancel()


def is_own(task: asyncio.Task[Any], before: int, error: BaseException | None) -> bool:
    """Take back the cancellation of a call whose time is over; tell whether it is why the call ended.

    The same account as `asyncio.timeout` keeps: each one who cancels a task takes that back once, and only the last
    one to do so may turn the cancellation into an error.
    """
    from asyncio import CancelledError  # noqa: PLC0415 (only a call that failed pays for it)

    return task.uncancel() <= before and isinstance(error, CancelledError)

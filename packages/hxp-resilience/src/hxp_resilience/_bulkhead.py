"""Only so many at once, and only so many in the queue."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ._deadline import current_deadline
from .errors import BulkheadFullError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType
    from typing import Self

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BulkheadStatistics:
    """A bulkhead at one moment.

    Attributes:
        running: Calls inside.
        waiting: Calls in the queue.
        refused: Calls refused since the start.
    """

    running: int
    waiting: int
    refused: int


class Bulkhead:
    """Lets so many calls run at once and queues a bounded number more, first come, first served.

    For the tasks of one event loop. A place given back goes straight to the head of the queue.

    Args:
        max_concurrent: Calls inside at once.
        max_queued: Calls that may wait.
        queue_timeout: Seconds one may wait; without it only the current `Deadline` ends the wait.
        clock: Monotonic clock, for the timeline of errors.
    """

    def __init__(
        self,
        max_concurrent: int,
        max_queued: int = 0,
        *,
        queue_timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_concurrent < 1 or max_queued < 0:
            raise ValueError("max_concurrent must be at least 1 and max_queued at least 0")
        self._max_concurrent = max_concurrent
        self._max_queued = max_queued
        self._queue_timeout = queue_timeout
        self._clock = clock
        self._running = 0
        self._refused = 0
        self._waiters: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def statistics(self) -> BulkheadStatistics:
        """Return the counts at this moment."""
        return BulkheadStatistics(self._running, len(self._waiters), self._refused)

    def try_acquire(self) -> bool:
        """Take a place if one is free and nobody waits for it; `release` gives it back."""
        if self._running < self._max_concurrent:
            self._running += 1
            return True
        return False

    async def acquire(self) -> None:
        """Take a place, in turn; `release` gives it back.

        Raises:
            BulkheadFullError: The queue is full, or the wait took too long.
            DeadlineExceededError: The caller's time ran out in the queue.
        """
        if not self.try_acquire():
            await self._queue()

    def release(self) -> None:
        """Give a place back: to the first in the queue, if there is one."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():  # done here: cancelled, and not awake yet
                waiter.set_result(True)
                return
        self._running -= 1

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function when a place is free.

        Raises:
            BulkheadFullError: No place was free, or became free in time.
        """
        async with self:
            return await function(*args, **kwargs)

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    async def _queue(self) -> None:
        limit, deadline_first = self._patience()
        if len(self._waiters) >= self._max_queued:
            self._refused += 1
            raise self._full("the queue is full")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters[waiter] = None
        timer = None if limit is None else loop.call_later(limit, self._expire, waiter)
        started = self._clock()
        try:
            admitted = await waiter
        except asyncio.CancelledError:
            self._waiters.pop(waiter, None)
            if not waiter.cancelled() and waiter.result():
                self.release()  # given a place before the cancellation was seen: the place goes on
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not admitted:
            self._refused += 1
            timeline = (f"waited {self._clock() - started:.3f} s in the queue",)
            if deadline_first:
                raise DeadlineExceededError("the deadline passed in the queue", timeline=timeline)
            raise self._full("no place became free in time", timeline)

    def _patience(self) -> tuple[float | None, bool]:
        """Return how long this caller may wait, and whether it is its deadline that says so."""
        deadline = current_deadline()
        if deadline is None:
            return self._queue_timeout, False
        deadline.check()
        left = deadline.remaining()
        if self._queue_timeout is None or left < self._queue_timeout:
            return left, True
        return self._queue_timeout, False

    def _expire(self, waiter: asyncio.Future[bool]) -> None:
        self._waiters.pop(waiter, None)
        if not waiter.done():
            waiter.set_result(False)

    def _full(self, message: str, timeline: Sequence[str] = ()) -> BulkheadFullError:
        retry_after = 1.0 if self._queue_timeout is None else self._queue_timeout
        return BulkheadFullError(message, retry_after=retry_after, timeline=(*timeline, message))

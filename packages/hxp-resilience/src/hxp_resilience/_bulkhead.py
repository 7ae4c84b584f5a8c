"""Only so many at once, and only so many in the queue."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, ClassVar

from ._deadline import current_deadline
from ._policy import BasePolicy
from ._valid import patience, whole
from ._waiter import TaskWaiter, ThreadWaiter
from .errors import BulkheadFullError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True, slots=True)
class BulkheadOptions:
    """How many calls at once.

    Attributes:
        max_concurrent: Calls inside at once.
        max_queued: Calls that may wait.
        queue_timeout: Seconds one may wait; without it only the current `Deadline` ends the wait.
        shadow: Only watch: count what would have been queued or refused, and let everything in.
    """

    max_concurrent: int
    max_queued: int = 0
    queue_timeout: float | None = None
    shadow: bool = False

    def __post_init__(self) -> None:
        whole("max_concurrent", self.max_concurrent, least=1)
        whole("max_queued", self.max_queued, least=0)
        patience("queue_timeout", self.queue_timeout)


@dataclass(frozen=True, slots=True)
class BulkheadStatistics:
    """A bulkhead at one moment.

    Attributes:
        running: Calls inside.
        waiting: Calls in the queue.
        refused: Calls refused since the start, or that would have found no place in shadow mode.
    """

    running: int
    waiting: int
    refused: int


class Bulkhead(BasePolicy[BulkheadOptions]):
    """Lets so many calls run at once and queues a bounded number more, first come, first served.

    Tasks of any event loop and threads stand in the same queue. A place given back goes straight to its head.

    Args:
        max_concurrent: Calls inside at once; or all the options.
        max_queued: Calls that may wait.
        queue_timeout: Seconds one may wait; without it only the current `Deadline` ends the wait.
        clock: Monotonic clock, for the timeline of errors.

    Example:
        >>> bulkhead = Bulkhead(1)
        >>> with bulkhead:
        ...     bulkhead.try_acquire()
        False
    """

    __slots__ = ("_clock", "_lock", "_most", "_refused", "_running", "_waiters")

    # No other thread comes between a test and the assignment after it: under the interpreter's lock a thread is
    # changed at calls and backward jumps only.
    fragment: ClassVar[str] = """
if {p}._running < {p}._most:
    {p}._running += 1
else:
    await {p}._queue_async()
try:
    {inner}
finally:
    if {p}._waiters or {p}._running > {p}._most:
        {p}._hand_on()
    else:
        {p}._running -= 1
"""

    def __init__(
        self,
        max_concurrent: int | BulkheadOptions,
        max_queued: int = 0,
        *,
        queue_timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        options = (
            max_concurrent
            if isinstance(max_concurrent, BulkheadOptions)
            else BulkheadOptions(max_concurrent, max_queued, queue_timeout)
        )
        super().__init__("bulkhead", options)
        self._clock = clock
        self._most = options.max_concurrent
        self._running = 0
        self._refused = 0
        self._lock = RLock()  # held to line up, so that the queue is not longer than it may be
        self._waiters: OrderedDict[TaskWaiter | ThreadWaiter, None] = OrderedDict()

    def statistics(self) -> BulkheadStatistics:
        """Return the counts at this moment."""
        return BulkheadStatistics(self._running, len(self._waiters), self._refused)

    def reload(self, options: BulkheadOptions) -> None:
        """Go by other options; who is inside stays inside, and new places go to the queue at once."""
        self.options = options
        self._most = options.max_concurrent
        while self._waiters and self._running < self._most:
            self._running += 1
            self._hand_on()

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        patience = "" if options.queue_timeout is None else f" for up to {options.queue_timeout:g} s"
        queue = f"let {options.max_queued} more wait{patience}" if options.max_queued else "let none wait"
        return f"run {options.max_concurrent} calls at once, {queue}, and refuse the rest"

    def try_acquire(self) -> bool:
        """Take a place if one is free and nobody waits for it; `release` gives it back."""
        if self._running < self._most:
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
            await self._queue_async()

    def acquire_sync(self) -> None:
        """Take a place, in turn, in a thread; `release` gives it back.

        Raises:
            BulkheadFullError: The queue is full, or the wait took too long.
            DeadlineExceededError: The caller's time ran out in the queue.
        """
        if not self.try_acquire():
            self._queue_sync()

    def release(self) -> None:
        """Give a place back: to the first in the queue, if there is one."""
        if self._waiters or self._running > self._most:
            self._hand_on()
        else:
            self._running -= 1

    async def hold(self) -> Callable[[BaseException | None], None]:
        """Take a place for a stream; what is returned is called at its end."""
        await self.acquire()
        return lambda _error: self.release()

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

    def __enter__(self) -> Self:
        self.acquire_sync()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _hand_on(self) -> None:
        while self._running <= self._most:
            try:
                waiter, _ = self._waiters.popitem(last=False)
            except KeyError:
                break
            if waiter.give():
                return
        self._running -= 1

    async def _queue_async(self) -> None:
        limit, deadline_first = self._patience()
        loop = asyncio.get_running_loop()
        waiter = TaskWaiter(loop, self.release)
        if not self._line_up(waiter):
            return
        timer = None if limit is None else loop.call_later(limit, self._expire, waiter)
        started = self._clock()
        try:
            admitted = await waiter.future
        except asyncio.CancelledError:
            self._waiters.pop(waiter, None)
            if waiter.has_place():
                self.release()  # given a place before the cancellation was seen: the place goes on
            raise
        finally:
            if timer is not None:
                timer.cancel()
        if not admitted:
            self._give_up(started, deadline_first=deadline_first)
        elif deadline_first and self._patience_is_over():
            self.release()
            self._give_up(started, deadline_first=True)

    def _queue_sync(self) -> None:
        limit, deadline_first = self._patience()
        waiter = ThreadWaiter()
        if not self._line_up(waiter):
            return
        started = self._clock()
        try:
            admitted = waiter.wait(limit)
        except BaseException:
            if waiter.has_place():
                self.release()
            raise
        finally:
            self._waiters.pop(waiter, None)
        if not admitted:
            self._give_up(started, deadline_first=deadline_first)
        elif deadline_first and self._patience_is_over():
            self.release()
            self._give_up(started, deadline_first=True)

    def _line_up(self, waiter: TaskWaiter | ThreadWaiter) -> bool:
        """Go to the end of the queue and return True; or go in: a place is free, or shadow mode keeps nobody waiting.

        Raises:
            BulkheadFullError: The queue has no room.
        """
        options = self.options
        with self._lock:
            room = len(self._waiters) < options.max_queued and not options.shadow
            # As in the fragment, no other thread comes between this test and the place in the queue: who gives a place
            # back does so before the one, or after the other and sees the waiter.
            if self._running < self._most:
                self._running += 1
                return False
            if room:
                self._waiters[waiter] = None
                return True
        self._refused += 1
        if self.hooks:
            self.tell("bulkhead.refused", "the queue is full", shadow=self.options.shadow)
        if not self.options.shadow:
            raise self._full("the queue is full")
        self._running += 1
        return False

    def _give_up(self, started: float, *, deadline_first: bool) -> None:
        self._refused += 1
        if self.hooks:
            self.tell("bulkhead.refused", "no place became free in time")
        timeline = (f"waited {self._clock() - started:.3f} s in the queue",)
        if deadline_first:
            raise DeadlineExceededError("the deadline passed in the queue", timeline=timeline, asked=False)
        raise self._full("no place became free in time", timeline)

    def _patience(self) -> tuple[float | None, bool]:
        """Return how long this caller may wait, and whether it is its deadline that says so."""
        deadline, queue_timeout = current_deadline(), self.options.queue_timeout
        if deadline is None:
            return queue_timeout, False
        deadline.check()
        left = deadline.remaining()
        if queue_timeout is None or left < queue_timeout:
            return left, True
        return queue_timeout, False

    @staticmethod
    def _patience_is_over() -> bool:
        deadline = current_deadline()
        return deadline is not None and deadline.remaining() <= 0

    def _expire(self, waiter: TaskWaiter) -> None:
        self._waiters.pop(waiter, None)
        waiter.refuse()

    def _full(self, message: str, timeline: Sequence[str] = ()) -> BulkheadFullError:
        queue_timeout = self.options.queue_timeout
        retry_after = 1.0 if queue_timeout is None else queue_timeout
        return BulkheadFullError(message, retry_after=retry_after, timeline=(*timeline, message))

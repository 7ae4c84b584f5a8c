"""Wait only so long."""

from __future__ import annotations

import asyncio
import time
from asyncio import current_task, get_running_loop
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NoReturn
from weakref import WeakKeyDictionary

from ._deadline import Deadline, current_deadline
from ._expiry import Expiries, expire, is_own
from ._policy import BasePolicy
from .errors import AttemptTimeoutError, DeadlineExceededError, ResilienceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._expiry import Entry


@dataclass(frozen=True, slots=True)
class TimeoutOptions:
    """How long to wait.

    Attributes:
        seconds: How long a call may take.
        shadow: Only watch: count the calls that would have been ended, and end none.
    """

    seconds: float
    shadow: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"seconds must be positive and finite, not {self.seconds!r}")


@dataclass(frozen=True, slots=True)
class TimeoutStatistics:
    """A timeout at one moment.

    Attributes:
        pending: Calls under it now.
        expired: Calls ended since the start, or that would have been ended in shadow mode.
    """

    pending: int
    expired: int


class Timeout(BasePolicy[TimeoutOptions]):
    """Cancels a call that takes too long; the current `Deadline` counts too.

    Left of a `Retry` it bounds all attempts together, right of it each one. Cancellation means what it means with
    `asyncio.timeout`: one from outside stays one, whatever the clock says. The synchronous twin cannot interrupt
    a thread: it lays a `Deadline` over the call, which everything inside obeys, and a late answer is an error.

    Args:
        seconds: How long a call may take; or all the options.
        clock: Monotonic clock of the synchronous twin; tasks go by the clock of their loop.

    Example:
        >>> import asyncio
        >>> async def slow() -> None:
        ...     await asyncio.Event().wait()
        >>> asyncio.run(Timeout(0.01).call(slow))
        Traceback (most recent call last):
            ...
        hxp_resilience.errors.AttemptTimeoutError: no answer within 0.01 s
    """

    __slots__ = ("_clock", "_expired", "_expiries", "_loops", "_shadow")

    fragment: ClassVar[str] = """
{t} = {p}._enter_async(deadline)
try:
    {inner}
except BaseException as error:
    {p}._failed_async({t}, error)
    raise
{p}._leave_async({t})
"""

    def __init__(self, seconds: float | TimeoutOptions, *, clock: Callable[[], float] = time.monotonic) -> None:
        options = seconds if isinstance(seconds, TimeoutOptions) else TimeoutOptions(seconds)
        super().__init__("timeout", options)
        self._clock = clock
        self._expired = 0
        self.reload(options)

    def reload(self, options: TimeoutOptions) -> None:
        """Go by other options for the calls that begin from now on."""
        self.options = options
        self._shadow = options.shadow
        self._expiries: Expiries | None = None  # of the loop that was here last
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Expiries] = WeakKeyDictionary()

    def statistics(self) -> TimeoutStatistics:
        """Return the counts at this moment."""
        return TimeoutStatistics(sum(len(one.pending) for one in list(self._loops.values())), self._expired)

    def explain(self) -> str:
        """Say in words what the policy does."""
        return f"end a call that takes longer than {self.options.seconds:g} s"

    def _enter_async(self, deadline: Deadline | None) -> Entry:
        loop = get_running_loop()
        expiries = self._expiries
        if expiries is None or expiries.loop is not loop:
            expiries = self._find(loop)
        task = current_task()
        if task is None:
            raise RuntimeError("a Timeout needs a task to cancel")
        if self._shadow or deadline is not None:
            deadline = current_deadline()  # a policy further out may have set another
            left = expiries.seconds if deadline is None else deadline.remaining()
            if self._shadow or left < expiries.seconds:
                return self._own_timer(task, expiries, left)
        when = expiries.time() + expiries.seconds
        entry = [task, when, task.cancelling(), expiries, False]
        expiries.pending[id(entry)] = entry
        if not expiries.armed:
            expiries.arm(when)
        return entry

    def _leave_async(self, entry: Entry) -> None:
        del entry[3].pending[id(entry)]
        if entry[4]:
            is_own(entry, None)  # expired at the last moment: what was asked of the task is taken back
        elif not entry[1]:
            entry[3].end(self)

    def _failed_async(self, entry: Entry, error: BaseException) -> None:
        home = entry[3]
        del home.pending[id(entry)]
        own_timer = isinstance(home, _OwnTimer)
        if own_timer:
            home.end(self)
        if is_own(entry, error):
            started = home.started if own_timer else entry[1] - home.seconds
            self._raise(home.seconds, started, home.time(), by_deadline=own_timer, error=error)

    def _find(self, loop: asyncio.AbstractEventLoop) -> Expiries:
        found = self._loops.get(loop)
        if found is None:
            found = self._loops[loop] = Expiries(loop, self.options.seconds)
        self._expiries = found
        return found

    def _own_timer(self, task: asyncio.Task[Any], expiries: Expiries, left: float) -> Entry:
        """A deadline that comes first needs a timer of its own; in shadow mode there is none for the timeout."""
        timer = _OwnTimer(expiries, left)
        entry: Entry = [task, 0.0, task.cancelling(), timer, False]
        timer.pending[id(entry)] = entry
        if left < expiries.seconds:
            timer.handle = expiries.loop.call_later(max(0.0, left), expire, entry)
        return entry

    def _raise(
        self, seconds: float, started: float, now: float, *, by_deadline: bool, error: BaseException
    ) -> NoReturn:
        timeline = (f"cancelled after {now - started:.3f} s",)
        self._expired += 1
        if self.hooks:
            self.tell("timeout.expired", timeline[0], seconds=seconds)
        raise self._error(seconds, timeline, by_deadline=by_deadline) from error

    def _error(self, seconds: float, timeline: tuple[str, ...], *, by_deadline: bool) -> ResilienceError:
        if by_deadline:
            return DeadlineExceededError("the deadline has passed", timeline=timeline)
        return AttemptTimeoutError(f"no answer within {seconds:g} s", timeline=timeline)

    def _note_late(self, seconds: float) -> None:
        self._expired += 1
        if self.hooks:
            self.tell("timeout.expired", "would have been ended", seconds=seconds, shadow=True)

    def _enter_sync(self, deadline: Deadline | None) -> tuple[float, Deadline | None, Deadline | None]:
        del deadline  # the frame's; an outer policy may have set another
        started = self._clock()
        if self._shadow:
            return started, None, None
        outer, mine = current_deadline(), Deadline(self.options.seconds)
        mine.__enter__()
        return started, mine, outer

    def _leave_sync(
        self, token: tuple[float, Deadline | None, Deadline | None], error: BaseException | None = None
    ) -> None:
        started, mine, outer = token
        if mine is not None:
            mine.__exit__(None, None, None)
        now = self._clock()
        if now - started < self.options.seconds:
            return
        if mine is None:
            self._note_late(now - started)
            return
        if error is not None and not isinstance(error, DeadlineExceededError):
            return
        timeline = (f"answered after {now - started:.3f} s, too late",)
        self._expired += 1
        if self.hooks:
            self.tell("timeout.expired", timeline[0], seconds=self.options.seconds)
        by_deadline = outer is not None and outer.remaining() <= 0
        raise self._error(self.options.seconds, timeline, by_deadline=by_deadline) from error

    def _failed_sync(self, token: tuple[float, Deadline | None, Deadline | None], error: BaseException) -> None:
        self._leave_sync(token, error)


class _OwnTimer:
    """The timer of one call whose deadline comes before the timeout."""

    __slots__ = ("handle", "home", "pending", "seconds", "started", "time")

    def __init__(self, home: Expiries, seconds: float) -> None:
        self.home = home
        self.seconds = seconds
        self.time = home.time
        self.started = home.time()
        self.handle: asyncio.TimerHandle | None = None
        self.pending: dict[int, Entry] = {}

    def end(self, timeout: Timeout) -> None:
        if self.handle is not None:
            self.handle.cancel()
        elif self.time() - self.started >= self.home.seconds:
            timeout._note_late(self.time() - self.started)  # noqa: SLF001 (a part of it)


class TotalTimeout(Timeout):
    """Gives each call a `Deadline` of so many seconds, which everything inside knows, and ends it then.

    A `Timeout` for the whole call: the leftmost policy of a pipeline. A shorter deadline of the caller holds.

    Args:
        seconds: How long a call may take, with all its attempts and waits; or all the options.
        clock: Monotonic clock of the synchronous twin.

    Example:
        >>> import asyncio
        >>> from hxp_resilience import current_deadline
        >>> async def look() -> bool:
        ...     return current_deadline().remaining() <= 5.0
        >>> asyncio.run(TotalTimeout(5.0).call(look))
        True
    """

    __slots__ = ()

    fragment: ClassVar[str] = """
{t} = {p}._enter_async(deadline)
total{n} = deadline = {p}._carry()
try:
    {inner}
except BaseException as error:
    total{n}.__exit__(None, None, None)
    {p}._failed_async({t}, error)
    raise
total{n}.__exit__(None, None, None)
{p}._leave_async({t})
"""

    def explain(self) -> str:
        """Say in words what the policy does."""
        return f"end the call with all its attempts after {self.options.seconds:g} s, and tell everything inside"

    def _carry(self) -> Deadline:
        return Deadline(float("inf") if self._shadow else self.options.seconds).__enter__()

    def _error(self, seconds: float, timeline: tuple[str, ...], *, by_deadline: bool) -> ResilienceError:
        del seconds, by_deadline  # the end of the total time is the deadline
        return DeadlineExceededError("the deadline has passed", timeline=timeline)

"""Wait only so long."""

from __future__ import annotations

import time
from asyncio import current_task, get_running_loop
from dataclasses import dataclass
from threading import get_ident
from typing import TYPE_CHECKING, ClassVar

from ._deadline import Deadline, current_deadline
from ._expiry import Expiries, OneExpiry, is_own
from ._policy import BasePolicy
from ._valid import positive
from .errors import AttemptTimeoutError, DeadlineExceededError, ResilienceError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, TypeAlias

    _Token: TypeAlias = tuple[Expiries | OneExpiry, asyncio.Task[Any]]


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
        positive("seconds", self.seconds)


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

    __slots__ = ("_alone", "_clock", "_expired", "_home", "_homes", "_shadow")

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
        self._expired = self._alone = 0
        self._homes: dict[tuple[asyncio.AbstractEventLoop, float], Expiries] = {}
        self.reload(options)

    def reload(self, options: TimeoutOptions) -> None:
        """Go by other options for the calls that begin from now on."""
        self.options = options
        self._shadow = options.shadow
        self._home: Expiries | None = None  # the one that was needed last

    def statistics(self) -> TimeoutStatistics:
        """Return the counts at this moment."""
        return TimeoutStatistics(
            sum(len(home.pending) for home in list(self._homes.values())) + self._alone, self._expired
        )

    def explain(self) -> str:
        """Say in words what the policy does."""
        return f"end a call that takes longer than {self.options.seconds:g} s"

    def _enter_async(self, deadline: Deadline | None) -> _Token:
        home = self._home
        if home is None or home.runs._thread_id != get_ident():  # noqa: SLF001 (see `Expiries.runs`)
            home = self._find(get_running_loop())
        task = current_task(home.loop)
        if task is None:
            raise RuntimeError("a Timeout needs a task to cancel")
        if deadline is not None or self._shadow or task in home.pending or task.cancelling():
            one = self._apart(task, deadline, home)
            if one is not None:
                return one, task
        home.pending[task] = when = home.time() + home.seconds
        if not home.armed:
            home.arm(when)
        return home, task

    def _leave_async(self, token: _Token) -> None:
        home, task = token
        when = home.pending.pop(task)
        if when < 0 or home.alone:
            self._end(home, task, when, None)

    def _failed_async(self, token: _Token, error: BaseException) -> None:
        home, task = token
        when = home.pending.pop(task)
        if when < 0 or home.alone:
            self._end(home, task, when, error)

    def _find(self, loop: asyncio.AbstractEventLoop) -> Expiries:
        seconds, homes = self.options.seconds, self._homes
        home = homes.get((loop, seconds))
        if home is None:
            for key, other in list(homes.items()):
                if key[0].is_closed() or not (key[1] == seconds or other.pending):
                    homes.pop(key, None)
            home = homes[loop, seconds] = Expiries(loop, seconds)
        self._home = home
        return home

    def _apart(self, task: asyncio.Task[Any], deadline: Deadline | None, home: Expiries) -> OneExpiry | None:
        """Give a task a timer of its own, if it needs one: its time is shorter, or it has more than one to keep."""
        left = float("inf") if deadline is None else deadline.remaining()
        if left <= 0 and deadline is not None:
            deadline.check()
        by_deadline = left < home.seconds
        if not (by_deadline or self._shadow or task in home.pending or task.cancelling()):
            return None
        self._alone += 1
        watched = self._shadow and not by_deadline
        return OneExpiry(task, home.loop, min(left, home.seconds), by_deadline=by_deadline, watched=watched)

    def _end(
        self, home: Expiries | OneExpiry, task: asyncio.Task[Any], when: float, error: BaseException | None
    ) -> None:
        """Look closer at a call whose time is over, or that had a timer of its own."""
        now = home.time()
        if isinstance(home, OneExpiry):
            self._alone -= 1
            home.end()
            if home.handle is None and now >= when:
                self._note_late(now - when + home.seconds)
        if when < 0 and is_own(task, home.before, error):
            timeline = (f"cancelled after {now + when + home.seconds:.3f} s",)
            self._expired += 1
            if self.hooks:
                self.tell("timeout.expired", timeline[0], seconds=home.seconds)
            raise self._error(home.seconds, timeline, by_deadline=home.by_deadline) from error

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
        outer, mine = current_deadline(), Deadline(self.options.seconds, clock=self._clock)
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
total{n}, deadline = {p}._carry_async({t}), deadline_here()
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

    def _carry_async(self, token: _Token) -> Deadline:
        return self._carry(token[0].time)

    def _carry_sync(self, token: object) -> Deadline:
        del token
        return self._carry(self._clock)

    def _carry(self, clock: Callable[[], float]) -> Deadline:
        return Deadline(float("inf") if self._shadow else self.options.seconds, clock=clock).__enter__()

    def _error(self, seconds: float, timeline: tuple[str, ...], *, by_deadline: bool) -> ResilienceError:
        del seconds, by_deadline  # the end of the total time is the deadline
        return DeadlineExceededError("the deadline has passed", timeline=timeline)

"""Ask a second one when the first takes long, and take the answer that comes first."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from ._deadline import current_deadline
from ._matching import is_retryable
from ._policy import BasePolicy
from ._traits import current_traits
from ._valid import not_negative, positive, whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._budget import RetryBudget

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HedgeOptions:
    """When to ask once more.

    Attributes:
        delay: Seconds after which the next one is asked; with a percentile, for as long as too few calls are known.
        percentile: Ask the next one when a call takes longer than this share of the last ones took, such as 0.95.
        attempts: Calls in all that may run at once, the first included.
        samples: How many of the last durations the percentile is taken of.
        minimum_samples: Durations to be known before the percentile counts.
        shadow: Only watch: count the calls that would have been hedged, and hedge none.
    """

    delay: float = 1.0
    percentile: float | None = None
    attempts: int = 2
    samples: int = 200
    minimum_samples: int = 20
    shadow: bool = False

    def __post_init__(self) -> None:
        not_negative("delay", self.delay)
        if self.percentile is not None:
            positive("percentile", self.percentile)
            if self.percentile >= 1:
                raise ValueError(f"percentile must be between 0 and 1, not {self.percentile!r}")
        whole("attempts", self.attempts, least=2)
        whole("minimum_samples", self.minimum_samples, least=1)
        whole("samples", self.samples, least=1)
        if self.minimum_samples > self.samples:
            raise ValueError("minimum_samples must be from 1 to samples")


@dataclass(frozen=True, slots=True)
class HedgeStatistics:
    """A hedge since its start.

    Attributes:
        calls: Calls made through it.
        hedged: Extra calls that were made, or would have been in shadow mode.
        won: Calls in which an extra one answered first.
        unpaid: Extra calls that the budget did not allow.
    """

    calls: int
    hedged: int
    won: int
    unpaid: int


class Hedge(BasePolicy[HedgeOptions]):
    """Asks once more when an answer takes long; the first to answer wins, and the others are cancelled.

    Only for calls that may be made twice. An error lets the next one be asked at once; when all have failed, the
    first error is raised. There is no synchronous twin: a thread cannot be cancelled.

    Args:
        delay: Seconds after which the next one is asked; or all the options.
        budget: What bounds extra calls to a share of the traffic; shared with the retries of the same target.
        clock: Monotonic clock.

    Example:
        >>> import asyncio
        >>> asked = []
        >>> async def ask() -> str:
        ...     asked.append(1)
        ...     await asyncio.sleep(0 if len(asked) > 1 else 60)
        ...     return "pong"
        >>> asyncio.run(Hedge(0.01).call(ask)), len(asked)
        ('pong', 2)
    """

    __slots__ = ("_budget", "_calls", "_clock", "_durations", "_hedged", "_unpaid", "_won")

    def __init__(
        self,
        delay: float | HedgeOptions = 1.0,
        *,
        budget: RetryBudget | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__("hedge", delay if isinstance(delay, HedgeOptions) else HedgeOptions(delay))
        self._budget = budget
        self._clock = clock
        self._durations: deque[float] = deque(maxlen=self.options.samples)
        self._calls = self._hedged = self._won = self._unpaid = 0

    @property
    def budget(self) -> RetryBudget | None:
        """What bounds extra calls to a share of the traffic."""
        return self._budget

    def statistics(self) -> HedgeStatistics:
        """Return the counts at this moment."""
        return HedgeStatistics(self._calls, self._hedged, self._won, self._unpaid)

    def reload(self, options: HedgeOptions) -> None:
        """Go by other options; the durations that are known are kept."""
        self._durations = deque(self._durations, maxlen=options.samples)
        self.options = options

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        when = f"after {options.delay:g} s"
        if options.percentile is not None:
            when = f"when a call takes longer than {options.percentile:.0%} of the last {options.samples} did"
        budget = "" if self._budget is None else f"; {self._budget.explain()}"
        return f"ask once more {when}, up to {options.attempts} at once, and take the first answer{budget}"

    def delay(self) -> float:
        """Return the seconds after which the next one is asked now."""
        options, known = self.options, self._durations
        if options.percentile is None or len(known) < options.minimum_samples:
            return options.delay
        return sorted(known)[min(len(known) - 1, int(options.percentile * len(known)))]

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function, once more if the answer takes long.

        Raises:
            Exception: The first error, when no call succeeded.
        """
        deadline = current_deadline()
        if self._budget is not None and (deadline is None or deadline.remaining() > 0):
            self._budget.deposit(current_traits().cost)
        return await self.call_counted(function, *args, **kwargs)

    async def call_counted(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do as `call` does, inside of another policy that has counted the call for the budget of both.

        Raises:
            Exception: The first error, when no call succeeded.
        """
        deadline = current_deadline()
        if deadline is not None:
            deadline.check()
        self._calls += 1
        race = _Race(partial(function, *args, **kwargs))
        try:
            return await self._run(race)
        finally:
            await race.close()

    def call_sync(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Refuse: a thread cannot be cancelled.

        Raises:
            TypeError: Always.
        """
        del function, args, kwargs
        raise TypeError("Hedge has no synchronous twin, since a thread cannot be cancelled: await `call` instead")

    async def _run(self, race: _Race[T]) -> T:
        started = self._clock()
        race.start()
        more = True
        while True:
            winner = await race.next(self.delay() if more else None)
            if winner is not None:
                self._durations.append(self._clock() - started)
                self._won += winner is not race.tasks[0]
                return winner.result()
            if more and self._may_hedge():
                race.start()
                more = len(race.tasks) < self.options.attempts
            elif race.running():
                more = False
            else:
                raise race.errors[0]

    def _may_hedge(self) -> bool:
        shadow, deadline = self.options.shadow, current_deadline()
        if deadline is not None and deadline.remaining() <= 0:
            return False  # nothing is started after the deadline
        if not shadow and self._budget is not None and not self._budget.withdraw(current_traits().cost):
            self._unpaid += 1
            return False
        self._hedged += 1
        if self.hooks:
            self.tell("hedge.asked", shadow=shadow)
        return not shadow


class _Race(Generic[T]):
    """The calls that run at once."""

    def __init__(self, call: Callable[[], Awaitable[T]]) -> None:
        self._call = call
        self._winner: asyncio.Task[T] | None = None
        self.tasks: list[asyncio.Task[T]] = []
        self.errors: list[BaseException] = []

    def start(self) -> None:
        self.tasks.append(asyncio.create_task(self._ask()))

    def running(self) -> list[asyncio.Task[T]]:
        return [task for task in self.tasks if not task.done()]

    async def next(self, seconds: float | None) -> asyncio.Task[T] | None:
        """Wait until one succeeds and return it; None when one failed or the time is over.

        Raises:
            BaseException: One failed in a way that asking another would not mend.
        """
        done, _ = await asyncio.wait(self.running(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=self.tasks.index):
            error = asyncio.CancelledError() if task.cancelled() else task.exception()
            if error is None:
                self._winner = task
                return task
            if not isinstance(error, Exception) or not is_retryable(error):
                raise error
            self.errors.append(error)
        return None

    async def close(self) -> None:
        """Cancel the losers, and wait until they are gone; an answer that came as well is discarded."""
        losers = self.running()
        for task in losers:
            task.cancel()
        if losers:
            await asyncio.wait(losers)
        for task in self.tasks:
            if task is not self._winner and not task.cancelled() and task.exception() is None:
                discard = getattr(task.result(), "discard", None)  # a stream that was opened for nothing
                if discard is not None:
                    await discard()
        self.tasks.clear()  # their errors hold this frame

    async def _ask(self) -> T:
        return await self._call()

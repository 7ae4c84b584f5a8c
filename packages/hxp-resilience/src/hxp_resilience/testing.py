"""Clocks, chance and faults for tests in which no time passes."""

from __future__ import annotations

from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, ClassVar

from ._pause import instead, pause, pause_sync
from ._policy import BasePolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from typing import Any

    from ._event import Event

__all__ = ["FaultError", "FaultLatency", "FaultOutcome", "ManualClock", "RecordingHook", "SleepRecorder", "no_waiting"]


class ManualClock:
    """A monotonic clock that stands still until it is moved.

    Example:
        >>> clock = ManualClock()
        >>> clock.advance(2.5)
        >>> clock()
        2.5
    """

    def __init__(self, now: float = 0.0) -> None:
        self._now = now

    def __call__(self) -> float:
        """Return the time."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        if seconds < 0:
            raise ValueError("a monotonic clock does not go back")
        self._now += seconds


class SleepRecorder:
    """Stands in for `asyncio.sleep`: returns at once, remembers the seconds, and moves a clock if given one.

    Attributes:
        seconds: Every sleep so far.
    """

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.seconds: list[float] = []
        self._clock = clock

    async def __call__(self, seconds: float) -> None:
        """Pretend to sleep."""
        self.seconds.append(seconds)
        if self._clock is not None:
            self._clock.advance(seconds)


@contextmanager
def no_waiting(clock: ManualClock | None = None) -> Iterator[list[float]]:
    """Let no policy wait inside the block, in tasks and threads alike.

    Args:
        clock: Moved by what would have been waited.

    Yields:
        The seconds that would have been waited, one by one.

    Example:
        >>> from hxp_resilience import Retry, RetryOptions
        >>> answers = [ConnectionError(), ConnectionError()]
        >>> def ask() -> str:
        ...     if answers:
        ...         raise answers.pop()
        ...     return "pong"
        >>> with no_waiting() as waits:
        ...     Retry(3, random=lambda: 1.0).call_sync(ask), waits
        ('pong', [0.5, 1.0])
    """
    waits: list[float] = []

    def note(seconds: float) -> None:
        waits.append(seconds)
        if clock is not None:
            clock.advance(seconds)

    token = instead.set(note)
    try:
        yield waits
    finally:
        instead.reset(token)


class RecordingHook:
    """Remembers every event.

    Example:
        >>> from hxp_resilience import CircuitBreaker
        >>> hook, breaker = RecordingHook(), CircuitBreaker("model")
        >>> breaker.watch(hook)
        >>> breaker.isolate()
        >>> hook.kinds()
        ['circuit.isolated']
    """

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        """Remember one event."""
        self.events.append(event)

    def kinds(self) -> list[str]:
        """Return what happened, in order."""
        return [event.kind for event in self.events]


class _Fault(BasePolicy[float]):
    """Strikes a share of the calls; the share is the option, so that `reload` turns a fault on and off."""

    __slots__ = ("_random", "struck")

    def __init__(self, name: str, rate: float, seed: int) -> None:
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be from 0 to 1, not {rate!r}")
        super().__init__(name, rate)
        self._random = Random(seed)  # noqa: S311 (chance that can be repeated is the point)
        self.struck = 0

    def explain(self) -> str:
        """Say in words what the fault does."""
        return f"for tests: strike {self.options:.0%} of the calls"

    def _strikes(self) -> bool:
        strikes = self._random.random() < self.options
        self.struck += strikes
        return strikes


class FaultLatency(_Fault):
    """Makes a share of the calls take longer.

    Args:
        seconds: How much longer.
        rate: Share of the calls.
        seed: Of the chance.
        sleep: What waits in a task; `asyncio.sleep` by default.
    """

    __slots__ = ("_seconds", "_sleep")

    fragment: ClassVar[str] = """
if {p}._strikes():
    await {p}._wait_async()
{inner}
"""

    def __init__(
        self,
        seconds: float,
        rate: float = 1.0,
        *,
        seed: int = 0,
        sleep: Callable[[float], Awaitable[object]] | None = None,
    ) -> None:
        super().__init__("fault_latency", rate, seed)
        self._seconds = seconds
        self._sleep = sleep

    async def _wait_async(self) -> None:
        await pause(self._seconds, self._sleep)

    def _wait_sync(self) -> None:
        pause_sync(self._seconds)


class FaultError(_Fault):
    """Makes a share of the calls fail without being made.

    Args:
        error: Makes the error.
        rate: Share of the calls.
        seed: Of the chance.

    Example:
        >>> from hxp_resilience import Fallback, Pipeline
        >>> Pipeline(Fallback(value="sorry"), FaultError(ConnectionError)).call_sync(len, "abc")
        'sorry'
    """

    __slots__ = ("_error",)

    fragment: ClassVar[str] = """
if {p}._strikes():
    raise {p}._error()
{inner}
"""

    def __init__(self, error: Callable[[], Exception], rate: float = 1.0, *, seed: int = 0) -> None:
        super().__init__("fault_error", rate, seed)
        self._error = error


class FaultOutcome(_Fault):
    """Puts another answer in the place of a share of the answers.

    Args:
        outcome: The other answer.
        rate: Share of the calls.
        seed: Of the chance.

    Example:
        >>> FaultOutcome("garbage").call_sync(len, "abc")
        'garbage'
    """

    __slots__ = ("_outcome",)

    fragment: ClassVar[str] = """
{inner}
if {p}._strikes():
    result = {p}._outcome
"""

    def __init__(self, outcome: Any, rate: float = 1.0, *, seed: int = 0) -> None:
        super().__init__("fault_outcome", rate, seed)
        self._outcome = outcome

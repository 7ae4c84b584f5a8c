"""Clocks and sleeps for tests in which no time passes."""

from __future__ import annotations

__all__ = ["ManualClock", "SleepRecorder"]


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

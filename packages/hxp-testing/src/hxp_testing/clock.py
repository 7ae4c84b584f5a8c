"""A clock that moves when the test says so."""

import asyncio
import heapq
import itertools

__all__ = ["ManualClock"]


class ManualClock:
    """Stands in for `time.monotonic` and `asyncio.sleep`.

    Args:
        start: The first reading, in seconds.
        auto_advance: Let a sleep move the clock by itself, instead of waiting for `advance`.

    Example:
        >>> clock = ManualClock()
        >>> clock.advance(2.5)
        >>> clock()
        2.5
    """

    def __init__(self, start: float = 0.0, *, auto_advance: bool = False) -> None:
        self._now = start
        self._auto_advance = auto_advance
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Read the clock, in seconds."""
        return self._now

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def advance(self, seconds: float) -> None:
        """Move the clock and wake, in order, whoever has slept enough.

        Raises:
            ValueError: A monotonic clock does not go back.
        """
        if seconds < 0:
            raise ValueError(f"a monotonic clock cannot go back by {-seconds} seconds")
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)

    async def sleep(self, seconds: float) -> None:
        """Sleep by this clock, never in real time; `slept` remembers how long."""
        self.slept.append(seconds)
        if self._auto_advance:
            self.advance(max(seconds, 0.0))
        if self._auto_advance or seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

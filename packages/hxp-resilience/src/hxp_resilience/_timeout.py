"""Wait only so long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from ._deadline import current_deadline
from .errors import AttemptTimeoutError, DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

P = ParamSpec("P")
T = TypeVar("T")


class Timeout:
    """Cancels a call that takes too long; the current `Deadline` counts too.

    Args:
        seconds: How long a call may take.
        clock: Monotonic clock, for the timeline of the error.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        if not 0 < seconds < float("inf"):
            raise ValueError(f"seconds must be positive and finite, not {seconds!r}")
        self._seconds = seconds
        self._clock = clock

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function, and cancel it when its time is over.

        Raises:
            AttemptTimeoutError: It took longer than the timeout.
            DeadlineExceededError: It took longer than the caller has, or the caller had no time left.
        """
        deadline = current_deadline()
        limit = self._seconds
        if deadline is not None:
            deadline.check()
            limit = min(limit, max(0.0, deadline.remaining()))
        started = self._clock()
        try:
            async with asyncio.timeout(limit) as scope:
                return await function(*args, **kwargs)
        except TimeoutError as error:
            if not scope.expired():
                raise  # the function's own
            timeline = (f"cancelled after {self._clock() - started:.3f} s",)
            if limit < self._seconds:
                raise DeadlineExceededError("the deadline has passed", timeline=timeline) from error
            raise AttemptTimeoutError(f"no answer within {limit:g} s", timeline=timeline) from error

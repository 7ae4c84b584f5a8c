"""Try again, politely."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from ._deadline import current_deadline
from ._matching import matcher
from .errors import DeadlineExceededError, ResilienceError, RetriesExhaustedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeAlias

    from tenacity import BaseRetrying, RetryCallState

    from ._matching import Matcher

    Wait: TypeAlias = Callable[[RetryCallState], Any]

P = ParamSpec("P")
T = TypeVar("T")

_FIRST_WINDOW = 0.5
_LARGEST_WINDOW = 8.0


def is_retryable(error: Exception) -> bool:
    """Tell whether an error says itself that it may pass, or is a broken or timed out connection."""
    said = getattr(error, "retryable", None)
    return said if isinstance(said, bool) else isinstance(error, ConnectionError | TimeoutError)


class Retry:
    """Calls again after a failure that may pass.

    The wait is a random part of a window that doubles from 0.5 s to 8 s ("full jitter"), or what the given
    tenacity wait says; when an error's `retry_after` is longer, that holds. The current `Deadline` is never
    overslept.

    Args:
        attempts: Calls in all, the first included.
        wait: A wait strategy of tenacity, such as `tenacity.wait_exponential(max=10)`.
        retry_on: Exception types or a predicate. By default errors whose `retryable` is true, connection
            errors and timeouts.
        max_retry_after: Give up at once when the target asks for a longer pause than this, in seconds.
        clock: Monotonic clock.
        sleep: What waits; `asyncio.sleep` by default.
        random: Returns numbers from 0 to 1; `random.random` by default.

    Example:
        >>> import asyncio
        >>> answers = iter([ConnectionError(), "pong"])
        >>> async def ping() -> str:
        ...     answer = next(answers)
        ...     if isinstance(answer, Exception):
        ...         raise answer
        ...     return answer
        >>> asyncio.run(Retry(attempts=2, random=lambda: 0.0).call(ping))
        'pong'
    """

    def __init__(
        self,
        attempts: int = 3,
        *,
        wait: Wait | None = None,
        retry_on: Matcher | None = None,
        max_retry_after: float = 120.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        random: Callable[[], float] | None = None,
    ) -> None:
        if attempts < 1:
            raise ValueError(f"attempts must be at least 1, not {attempts!r}")
        self._attempts = attempts
        self._wait = wait
        self._matches = is_retryable if retry_on is None else matcher(retry_on)
        self._max_retry_after = max_retry_after
        self._clock = clock
        self._sleep = sleep
        self._random = random

    async def call(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function until it succeeds.

        Raises:
            RetriesExhaustedError: The last attempt failed too.
            DeadlineExceededError: The next attempt would come too late.
            Exception: An error that is not to be retried, as it is.
        """
        try:
            return await function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (which errors count is decided by the options)
            last = error
        history = _History(self._clock(), function, args, kwargs)
        try:
            while True:
                await self._pause(last, history)
                try:
                    return await function(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 (as above)
                    last = error
        finally:
            del last  # its traceback holds this frame

    async def _pause(self, error: Exception, history: _History) -> None:
        """Wait before the next attempt, or raise what the caller shall see."""
        if not self._may_retry(error):
            raise error
        history.add(error)
        if history.attempt >= self._attempts:
            raise history.exhausted(f"{history.attempt} attempts failed", _asked(error)) from error
        asked = _asked(error)
        if asked is not None and asked > self._max_retry_after:
            raise history.exhausted("the target asks for too long a pause", self._max_retry_after) from error
        delay = max(self._delay(error, history), asked or 0.0)
        deadline = current_deadline()
        if deadline is not None and deadline.remaining() <= delay:
            message = f"no time for another attempt after {history.attempt}"
            raise DeadlineExceededError(message, timeline=history.lines) from error
        history.lines.append(f"waited {delay:.3f} s")
        await self._rest(delay)
        history.attempt += 1
        history.idle_for += delay

    def _may_retry(self, error: Exception) -> bool:
        final = isinstance(error, ResilienceError) and not error.retryable
        return not final and self._matches(error)

    def _delay(self, error: Exception, history: _History) -> float:
        if self._wait is not None:
            return history.ask(self._wait, error)
        window = min(_LARGEST_WINDOW, _FIRST_WINDOW * 2.0 ** min(history.attempt - 1, 10))
        if self._random is None:
            from random import random  # noqa: PLC0415 (only a failed call pays for it)

            self._random = random
        return window * self._random()

    async def _rest(self, delay: float) -> None:
        if self._sleep is None:
            from asyncio import sleep  # noqa: PLC0415 (only a failed call pays for it)

            self._sleep = sleep
        await self._sleep(delay)


class _History:
    """What happened to one call so far."""

    def __init__(
        self, started: float, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.started = started
        self.call = (function, args, kwargs)
        self.attempt = 1
        self.idle_for = 0.0
        self.lines: list[str] = []

    def add(self, error: Exception) -> None:
        if isinstance(error, ResilienceError):
            self.lines.extend(error.timeline)
        self.lines.append(f"attempt {self.attempt}: {type(error).__name__}")

    def exhausted(self, message: str, retry_after: float | None) -> RetriesExhaustedError:
        return RetriesExhaustedError(message, retry_after=retry_after, timeline=self.lines)

    def ask(self, wait: Wait, error: Exception) -> float:
        """Ask a wait strategy of tenacity, which reads the state of the call from its own object."""
        from tenacity import RetryCallState  # noqa: PLC0415 (only a failed call pays for it)

        state = RetryCallState(cast("BaseRetrying", None), *self.call)
        state.start_time = self.started
        state.attempt_number = self.attempt
        state.idle_for = self.idle_for
        state.set_exception((type(error), error, error.__traceback__))
        return float(wait(state))


def _asked(error: Exception) -> float | None:
    """Return the pause that the target asked for: never negative, None for anything that is no number."""
    asked = getattr(error, "retry_after", None)
    if isinstance(asked, bool) or not isinstance(asked, int | float) or math.isnan(asked):
        return None
    return max(0.0, float(asked))

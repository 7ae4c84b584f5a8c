"""What happened to one call that is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ._deadline import deadline_here
from ._matching import in_words
from .errors import DeadlineExceededError, ResilienceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from tenacity import BaseRetrying, RetryCallState

    Call: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class History:
    """What happened to one call so far.

    Args:
        started: When its first attempt began, on the clock of the retry.
    """

    __slots__ = ("_notes", "attempt", "delay", "idle_for", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        self.attempt = 1
        self.idle_for = 0.0
        self.delay = 0.0
        self._notes: list[list[Any]] = []  # what happened, the wait after it, and why that long

    @property
    def lines(self) -> list[str]:
        """The timeline, written out only when somebody wants to read it."""
        return [
            f"attempt {number}: {words}" + ("" if delay is None else f", waited {delay:.3f} s{reason}")
            for number, (words, delay, reason) in enumerate(self._notes, 1)
        ]

    def add(self, error: Exception | None) -> None:
        """Take in an attempt that failed; without an error, by its result."""
        if error is None:
            words = "a result that was not wanted"
        else:
            words = (isinstance(error, ResilienceError) and error.story) or in_words(error)
        self._notes.append([words, None, ""])

    def note_wait(self, reason: str) -> None:
        """Take in the wait after it."""
        self._notes[-1][1:] = (self.delay, reason)

    def resume(self) -> None:
        """Begin the next attempt.

        Raises:
            DeadlineExceededError: The wait took longer than there was time.
        """
        deadline = deadline_here()
        if deadline is not None and deadline.remaining() <= 0:
            raise DeadlineExceededError("the deadline passed while waiting", timeline=self.lines)
        self.attempt += 1
        self.idle_for += self.delay

    def state(self, now: float, error: Exception | None, result: object, call: Call) -> RetryCallState:
        """Say it in tenacity's words, for its strategies."""
        from tenacity import RetryCallState  # noqa: PLC0415 (only a failed call pays for it)

        function, args, kwargs = call
        state = RetryCallState(cast("BaseRetrying", None), function, args, kwargs)
        state.start_time = self.started
        state.attempt_number = self.attempt
        state.idle_for = self.idle_for
        state.upcoming_sleep = self.delay
        if error is None:
            state.set_result(result)
        else:
            state.set_exception((type(error), error, error.__traceback__))
        state.outcome_timestamp = now
        return state

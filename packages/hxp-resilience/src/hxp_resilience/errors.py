"""What a call can die of.

The tree:

    ResilienceError
    ├── AttemptTimeoutError      one attempt took too long (also a TimeoutError)
    ├── BudgetExceededError      the share of traffic that may be extra is used up
    ├── BulkheadFullError        no place was free, and none became free in time
    ├── CircuitOpenError         the target fails too often, so it was not asked
    ├── DeadlineExceededError    the caller's time is over (also a TimeoutError)
    ├── RateLimitedError         too many calls, or tokens, in too short a time
    ├── RetriesExhaustedError    the last attempt failed too; its error is the cause
    └── StreamBrokenError        a stream came too slowly, or ended without its end
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ResilienceError(Exception):
    """A policy ended the call.

    Attributes:
        retry_after: Seconds after which another call may fare better, when known.
        retryable: Whether the same call may be made again.
        timeline: What happened to the call, in order; holds no content of requests or answers.
        asked: Whether the target was asked at all; if not, the error says nothing about it.
    """

    retryable: bool = False
    asked: bool = True

    def __init__(self, message: str, *, retry_after: float | None = None, timeline: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.timeline = tuple(timeline)

    @property
    def story(self) -> str:
        """The timeline in one line."""
        return "; ".join(self.timeline)


class CircuitOpenError(ResilienceError):
    """The target fails too often, so it was not asked."""

    retryable = True
    asked = False


class BulkheadFullError(ResilienceError):
    """No place was free, and none became free in time."""

    retryable = True
    asked = False


class RateLimitedError(ResilienceError):
    """Too many calls, or tokens, in too short a time."""

    retryable = True
    asked = False


class BudgetExceededError(ResilienceError):
    """The share of traffic that may be extra is used up; the error that asked for it is the `__cause__`."""


class AttemptTimeoutError(ResilienceError, TimeoutError):
    """One attempt took too long."""

    retryable = True


class DeadlineExceededError(ResilienceError, TimeoutError):
    """The caller's time is over: before the call was made, or in the midst of it."""

    def __init__(
        self, message: str, *, retry_after: float | None = None, timeline: Sequence[str] = (), asked: bool = True
    ) -> None:
        super().__init__(message, retry_after=retry_after, timeline=timeline)
        self.asked = asked


class RetriesExhaustedError(ResilienceError):
    """The last attempt failed too; its error is the `__cause__`, a result that was not wanted is `result`."""

    result: object = None


class StreamBrokenError(ResilienceError):
    """A stream came too slowly, or ended without its end.

    Attributes:
        committed: Whether items had been handed on before, so that nobody may try again.
    """

    committed: bool = False

"""The time a caller has, carried to everything it calls."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType
    from typing import Self

_current: ContextVar[Deadline | None] = ContextVar("hxp_deadline", default=None)


class Deadline:
    """A moment after which nobody waits for the answer.

    As a context manager it holds for everything awaited inside: `Retry` makes no attempt that would come too
    late, `Timeout` and `Bulkhead` wait no longer. Inside another deadline the earlier one holds.

    Args:
        seconds: Seconds from now.
        at: The moment itself, on the clock; instead of `seconds`.
        clock: Monotonic clock.

    Example:
        >>> with Deadline(30) as deadline:
        ...     0 < deadline.remaining() <= 30
        True
    """

    __slots__ = ("_clock", "_tokens", "at")

    def __init__(
        self,
        seconds: float | None = None,
        *,
        at: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (seconds is None) == (at is None):
            raise ValueError("give either the seconds or the moment, and not both")
        self.at = at if at is not None else clock() + (seconds or 0.0)
        self._clock = clock
        self._tokens: list[Token[Deadline | None]] = []

    def __repr__(self) -> str:
        return f"<Deadline: {self.remaining():.3f} s left>"

    def remaining(self) -> float:
        """Return the seconds left; negative when the deadline has passed."""
        return self.at - self._clock()

    def check(self) -> None:
        """Raise `DeadlineExceededError` when the deadline has passed."""
        if self.remaining() <= 0:
            raise DeadlineExceededError("the deadline has passed")

    def __enter__(self) -> Self:
        outer = _current.get()
        earlier = outer if outer is not None and outer.remaining() < self.remaining() else self
        self._tokens.append(_current.set(earlier))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _current.reset(self._tokens.pop())


def current_deadline() -> Deadline | None:
    """Return the deadline that holds here, if any."""
    return _current.get()

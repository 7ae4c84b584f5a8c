"""The time a caller has, carried to everything it calls."""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from .errors import DeadlineExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any, Self

HEADER = "X-Request-Timeout-Ms"

_current: ContextVar[Deadline | None] = ContextVar("hxp_deadline", default=None)
# What held outside of each deadline entered here, the last first: kept by the context and not by the deadline, which
# several tasks and threads may enter at once.
_outside: ContextVar[tuple[Deadline | None, Any] | None] = ContextVar("hxp_deadlines_outside", default=None)


class Deadline:
    """A moment after which nobody waits for the answer.

    As a context manager it holds for everything awaited inside: no policy starts work once it has passed, `Retry`
    makes no attempt that would come too late, `Timeout` and the queues wait no longer. Inside another deadline the
    earlier one holds. Between processes it travels as the milliseconds left in a header, since clocks differ.

    Args:
        seconds: Seconds from now.
        at: The moment itself, on the clock; instead of `seconds`.
        clock: Monotonic clock.

    Example:
        >>> with Deadline(30) as deadline:
        ...     0 < deadline.remaining() <= 30
        True
        >>> Deadline.from_headers({"x-request-timeout-ms": "1500"}, clock=lambda: 0.0).remaining()
        1.5
    """

    __slots__ = ("_clock", "at")

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
        if self.at != self.at:  # not a number
            raise ValueError("a deadline must be a number of seconds, not nan")
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Deadline: {self.remaining():.3f} s left>"

    def remaining(self) -> float:
        """Return the seconds left; negative when the deadline has passed."""
        return self.at - self._clock()

    def check(self) -> None:
        """Raise `DeadlineExceededError` when the deadline has passed."""
        if self.at <= self._clock():
            timeline = ("not started, the deadline had passed",)
            raise DeadlineExceededError("the deadline has passed", timeline=timeline, asked=False)

    def headers(self) -> dict[str, str]:
        """Return the header that tells the next server how long this caller still waits; none if it waits for ever."""
        left = self.remaining()
        return {} if left == float("inf") else {HEADER: str(max(0, round(left * 1000)))}

    @classmethod
    def from_headers(
        cls,
        headers: Mapping[str, str],
        *,
        longest: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> Deadline | None:
        """Read the deadline that a caller sent.

        Args:
            headers: Of the request; names in any case.
            longest: Seconds that are granted at most.
            clock: Monotonic clock.

        Returns:
            The deadline; None if none was sent or what was sent is no number of milliseconds.
        """
        for name, value in headers.items():
            if name.lower() == HEADER.lower():
                text = value.strip()
                if not (text.isascii() and text.isdigit() and len(text) <= 15):
                    return None
                return cls(min(int(text) / 1000, longest), clock=clock)
        return None

    def __enter__(self) -> Self:
        outer = _current.get()
        _outside.set((outer, _outside.get()))
        _current.set(outer if outer is not None and outer.remaining() < self.remaining() else self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        outside = _outside.get()
        if outside is not None:  # else left in another context, in which nothing is to be restored
            _current.set(outside[0])
            _outside.set(outside[1])


deadline_here = _current.get  # for every call of every policy: a function around it would cost as much again


def current_deadline() -> Deadline | None:
    """Return the deadline that holds here, if any."""
    return _current.get()

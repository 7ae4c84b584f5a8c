"""The states of a circuit, as a pure machine: it is told the time and has no lock and no clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum


class CircuitState(StrEnum):
    """Where a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class CircuitBreakerOptions:
    """When a circuit opens and closes; the names are those of resilience4j.

    Attributes:
        failure_rate_threshold: Share of failures, above 0 and up to 1, at which the circuit opens.
        minimum_number_of_calls: Calls in the window before the share means anything.
        sliding_window_size: How many of the last calls count.
        wait_duration_in_open_state: Seconds for which an open circuit refuses every call.
        permitted_calls_in_half_open: Calls that then decide whether it closes.
    """

    failure_rate_threshold: float = 0.5
    minimum_number_of_calls: int = 5
    sliding_window_size: int = 20
    wait_duration_in_open_state: float = 5.0
    permitted_calls_in_half_open: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.failure_rate_threshold <= 1:
            raise ValueError(f"failure_rate_threshold must be in (0, 1], not {self.failure_rate_threshold!r}")
        if not 1 <= self.minimum_number_of_calls <= self.sliding_window_size:
            raise ValueError("minimum_number_of_calls must be from 1 to sliding_window_size")
        if not 0 <= self.wait_duration_in_open_state < float("inf"):
            raise ValueError("wait_duration_in_open_state must be finite and not negative")
        if self.permitted_calls_in_half_open < 1:
            raise ValueError("permitted_calls_in_half_open must be at least 1")


class Circuit:
    """The machine.

    Each transition starts a new `epoch`; the outcome of a call from an earlier one is stale and ignored, so
    that a slow call from before neither closes nor reopens a circuit.
    """

    __slots__ = ("_admitted", "_opened_at", "_options", "_outcomes", "epoch", "failures", "state")

    def __init__(self, options: CircuitBreakerOptions) -> None:
        self._options = options
        self._outcomes: deque[bool] = deque()
        self._opened_at = 0.0
        self._admitted = 0
        self.failures = 0
        self.epoch = 0
        self.state = CircuitState.CLOSED

    @property
    def calls(self) -> int:
        """Outcomes in the window."""
        return len(self._outcomes)

    def admit(self, now: float) -> float | None:
        """Let a call through and return None, or return the seconds to wait before asking again."""
        if self.state is CircuitState.CLOSED:
            return None
        if self.state is CircuitState.OPEN:
            left = self._opened_at + self._options.wait_duration_in_open_state - now
            if left > 0:
                return left
            self._enter(CircuitState.HALF_OPEN)
        if self._admitted >= self._options.permitted_calls_in_half_open:
            return min(1.0, self._options.wait_duration_in_open_state)
        self._admitted += 1
        return None

    def record(self, epoch: int, now: float, *, failed: bool) -> None:
        """Count the outcome of a call that was let through."""
        if epoch != self.epoch:
            return
        options = self._options
        self._outcomes.append(failed)
        self.failures += failed
        if len(self._outcomes) > options.sliding_window_size:
            self.failures -= self._outcomes.popleft()
        half_open = self.state is CircuitState.HALF_OPEN
        needed = options.permitted_calls_in_half_open if half_open else options.minimum_number_of_calls
        if len(self._outcomes) < needed:
            return
        if self.failures >= options.failure_rate_threshold * len(self._outcomes):
            self._opened_at = now
            self._enter(CircuitState.OPEN)
        elif half_open:
            self._enter(CircuitState.CLOSED)

    def forget(self, epoch: int) -> None:
        """Take back a call without outcome: it was cancelled, or never made."""
        if epoch == self.epoch and self.state is CircuitState.HALF_OPEN:
            self._admitted -= 1

    def _enter(self, state: CircuitState) -> None:
        self.state = state
        self.epoch += 1
        self.failures = 0
        self._admitted = 0
        self._outcomes.clear()

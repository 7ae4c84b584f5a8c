"""The states of a circuit, as a pure machine: it is told the time and has no lock and no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ._valid import not_negative, positive, share, whole
from ._window import CountWindow, TimeWindow


class CircuitState(StrEnum):
    """Where a circuit stands; the last three are entered and left by hand only."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    ISOLATED = "isolated"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


@dataclass(frozen=True, slots=True)
class CircuitBreakerOptions:
    """When a circuit opens and closes; the names are those of resilience4j.

    Attributes:
        failure_rate_threshold: Share of failures, above 0 and up to 1, at which the circuit opens.
        slow_call_rate_threshold: Share of slow calls, above 0 and up to 1, at which it opens.
        slow_call_duration_threshold: Seconds from which a call is slow; without it none is, and no call is timed.
        minimum_number_of_calls: Calls in the window before the shares mean anything.
        sliding_window_size: How many of the last calls count.
        sliding_window_seconds: Seconds that count, instead of a number of calls.
        wait_duration_in_open_state: Seconds for which an open circuit refuses every call.
        permitted_calls_in_half_open: Calls that then decide whether it closes.
        max_wait_duration_in_half_open_state: Seconds that those calls may take; after them, others are let through
            in their place, so that a call without an end keeps no circuit half-open.
        shadow: Only watch: count and tell what would have been refused, and refuse nothing.
    """

    failure_rate_threshold: float = 0.5
    slow_call_rate_threshold: float = 1.0
    slow_call_duration_threshold: float | None = None
    minimum_number_of_calls: int = 5
    sliding_window_size: int = 20
    sliding_window_seconds: float | None = None
    wait_duration_in_open_state: float = 5.0
    permitted_calls_in_half_open: int = 1
    max_wait_duration_in_half_open_state: float = 10.0
    shadow: bool = False

    def __post_init__(self) -> None:
        share("failure_rate_threshold", self.failure_rate_threshold)
        share("slow_call_rate_threshold", self.slow_call_rate_threshold)
        for name in ("slow_call_duration_threshold", "sliding_window_seconds"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
        for name in ("minimum_number_of_calls", "sliding_window_size", "permitted_calls_in_half_open"):
            whole(name, getattr(self, name), least=1)
        if self.sliding_window_seconds is None and self.minimum_number_of_calls > self.sliding_window_size:
            raise ValueError("minimum_number_of_calls must be from 1 to sliding_window_size")
        not_negative("wait_duration_in_open_state", self.wait_duration_in_open_state)
        positive("max_wait_duration_in_half_open_state", self.max_wait_duration_in_half_open_state)


class Circuit(CountWindow):
    """The machine, which is its own count window, since a program may hold one for every target it knows.

    Each transition starts a new `epoch`; the outcome of a call from an earlier one is stale and ignored, so
    that a slow call from before neither closes nor reopens a circuit.

    Args:
        options: When to open and close.
        plain: Whether a call that raises nothing is a success without a look at its result.

    Attributes:
        clean: A success needs nothing but to be counted: the circuit is closed, calls are not timed, and one more
            success cannot open it, since no failure is in the window, or the window has been judged before.
        epoch: Number of transitions so far.
        opened_at: When the present state was entered.
        past: Outcomes of calls from earlier epochs.
        state: Where the circuit stands.
    """

    __slots__ = ("_admitted", "_plain", "_time_window", "clean", "epoch", "opened_at", "past", "state")

    def __init__(self, options: CircuitBreakerOptions, *, plain: bool = True) -> None:
        self._plain = plain
        self.epoch = -1
        self.calls = self.past = 0
        self.enter(CircuitState.CLOSED, 0.0, options)

    def enter(self, state: CircuitState, now: float, options: CircuitBreakerOptions) -> None:
        """Go to a state, with nothing counted."""
        self.past += self.calls
        super().__init__()
        self.state = state
        self.epoch += 1
        self._admitted = 0
        self.opened_at = now
        seconds = options.sliding_window_seconds
        counted_by_time = seconds is not None and state is not CircuitState.HALF_OPEN
        self._time_window = TimeWindow(seconds) if counted_by_time and seconds is not None else None
        self.clean = self._is_clean(options, 0, 0)

    def numbers(self, now: float, options: CircuitBreakerOptions) -> tuple[int, int, int]:
        """Return how many calls are in the window, how many failed, and how many were slow."""
        if self._time_window is not None:
            return self._time_window.counts(now)
        return self.counts(self._size(options))

    def admit(self, now: float, options: CircuitBreakerOptions) -> float | None:
        """Let a call through and return None, or return the seconds to wait before asking again."""
        if self.state is CircuitState.ISOLATED:
            return options.wait_duration_in_open_state
        if self.state is CircuitState.OPEN:
            self.opened_at = min(self.opened_at, now)  # a clock that went back keeps no circuit open
            left = self.opened_at + options.wait_duration_in_open_state - now
            if left > 0:
                return left
            self.enter(CircuitState.HALF_OPEN, now, options)
        if self.state is CircuitState.HALF_OPEN:
            if self._admitted >= options.permitted_calls_in_half_open:
                self.opened_at = min(self.opened_at, now)
                left = self.opened_at + options.max_wait_duration_in_half_open_state - now
                if left > 0:
                    return min(1.0, options.wait_duration_in_open_state, left)
                self.enter(CircuitState.HALF_OPEN, now, options)  # the outcomes that never came are stale now
            self._admitted += 1
        return None

    def record(self, epoch: int, now: float, options: CircuitBreakerOptions, *, failed: bool, slow: bool) -> bool:
        """Count the outcome of a call that was let through; tell whether it counts."""
        if epoch != self.epoch or self.state in {CircuitState.ISOLATED, CircuitState.DISABLED, CircuitState.OPEN}:
            return False
        if self._time_window is not None:
            self.calls += 1
            self._time_window.add(now, failed=failed, slow=slow)
        else:
            self.add(self._size(options), failed=failed, slow=slow)
        self.judge(now, options)
        return True

    def judge(self, now: float, options: CircuitBreakerOptions) -> None:
        """Open or close when the window says so."""
        calls, failures, slow = self.numbers(now, options)
        self.clean = self._is_clean(options, calls, failures + slow)
        half_open = self.state is CircuitState.HALF_OPEN
        needed = options.permitted_calls_in_half_open if half_open else options.minimum_number_of_calls
        if calls < needed or not (half_open or self.state is CircuitState.CLOSED):
            return
        too_slow = options.slow_call_duration_threshold is not None and (
            slow >= options.slow_call_rate_threshold * calls
        )
        if failures >= options.failure_rate_threshold * calls or too_slow:
            self.enter(CircuitState.OPEN, now, options)
        elif half_open:
            self.enter(CircuitState.CLOSED, now, options)

    def forget(self, epoch: int) -> None:
        """Take back a call without outcome: it was cancelled, or never made."""
        if epoch == self.epoch and self.state is CircuitState.HALF_OPEN:
            self._admitted -= 1

    def adapt(self, now: float, old: CircuitBreakerOptions, new: CircuitBreakerOptions) -> None:
        """Go by other options; what was counted stays, unless the window is of another kind."""
        if old.sliding_window_seconds != new.sliding_window_seconds and self.state is CircuitState.CLOSED:
            self.enter(CircuitState.CLOSED, now, new)
        else:
            self.resize(self._size(old), self._size(new))
            self.judge(now, new)

    def _size(self, options: CircuitBreakerOptions) -> int:
        half_open = self.state is CircuitState.HALF_OPEN
        return options.permitted_calls_in_half_open if half_open else options.sliding_window_size

    def _is_clean(self, options: CircuitBreakerOptions, calls: int, bad: int) -> bool:
        return (
            self._plain
            and (not bad or calls >= options.minimum_number_of_calls)
            and self._time_window is None
            and options.slow_call_duration_threshold is None
            and self.state in {CircuitState.CLOSED, CircuitState.METRICS_ONLY}
        )

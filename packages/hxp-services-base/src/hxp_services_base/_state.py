"""The states of a service's life and the pure machine that moves between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where a service is in its life."""

    NEW = "new"
    CONFIGURED = "configured"
    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_serving(self) -> bool:
        """Whether requests are answered in this state."""
        return self in {State.READY, State.DEGRADED}

    @property
    def is_final(self) -> bool:
        """Whether nothing follows this state."""
        return self in {State.STOPPED, State.FAILED}


TRANSITIONS: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.CONFIGURED, State.FAILED}),
    State.CONFIGURED: frozenset({State.STARTING, State.FAILED, State.STOPPED}),
    State.STARTING: frozenset({State.READY, State.DRAINING, State.FAILED}),
    State.READY: frozenset({State.DEGRADED, State.DRAINING, State.FAILED}),
    State.DEGRADED: frozenset({State.READY, State.DRAINING, State.FAILED}),
    State.DRAINING: frozenset({State.STOPPED, State.FAILED}),
    State.STOPPED: frozenset(),
    State.FAILED: frozenset(),
}


class IllegalTransitionError(RuntimeError):
    """A service was asked to move to a state that its present one does not lead to."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a life.

    Attributes:
        before: The state that was left.
        after: The state that was entered.
        at: When, in seconds of the machine's clock.
        reason: Why, in words; empty where the name of the state says it all.
        elapsed: Seconds spent in the state that was left.
    """

    before: State
    after: State
    at: float
    reason: str
    elapsed: float


class StateMachine:
    """The present state and how it was reached; takes `now`, holds no clock.

    Example:
        >>> machine = StateMachine(now=0.0)
        >>> machine.to(State.CONFIGURED, now=1.5).elapsed
        1.5
    """

    def __init__(self, *, now: float) -> None:
        self._state = State.NEW
        self._since = now
        self._history: list[Transition] = []
        self._reason = ""

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def reason(self) -> str:
        """Why the present state was entered."""
        return self._reason

    @property
    def since(self) -> float:
        """When the present state was entered, in seconds of the caller's clock."""
        return self._since

    @property
    def history(self) -> tuple[Transition, ...]:
        """Every step so far, oldest first."""
        return tuple(self._history)

    def to(self, state: State, *, now: float, reason: str = "") -> Transition:
        """Move to `state`.

        Args:
            state: The state to enter.
            now: Seconds of the caller's clock.
            reason: Why, in words.

        Raises:
            IllegalTransitionError: If the present state does not lead there.
        """
        if state not in TRANSITIONS[self._state]:
            legal = ", ".join(sorted(TRANSITIONS[self._state])) or "nothing: it is final"
            raise IllegalTransitionError(
                f"a service cannot go from {self._state.value!r} to {state.value!r}; from here it can go to {legal}"
            )
        step = Transition(self._state, state, now, reason, now - self._since)
        self._state, self._since, self._reason = state, now, reason
        self._history.append(step)
        # READY ⇄ DEGRADED may alternate for months: the beginning and the latest steps tell the story.
        if len(self._history) > 200:
            del self._history[10:110]
        return step

"""Do not ask a target that fails."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, ClassVar

from ._circuit import Circuit, CircuitBreakerOptions, CircuitState
from ._matching import matcher
from ._policy import BasePolicy
from .errors import CircuitOpenError, ResilienceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from ._matching import Matcher

    _Token: TypeAlias = int | tuple[int, float]  # the epoch, and when the call began if it is timed

_PERMITS = RLock()  # held for one test and one assignment
_NEVER = -1  # the epoch of a call that was let through although it should not have been


@dataclass(frozen=True, slots=True)
class CircuitBreakerStatistics:
    """A breaker at one moment.

    Attributes:
        name: Of the breaker.
        state: Where the circuit stands.
        calls: Outcomes in the window.
        failures: Failures in the window.
        slow: Slow calls in the window.
        succeeded: Successes since the start.
        failed: Failures since the start.
        refused: Calls refused since the start, or that would have been refused in shadow mode.
    """

    name: str
    state: CircuitState
    calls: int
    failures: int
    slow: int
    succeeded: int
    failed: int
    refused: int


class CircuitBreaker(BasePolicy[CircuitBreakerOptions]):
    """Refuses calls to a target that fails too often, then lets a few through to see if it is well again.

    Safe to share between threads and tasks; no lock is held during a call.

    Args:
        name: Of the target, for messages and statistics.
        options: When to open and close.
        failure_on: Exception types or a predicate: what counts as a failure of the target. Other errors are
            answers.
        failure_if: A predicate on results: which answers count as failures.
        clock: Monotonic clock.

    Example:
        >>> breaker = CircuitBreaker("model")
        >>> permit = breaker.acquire()
        >>> permit.success()
        >>> breaker.state
        <CircuitState.CLOSED: 'closed'>
    """

    __slots__ = ("_circuit", "_clock", "_failed", "_judge", "_refused")

    # The first and the last line are the whole cost of a call while all is well. No other thread comes between the
    # test and the addition: under the interpreter's lock a thread is changed at calls and backward jumps only.
    fragment: ClassVar[str] = """
circuit{n} = {p}._circuit
{t} = circuit{n}.epoch if circuit{n}.clean else {p}._admit()
try:
    {inner}
except BaseException as error:
    {p}._failed_with({t}, error)
    raise
if circuit{n}.clean and circuit{n}.epoch == {t}:
    circuit{n}.calls += 1
else:
    {p}._succeeded_with({t}, result)
"""
    # One for all: it is held for a few transitions, never during a call, and a lock in each breaker would cost
    # a third of its memory. A finalizer that settles a call in the midst of one may enter it again.
    _lock: ClassVar[RLock] = RLock()

    def __init__(
        self,
        name: str,
        options: CircuitBreakerOptions | None = None,
        *,
        failure_on: Matcher = Exception,
        failure_if: Callable[[object], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, options or CircuitBreakerOptions())
        plain = (failure_on, failure_if) == (Exception, None)
        self._judge = None if plain else (matcher(failure_on), failure_if)
        self._circuit = Circuit(self.options, plain=failure_if is None)
        self._clock = clock
        self._failed = self._refused = 0

    @property
    def state(self) -> CircuitState:
        """Where the circuit stands; an open one turns half-open when the next call comes."""
        return self._circuit.state

    def statistics(self) -> CircuitBreakerStatistics:
        """Return the state and the counts at this moment."""
        with self._lock:
            circuit = self._circuit
            calls, failures, slow = circuit.numbers(self._clock(), self.options)
            return CircuitBreakerStatistics(
                name=self.name,
                state=circuit.state,
                calls=calls,
                failures=failures,
                slow=slow,
                succeeded=circuit.past + circuit.calls - self._failed,
                failed=self._failed,
                refused=self._refused,
            )

    def acquire(self) -> CircuitPermit:
        """Ask to make a call.

        Returns:
            The permit, to be settled when the outcome is known, however late.

        Raises:
            CircuitOpenError: The target must not be asked now.
        """
        return CircuitPermit(self, self._admit())

    def isolate(self) -> None:
        """Refuse every call until told otherwise."""
        self._go(CircuitState.ISOLATED)

    def disable(self) -> None:
        """Let every call through and count none, until told otherwise."""
        self._go(CircuitState.DISABLED)

    def only_count(self) -> None:
        """Let every call through and count outcomes without ever opening (metrics only), until told otherwise."""
        self._go(CircuitState.METRICS_ONLY)

    def open(self) -> None:
        """Open by hand; the circuit recovers as if it had opened by itself."""
        self._go(CircuitState.OPEN)

    def close(self) -> None:
        """Close by hand, with nothing counted; also ends the states that are entered by hand."""
        self._go(CircuitState.CLOSED)

    def reload(self, options: CircuitBreakerOptions) -> None:
        """Go by other options; state and window are kept, and judged anew."""
        with self._lock:
            self._circuit.adapt(self._clock(), self.options, options)
            self.options = options

    def explain(self) -> str:
        """Say in words what the policy does."""
        options = self.options
        if options.sliding_window_seconds is None:
            window = f"the last {options.sliding_window_size} calls"
        else:
            window = f"the calls of the last {options.sliding_window_seconds:g} s"
        slow = ""
        if options.slow_call_duration_threshold is not None:
            slow = (
                f" or {options.slow_call_rate_threshold:.0%} took {options.slow_call_duration_threshold:g} s or longer"
            )
        return (
            f"stop asking {self.name!r} for {options.wait_duration_in_open_state:g} s once"
            f" {options.failure_rate_threshold:.0%} of {window} failed{slow}, from {options.minimum_number_of_calls}"
            f" calls on; then {options.permitted_calls_in_half_open} at a time decide whether it is well"
        )

    async def hold(self) -> StreamVerdict:
        """Ask to open a stream; what is returned takes its first item, then its end."""
        return StreamVerdict(self, self._admit())

    def _go(self, state: CircuitState) -> None:
        with self._lock:
            before = self._circuit.state
            self._circuit.enter(state, self._clock(), self.options)
        self._tell_change(before)

    def _admit(self) -> _Token:
        options = self.options
        with self._lock:
            now = self._clock()
            before = self._circuit.state
            retry_after = self._circuit.admit(now, options)
            epoch, state = self._circuit.epoch, self._circuit.state
            if retry_after is not None:
                self._refused += 1
                epoch, since = _NEVER, now - self._circuit.opened_at
        if state is not before:
            self._tell_change(before)
        if retry_after is not None:
            self._refuse(state, retry_after, since)
        return epoch if options.slow_call_duration_threshold is None else (epoch, now)

    def _refuse(self, state: CircuitState, retry_after: float, since: float) -> None:
        shadow = self.options.shadow
        if self.hooks:
            self.tell("circuit.refused", f"the circuit is {state.value}", seconds=retry_after, shadow=shadow)
        if not shadow:
            opened = time.strftime("%H:%M:%S", time.localtime(time.time() - since))  # only for the reader
            story = f"refused, breaker {self.name!r} {state.value} since {opened}"
            message = f"the circuit {self.name!r} is {state.value}"
            raise CircuitOpenError(message, retry_after=retry_after, timeline=(story,))

    def _failed_with(self, token: _Token, error: BaseException) -> None:
        if not isinstance(error, Exception) or (isinstance(error, ResilienceError) and not error.asked):
            self._settle(token, None)  # cancelled, or refused on our side: the target was not asked
        else:
            self._settle(token, self._judge is None or self._ask(self._judge[0], token, error))

    def _failed_later(self, error: BaseException) -> None:
        """Count a target that broke a stream whose good beginning has closed the circuit."""
        with self._lock:
            epoch = self._circuit.epoch
        options = self.options
        timed = options.slow_call_duration_threshold is not None
        self._failed_with((epoch, self._clock()) if timed else epoch, error)

    def _succeeded_with(self, token: _Token, result: object) -> None:
        predicate = None if self._judge is None else self._judge[1]
        self._settle(token, predicate is not None and self._ask(predicate, token, result))

    def _ask(self, predicate: Callable[[Any], bool], token: _Token, outcome: Any) -> bool:
        """Ask a predicate of the user; one that raises leaves no permit behind."""
        try:
            return bool(predicate(outcome))
        except BaseException:
            self._settle(token, None)
            raise

    def _settle(self, token: _Token, failed: bool | None) -> None:  # noqa: FBT001 (three outcomes)
        epoch, started = token if isinstance(token, tuple) else (token, None)
        with self._lock:
            if failed is None:
                self._circuit.forget(epoch)
                return
            now, options = self._clock(), self.options
            threshold = options.slow_call_duration_threshold
            slow = threshold is not None and started is not None and now - started >= threshold
            before = self._circuit.state
            if not self._circuit.record(epoch, now, options, failed=failed, slow=slow):
                self._circuit.past += 1
            self._failed += failed
        if self._circuit.state is not before:
            self._tell_change(before)

    def _tell_change(self, before: CircuitState) -> None:
        state = self._circuit.state
        if self.hooks:
            kind = "opened" if state is CircuitState.OPEN else state.value
            self.tell(f"circuit.{kind}", f"{before.value} to {state.value}", shadow=self.options.shadow)


class StreamVerdict:
    """Judges one stream: by its first item, then by what the target does after it.

    The reader's pace and the reader's leaving say nothing about the target. A stream that began well is a success,
    whoever ends it, unless the target breaks it; a half-open circuit does not wait for the end of a stream.
    """

    __slots__ = ("_began_well", "_breaker", "_token")

    def __init__(self, breaker: CircuitBreaker, token: _Token) -> None:
        self._breaker = breaker
        self._token: _Token | None = token
        self._began_well = False

    def begin(self, first: object) -> None:
        """Take the first item; a failure settles the verdict, and so does any item while the circuit is half-open."""
        breaker, token = self._breaker, self._token
        if token is None:
            return
        self._token = None  # a predicate that raises has settled it
        predicate = None if breaker._judge is None else breaker._judge[1]  # noqa: SLF001 (a part of the breaker)
        failed = predicate is not None and breaker._ask(predicate, token, first)  # noqa: SLF001
        self._began_well = not failed
        if failed or breaker.state is CircuitState.HALF_OPEN:
            breaker._settle(token, failed)  # noqa: SLF001
        else:
            self._token = token

    def __call__(self, error: BaseException | None) -> None:
        """Take the end of the stream, with the error if there was one."""
        breaker, token = self._breaker, self._token
        self._token = None
        if token is None:
            if error is not None and self._began_well:
                breaker._failed_later(error)  # noqa: SLF001 (a part of the breaker)
        elif error is None or (self._began_well and not isinstance(error, Exception)):
            breaker._settle(token, False)  # noqa: SLF001, FBT003 (three outcomes)
        else:
            breaker._failed_with(token, error)  # noqa: SLF001


class CircuitPermit:
    """The right to one call; the first of its three methods settles it, later ones do nothing."""

    __slots__ = ("_breaker", "_token", "settled")

    def __init__(self, breaker: CircuitBreaker, token: _Token) -> None:
        self._breaker = breaker
        self._token = token
        self.settled = False

    def success(self) -> None:
        """Tell that the target answered."""
        self._settle(False)  # noqa: FBT003 (three outcomes)

    def failure(self) -> None:
        """Tell that the target failed."""
        self._settle(True)  # noqa: FBT003 (three outcomes)

    def release(self) -> None:
        """Give the permit back: the call was cancelled or not made and says nothing about the target."""
        self._settle(None)

    def _settle(self, failed: bool | None) -> None:  # noqa: FBT001 (three outcomes)
        with _PERMITS:
            if self.settled:
                return
            self.settled = True
        self._breaker._settle(self._token, failed)  # noqa: SLF001 (a part of the breaker)
